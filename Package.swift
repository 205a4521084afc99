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
        .library(name: "enlarger", type: .dynamic, targets: ["CInterface"]),
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
        .target(
            name: "VulkanBackend", dependencies: ["Tensors", "NetworkGraph", "StreamPlanner", "CVulkan"], exclude: ["Shaders"],
            swiftSettings: swift),
        .target(name: "PictureIO", dependencies: ["Tensors", "CVips"], swiftSettings: swift),
        .target(
            name: "Enlarger",
            dependencies: [
                "Tensors", "NetworkGraph", "ModelFormats", "StreamPlanner", "CPUBackend", "VulkanBackend", "PictureIO", "CKernels",
                "CSystem", "CCurl",
            ],
            swiftSettings: swift),
        // libenlarger.so: only enlarger_* is visible, and Swift's runtime is inside.
        .target(
            name: "CInterface", dependencies: ["CEnlarger", "Enlarger", "Tensors"], exclude: ["libenlarger.map", "enlarger.pc.in"], swiftSettings: swift,
            linkerSettings: [
                .unsafeFlags(
                    ["-use-ld=lld", "-static-stdlib", "-l_FoundationCollections", "-l_FoundationCShims"]
                        + ["--version-script=\(Context.packageDirectory)/Sources/CInterface/libenlarger.map", "-soname", "libenlarger.so.0", "-z", "defs", "--gc-sections"]
                        .flatMap { ["-Xlinker", $0] })
            ]),
        .target(name: "CEnlarger"),
        .target(name: "HTTPServer", dependencies: ["Tensors", "CMicroHTTP"], swiftSettings: swift),
        .target(name: "Jobs", dependencies: ["Tensors", "CSQLite"], swiftSettings: swift),
        .target(name: "BlobStore", dependencies: ["Tensors", "CCurl"], swiftSettings: swift),
        .target(name: "NATSQueue", dependencies: ["Jobs", "Tensors", "CLibNats"], swiftSettings: swift),
        .target(
            name: "EnlargeService",
            dependencies: [
                "Enlarger", "HTTPServer", "Jobs", "NATSQueue", "BlobStore", "Tensors", "NetworkGraph", "ModelFormats", "StreamPlanner", "CPUBackend", "PictureIO", "CSystem",
                "CWebPage",
            ],
            swiftSettings: swift),
        .executableTarget(
            name: "enlarge", dependencies: ["Enlarger", "EnlargeService", "Tensors", "NetworkGraph", "ModelFormats", "StreamPlanner", "PictureIO", "CPUBackend", "VulkanBackend", "CSystem"],
            swiftSettings: swift),

        .target(name: "CKernels", cSettings: c),
        .target(name: "CSystem", cSettings: c),
        .target(name: "CVulkan", exclude: ["spirv"], cSettings: c + [.unsafeFlags(["-Wno-c23-extensions"])]),
        .target(name: "CVips", dependencies: ["CLibVips"], cSettings: c),
        .systemLibrary(name: "CLibVips", pkgConfig: "vips", providers: [.apt(["libvips-dev"])]),
        .target(name: "CCurl", dependencies: ["CLibCurl"], cSettings: c),
        .systemLibrary(name: "CLibCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),

        .target(name: "CMicroHTTP", dependencies: ["CLibMicroHTTPD"], cSettings: c),
        .systemLibrary(name: "CLibMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CLibNats", pkgConfig: "libnats", providers: [.apt(["libnats-dev"])]),
        .target(name: "CWebPage", exclude: ["page", "openapi.json"], cSettings: c + [.unsafeFlags(["-Wno-c23-extensions"])]),

        .target(name: "TestSupport", dependencies: ["Tensors", "NetworkGraph", "StreamPlanner"], path: "Tests/TestSupport", swiftSettings: swift),
        .testTarget(name: "NetworkGraphTests", dependencies: ["NetworkGraph", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "ModelFormatsTests", dependencies: ["ModelFormats", "NetworkGraph", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "StreamPlannerTests", dependencies: ["StreamPlanner", "NetworkGraph", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels", "TestSupport"], swiftSettings: swift),
        .testTarget(
            name: "CPUBackendTests",
            dependencies: ["CPUBackend", "StreamPlanner", "ModelFormats", "NetworkGraph", "Tensors", "TestSupport"],
            swiftSettings: swift),
        .testTarget(
            name: "VulkanBackendTests",
            dependencies: [
                "VulkanBackend", "CVulkan", "StreamPlanner", "ModelFormats", "NetworkGraph", "Tensors", "TestSupport",
            ],
            swiftSettings: swift),
        .testTarget(name: "PictureIOTests", dependencies: ["PictureIO", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "HTTPServerTests", dependencies: ["HTTPServer", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "BlobStoreTests", dependencies: ["BlobStore", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "JobsTests", dependencies: ["Jobs", "NATSQueue", "Tensors", "TestSupport"], swiftSettings: swift),
        .testTarget(
            name: "EnlargeServiceTests",
            dependencies: ["EnlargeService", "BlobStore", "Enlarger", "HTTPServer", "Jobs", "PictureIO", "CVips", "ModelFormats", "NetworkGraph", "Tensors", "TestSupport", "enlarge"],
            swiftSettings: swift),
        .testTarget(
            name: "EnlargerTests",
            dependencies: [
                "Enlarger", "PictureIO", "CVips", "CKernels", "ModelFormats", "NetworkGraph", "StreamPlanner", "Tensors", "TestSupport", "VulkanBackend",
                "CVulkan", "enlarge",
            ],
            swiftSettings: swift),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)

// The fuzz target has no main of its own; scripts/fuzz builds it with libFuzzer, and nothing else does.
if Context.environment["ENLARGER_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "fuzz-models", dependencies: ["Enlarger", "ModelFormats", "NetworkGraph", "StreamPlanner", "Tensors", "TestSupport"],
            path: "Tests/fuzz", exclude: ["make_seeds.py", "README.md", "corpus", "dictionaries"], swiftSettings: swift))
}
