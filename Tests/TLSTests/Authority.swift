import CTestCertificates
import Glibc
import System

@testable import TLS

/// Certificates made for one test, and the directory of their files, which goes with it.
final class Authority {
    let directory: String
    private let root: OpaquePointer
    private static let day = 86_400

    struct Failure: Error {}

    init() throws {
        directory = "/tmp/tls-tests-\(Random.base36(12))"
        guard let root = ctc_make(nil, "Test Root", nil, 1, -60, 3650 * Self.day, 0) else { throw Failure() }
        self.root = root
        try Files.makeDirectories(directory, mode: 0o700)
        try write("root.pem", Self.pem { ctc_certificate_pem(root, $0, $1) })
    }

    deinit {
        ctc_free(root)
        try? Files.removeTree(directory)
    }

    var rootFile: String { path("root.pem") }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try Files.writeAtomically(Array(text.utf8), to: path(name), mode: 0o600)
        return path(name)
    }

    /// A certificate signed by the root, or by itself, as two files named after `name`.
    @discardableResult
    func issue(
        _ name: String, for names: String?, from: Int = -60, to: Int = 90 * day, rsaBits: Int32 = 0,
        isSelfSigned: Bool = false, password: String? = nil
    ) throws -> CertificateFiles {
        guard let made = ctc_make(isSelfSigned ? nil : root, name, names, 0, from, to, rsaBits) else {
            throw Failure()
        }
        defer { ctc_free(made) }
        return CertificateFiles(
            chain: try write("\(name).pem", Self.pem { ctc_certificate_pem(made, $0, $1) }),
            key: try write("\(name).key", Self.pem { ctc_key_pem(made, password, $0, $1) }))
    }

    func identity(_ name: String, for names: String?) throws -> Identity {
        try Identity(issue(name, for: names))
    }

    private static func pem(_ body: (UnsafeMutablePointer<CChar>?, Int) -> Int32) throws -> String {
        var room = [CChar](repeating: 0, count: 16_384)
        let length = room.withUnsafeMutableBufferPointer { body($0.baseAddress, $0.count) }
        guard length >= 0 else { throw Failure() }
        return String(decoding: room.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
