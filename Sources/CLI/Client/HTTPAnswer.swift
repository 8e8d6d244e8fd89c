import System
import Wire

/// One whole answer, read from everything that came on a connection which the gateway closes after it.
struct HTTPAnswer: Sendable {
    /// Bytes of an answer: the gateway's own limit for a result of a tool, and room for what is around it.
    static let bytesMax = 33 << 20

    struct Malformed: Error, Equatable { var reason: String }

    var status: Int
    /// Names in lower case.
    var fields: [(name: String, value: String)]
    var body: [UInt8]

    func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    var json: JSONValue? { try? JSONValue.parse(body) }

    /// RFC 9112 §4 and §6.
    init(_ bytes: ArraySlice<UInt8>) throws(Malformed) {
        var rest = bytes
        repeat {
            guard !rest.isEmpty else { throw Malformed(reason: "closed the connection without an answer") }
            guard let end = Self.emptyLine(rest) else { throw Malformed(reason: "sent half an answer") }
            (status, fields) = try Self.head(rest[..<end])
            rest = rest[(end + 4)...]
            // Interim answers (RFC 9110 §15.2) come before the real one.
        } while status < 200
        body = []
        body = try content(rest)
    }

    /// Where the head's last field ends, before the two line ends.
    private static func emptyLine(_ bytes: ArraySlice<UInt8>) -> Int? {
        var at = bytes.startIndex
        while at + 3 < bytes.endIndex {
            if bytes[at] == 0x0D, bytes[at + 1] == 0x0A, bytes[at + 2] == 0x0D, bytes[at + 3] == 0x0A {
                return at
            }
            at += 1
        }
        return nil
    }

    private static func head(
        _ bytes: ArraySlice<UInt8>
    ) throws(Malformed) -> (status: Int, fields: [(name: String, value: String)]) {
        let lines = bytes.split(separator: 0x0A).map { line in
            String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
        }
        guard let first = lines.first, first.hasPrefix("HTTP/1."),
            let status = Int(first.dropFirst(9).prefix(3))
        else {
            throw Malformed(reason: "does not speak HTTP/1.1")
        }
        let fields = lines.dropFirst().compactMap { line in
            line.firstIndex(of: ":").map { colon in
                (line[..<colon].lowercased(), String(line[line.index(after: colon)...].drop { $0 == " " }))
            }
        }
        return (status, fields)
    }

    private func content(_ bytes: ArraySlice<UInt8>) throws(Malformed) -> [UInt8] {
        if field("transfer-encoding")?.lowercased() == "chunked" { return try Self.dechunked(Array(bytes)) }
        guard let text = field("content-length"), status != 204 else { return Array(bytes) }
        guard let length = Int(text), bytes.count >= max(length, 0), length >= 0 else {
            throw Malformed(reason: "sent half an answer")
        }
        return Array(bytes.prefix(length))
    }

    private static func dechunked(_ bytes: [UInt8]) throws(Malformed) -> [UInt8] {
        var decoder = ChunkDecoder()
        var body = ByteQueue()
        let isDone = bytes.withUnsafeBytes {
            (try? decoder.decode($0, into: &body, bodyBytesMax: bytesMax))?.isDone ?? false
        }
        guard isDone else { throw Malformed(reason: "sent half an answer") }
        return Array(body.bytes)
    }
}
