// swift-tools-version: 6.3
import PackageDescription

let package = Package(
    name: "upscale",
    dependencies: [.package(name: "enlarger", path: "../..")],
    targets: [.executableTarget(name: "upscale", dependencies: [.product(name: "Enlarger", package: "enlarger")])])
