// swift-tools-version: 6.2
import PackageDescription

/// The call path: dynamic exclusivity checks cost 11 % of user instructions on class state that one
/// thread owns; debug and test builds keep them.
let hot: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]
/// The edges: no unsafe construct without the word `unsafe`.
let edge: [SwiftSetting] = [.swiftLanguageMode(.v6), .strictMemorySafety()]

/// What `mcp-gateway version` says. A cached manifest is not read again after a commit: `make build` reads it
/// anew.
let commit = Context.gitInformation.map { git in
    git.currentCommit.prefix(12) + (git.hasUncommittedChanges ? "+changes" : "")
}

let package = Package(
    name: "mcp-gateway",
    products: [.executable(name: "mcp-gateway", targets: ["CLI"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .target(
            name: "CEpollShim",
            path: "CEpollShim",
            publicHeadersPath: "include",
            cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra"])],
            linkerSettings: [
                .linkedLibrary("ssl"), .linkedLibrary("crypto"), .linkedLibrary("nghttp2"),
                .linkedLibrary("seccomp"), .linkedLibrary("uring"), .linkedLibrary("cares"),
            ]),
        .target(
            name: "CBuildInfo", path: "Sources/CBuildInfo", publicHeadersPath: "include",
            cSettings: [.define("MCP_GATEWAY_COMMIT", to: "\"\(commit ?? "unknown")\"")],
            linkerSettings: [.linkedLibrary("crypto")]),
        // libyaml itself: Yams would link all of Foundation and ICU (start 10.9 instead of 4.6 ms, 10 MB more
        // resident, 76 instead of 24 MB linked statically) and traps on what it cannot decode.
        .systemLibrary(
            name: "CYAML", path: "Sources/CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(name: "System", dependencies: ["CEpollShim"], swiftSettings: hot),
        .target(name: "Telemetry", dependencies: ["System"], swiftSettings: hot),
        .target(name: "Reactor", dependencies: ["System", "CEpollShim"], swiftSettings: hot),
        .target(name: "Wire", dependencies: ["System", "CEpollShim"], swiftSettings: hot),
        .target(name: "TLS", dependencies: ["System", "CEpollShim"], swiftSettings: hot),
        .target(name: "MCP", dependencies: ["System", "Wire", "CEpollShim"], swiftSettings: hot),
        .target(
            name: "CatalogData", path: "Sources/Catalog/Data", exclude: ["catalog.json"],
            publicHeadersPath: "include"),
        .target(
            name: "Catalog", dependencies: ["CatalogData", "System", "Wire"], exclude: ["Data"],
            swiftSettings: edge),
        .target(name: "Sandbox", dependencies: ["System", "Telemetry", "CEpollShim"], swiftSettings: hot),
        .target(
            name: "Gateway",
            dependencies: [
                "System", "Telemetry", "Reactor", "Wire", "TLS", "MCP", "Catalog", "Sandbox", "CEpollShim",
            ],
            swiftSettings: hot),
        .executableTarget(
            name: "CLI",
            dependencies: [
                "Gateway", "Catalog", "Sandbox", "Telemetry", "System", "Wire", "CEpollShim", "CBuildInfo",
                "TLS",
                "CYAML",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        .testTarget(name: "SystemTests", dependencies: ["System"]),
        .testTarget(name: "TelemetryTests", dependencies: ["Telemetry"]),
        .testTarget(name: "ReactorTests", dependencies: ["Reactor", "System", "CEpollShim"]),
        .testTarget(name: "WireTests", dependencies: ["Wire", "System"]),
        .target(
            name: "CTestCertificates", path: "Tests/CTestCertificates", publicHeadersPath: "include",
            linkerSettings: [.linkedLibrary("crypto")]),
        .testTarget(name: "TLSTests", dependencies: ["TLS", "System", "CEpollShim", "CTestCertificates"]),
        .testTarget(name: "MCPTests", dependencies: ["MCP", "Wire", "System"]),
        .testTarget(name: "CatalogTests", dependencies: ["Catalog", "Wire", "System"]),
        .testTarget(name: "SandboxTests", dependencies: ["Sandbox", "System", "CEpollShim"]),
        .testTarget(name: "CLITests", dependencies: ["CLI"]),
        .testTarget(name: "GatewayTests", dependencies: ["Gateway", "MCP", "Wire", "System", "Catalog"]),
    ]
)

// `make fuzz` alone: its main is libFuzzer's.
if Context.environment["MCP_GATEWAY_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzz", dependencies: ["Wire", "MCP", "System"], path: "Tests/Fuzz", exclude: ["seeds"],
            swiftSettings: [.swiftLanguageMode(.v6), .unsafeFlags(["-parse-as-library"])]))
}
