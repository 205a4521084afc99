import CPUBackend
package import Enlarger
import ModelFormats
import Synchronization
package import Tensors

/// A model that the service has opened. Its description stays; its weights come and go.
package final class ServedModel: Sendable {
    package let model: LoadedModel
    /// One for each file and scale: the name of its weights in the ledger.
    package let key: String
    private let weights = Mutex<LoadedWeights?>(nil)

    init(model: LoadedModel, key: String) {
        self.model = model
        self.key = key
    }

    package var hasWeights: Bool { weights.withLock { $0 != nil } }

    /// The packed weights, packed now where they are not. Who asks meanwhile waits for them.
    /// - Throws: `allocationFailed`.
    func loadWeights() throws(EnlargerError) -> LoadedWeights {
        try weights.withLock { weights throws(EnlargerError) in
            if let weights { return weights }
            let packed = try model.packWeights(for: .cpu(CPUDevice(threads: 1)))
            weights = packed
            return packed
        }
    }

    func dropWeights() { weights.withLock { $0 = nil } }
}

/// The models that requests may name: those of the library's folders, by name. A request never names a path.
package final class ModelStore: Sendable {
    private let library: ModelLibrary
    private let opened = Mutex<[String: ServedModel]>([:])

    package init(library: ModelLibrary) { self.library = library }

    /// Letters, digits, dot, underscore and hyphen; at most 100 of them.
    package static func isName(_ text: String) -> Bool {
        (1...100).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
                default: false
                }
            }
    }

    /// The model that a name means: itself, or without its scale (`lite` for `lite-x3`), as for the command.
    /// - Parameter scale: nil: the model's own; for a name without one 2, or else the least that there is.
    /// - Throws: `modelNotFound`, `modelInvalid`, `modelUnsupported`, `usage` for a scale that the model does not have.
    package func model(_ name: String, scale: Int?) throws(EnlargerError) -> ServedModel {
        guard Self.isName(name) else { throw EnlargerError(.modelNotFound, "that is no model's name: letters, digits, '.', '_' and '-'") }
        let request = "\(name) \(scale ?? 0)"
        if let known = opened.withLock({ $0[request] }) { return known }
        let list = library.list()
        guard let found = ModelLibrary.names(for: name, scale: scale).lazy.compactMap({ name in list.first { $0.name == name } }).first else {
            throw EnlargerError(.modelNotFound, "there is no model \(name)\(scale.map { " for x\($0)" } ?? "")")
        }
        let loaded: LoadedModel
        do throws(EnlargerError) {
            loaded = try LoadedModel(model: ModelFile.load(path: found.path), name: found.name, scales: scale.map { [$0] } ?? [])
        } catch {
            // Requests do not learn where the service keeps its files.
            throw EnlargerError(error.code, error.message.split(separator: found.path).joined(separator: found.name))
        }
        let key = "\(found.name) \(loaded.scale)"
        return opened.withLock { opened in
            let served = opened[key] ?? ServedModel(model: loaded, key: key)
            opened[key] = served
            opened[request] = served
            return served
        }
    }

    /// What the folders hold, in the library's order; files that cannot be read are left out.
    package func all() -> [ServedModel] {
        library.list().compactMap { file in
            guard Self.isName(file.name) else { return nil }
            return try? model(file.name, scale: nil)
        }
    }

    /// Models whose weights are in memory.
    package var loadedCount: Int {
        Set(opened.withLock { $0.values.filter(\.hasWeights).map(\.key) }).count
    }

    /// Frees the weights with this name in the ledger.
    /// - Precondition: no run uses them.
    func dropWeights(_ key: String) { opened.withLock { $0[key] }?.dropWeights() }
}
