// swift-tools-version: 6.2
import PackageDescription
let hot: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]
let package = Package(
    name: "mcp-gateway",
    targets: [
        .target(
            name: "CEpollShim", path: "CEpollShim", publicHeadersPath: "include",
            cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra"])],
            linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto"), .linkedLibrary("uring")]),
        .target(name: "System", dependencies: ["CEpollShim"], swiftSettings: hot),
        .target(name: "Reactor", dependencies: ["System", "CEpollShim"], swiftSettings: hot),
        .target(name: "TLS", dependencies: ["System", "CEpollShim"], swiftSettings: hot),
        .target(
            name: "CTestCertificates", path: "Tests/CTestCertificates", publicHeadersPath: "include",
            linkerSettings: [.linkedLibrary("crypto")]),
        .testTarget(name: "TLSTests", dependencies: ["TLS", "System", "CEpollShim", "CTestCertificates"]),
        .testTarget(name: "SystemTests", dependencies: ["System"]),
        .testTarget(name: "ReactorTests", dependencies: ["Reactor", "System", "CEpollShim"]),
    ]
)
