import CEpollShim
import System

/// Tokens of a sandbox: made from the system's random source, compared by digest in constant time.
enum Secret {
    /// `mcp_` and 43 base64url characters: 32 random bytes.
    static func mcpToken() -> String { "mcp_" + Base64Text.urlSafe(Random.bytes(32)) }

    /// The secret of a sandbox's file and process routes (`X-Access-Token`).
    static func envdToken() -> String { "envd_" + Base64Text.urlSafe(Random.bytes(32)) }

    static func digest(_ text: String) -> [UInt8] { digest(Array(text.utf8)) }

    /// SHA-256, 32 bytes.
    static func digest(_ bytes: [UInt8]) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: Int(CE_SHA256_BYTES))
        let result = bytes.withUnsafeBytes { ce_sha256($0.baseAddress, $0.count, &output) }
        precondition(result == 0, "SHA-256 is not available")
        return output
    }

    /// Compares two digests without a branch on their content.
    static func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.count == b.count && ce_equal(a, b, a.count) == 1
    }

    /// Compares two secrets of any length by their digests.
    static func areEqual(_ a: String, _ b: String) -> Bool { areEqual(digest(a), digest(b)) }
}
