#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// splitmix64: the same sequence on every machine.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    package init(seed: UInt64) { state = seed }
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    /// Uniform in -1 ..< 1.
    package mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -1..<1, using: &self) } }
}

/// Reference data that is too large for the repository: the folder in ENLARGER_SHARED, or `shared` beside the checkout.
package enum SharedData {
    /// The file's path, nil when it is absent.
    package static func path(_ relative: String, from file: String = #filePath) -> String? {
        var folders: [String] = []
        if let named = ProcessInfo.processInfo.environment["ENLARGER_SHARED"] { folders.append(named) }
        var parts = file.split(separator: "/")
        while !parts.isEmpty {
            parts.removeLast()
            folders.append("/" + (parts + ["shared"]).joined(separator: "/"))
        }
        return folders.map { $0 + "/" + relative }.first { FileManager.default.fileExists(atPath: $0) }
    }

    /// Those of the names for which `folder/name` exists.
    package static func available(_ names: [String], suffix: String, in folders: [String]) -> [String] {
        let found = names.filter { name in folders.contains { path("\($0)/\(name)\(suffix)") != nil } }
        if found.count < names.count { print("skipped, reference data absent: \(names.filter { !found.contains($0) })") }
        return found
    }

    package static let tensorFlowNames =
        ["ESPCN", "FSRCNN-small", "FSRCNN", "EDSR-4x32"].flatMap { name in [2, 3, 4].map { "\(name)_x\($0)" } }
        + ["LapSRN_x2", "LapSRN_x4", "LapSRN_x8"]

    /// The .pb file of this name.
    package static func model(_ name: String) -> String? { path("models/opencv/\(name).pb") ?? path("golden/\(name).pb") }
}
