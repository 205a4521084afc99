// swift-tools-version: 6.3
import PackageDescription

let swift: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]
let c: [CSetting] = [
    .define("NDEBUG", .when(configuration: .release)),
    .unsafeFlags(["-O3", "-ffp-contract=off", "-fno-math-errno"]),
]

/// The arrows between targets are the architecture: see docs/architecture.md.
let package = Package(
    name: "enlarger",
    products: [
        .library(name: "Enlarger", targets: ["Enlarger"]),
        .executable(name: "enlarge", targets: ["enlarge"]),
    ],
    targets: [
        .target(name: "Tensors", dependencies: ["CSystem"], swiftSettings: swift),
        .target(name: "NetworkGraph", dependencies: ["Tensors"], swiftSettings: swift),
        .target(name: "ModelFormats", dependencies: ["Tensors", "NetworkGraph"], swiftSettings: swift),
        .target(name: "StreamPlanner", dependencies: ["Tensors", "NetworkGraph"], swiftSettings: swift),
        .target(
            name: "CPUBackend", dependencies: ["Tensors", "NetworkGraph", "StreamPlanner", "CKernels", "CSystem"],
            swiftSettings: swift),
        .target(name: "PictureIO", dependencies: ["Tensors", "CVips"], swiftSettings: swift),
        .target(
            name: "Enlarger",
            dependencies: [
                "Tensors", "NetworkGraph", "ModelFormats", "StreamPlanner", "CPUBackend", "PictureIO", "CKernels", "CSystem",
                "CCurl",
            ],
            swiftSettings: swift),
        .executableTarget(
            name: "enlarge", dependencies: ["Enlarger", "Tensors", "NetworkGraph", "ModelFormats", "StreamPlanner", "PictureIO", "CPUBackend", "CSystem"],
            swiftSettings: swift),

        .target(name: "CKernels", cSettings: c),
        .target(name: "CSystem", cSettings: c),
        .target(name: "CVips", dependencies: ["CLibVips"], cSettings: c),
        .systemLibrary(name: "CLibVips", pkgConfig: "vips", providers: [.apt(["libvips-dev"])]),
        .target(name: "CCurl", dependencies: ["CLibCurl"], cSettings: c),
        .systemLibrary(name: "CLibCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),

        .target(name: "TestSupport", dependencies: ["Tensors", "NetworkGraph"], path: "Tests/TestSupport", swiftSettings: swift),
        .testTarget(name: "NetworkGraphTests", dependencies: ["NetworkGraph", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "ModelFormatsTests", dependencies: ["ModelFormats", "NetworkGraph", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "StreamPlannerTests", dependencies: ["StreamPlanner", "NetworkGraph", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels", "TestSupport"], swiftSettings: swift),
        .testTarget(
            name: "CPUBackendTests",
            dependencies: ["CPUBackend", "StreamPlanner", "ModelFormats", "NetworkGraph", "Tensors", "TestSupport"],
            swiftSettings: swift),
        .testTarget(name: "PictureIOTests", dependencies: ["PictureIO", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(
            name: "EnlargerTests",
            dependencies: ["Enlarger", "PictureIO", "CVips", "CKernels", "ModelFormats", "NetworkGraph", "Tensors", "TestSupport", "enlarge"],
            swiftSettings: swift),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
