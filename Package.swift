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

let package = Package(
    name: "mcp-gateway",
    products: [.executable(name: "mcp-gateway", targets: ["CLI"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .target(
            name: "CEpollShim",
            path: "CEpollShim",
            publicHeadersPath: "include",
            cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra"])],
            linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "System", dependencies: ["CEpollShim"], swiftSettings: hot),
        .target(name: "Telemetry", dependencies: ["System"], swiftSettings: hot),
        .target(name: "Reactor", dependencies: ["System", "CEpollShim"], swiftSettings: hot),
        .target(name: "Wire", dependencies: ["System", "CEpollShim"], swiftSettings: hot),
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
            dependencies: ["System", "Telemetry", "Reactor", "Wire", "MCP", "Catalog", "Sandbox", "CEpollShim"],
            swiftSettings: hot),
        .executableTarget(
            name: "CLI",
            dependencies: [
                "Gateway", "Catalog", "Sandbox", "Telemetry", "System", "Wire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        .testTarget(name: "SystemTests", dependencies: ["System"]),
        .testTarget(name: "TelemetryTests", dependencies: ["Telemetry"]),
        .testTarget(name: "ReactorTests", dependencies: ["Reactor", "System", "CEpollShim"]),
        .testTarget(name: "WireTests", dependencies: ["Wire", "System"]),
        .testTarget(name: "MCPTests", dependencies: ["MCP", "Wire", "System"]),
        .testTarget(name: "CatalogTests", dependencies: ["Catalog", "Wire", "System"]),
        .testTarget(name: "SandboxTests", dependencies: ["Sandbox", "System", "CEpollShim"]),
        .testTarget(name: "GatewayTests", dependencies: ["Gateway", "MCP", "Wire", "System", "Catalog"]),
    ]
)
