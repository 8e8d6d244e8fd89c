import CEpollShim
import Glibc
import System

/// The fields of one answer on their way to HPACK: written as the lines of an HTTP/1.1 head, so that the same
/// code writes them for both versions, then with names in lower case (RFC 9113 §8.2).
struct FieldBlock: ~Copyable {
    /// Complete lines, each with its CRLF.
    var lines = ByteQueue()
    private var fields: ContiguousArray<ce_http2_field> = []

    /// Calls `submit` with `:status` (unless `status` is nil: trailers) and the lines, which are then gone.
    /// -EINVAL when a line is malformed.
    mutating func submit(
        status: Int?, _ submit: (UnsafePointer<ce_http2_field>?, Int) -> Int32
    ) -> Int32 {
        lines.append("\r\n")
        let end = lines.count
        if let status { lines.append(decimal: status) }
        fields.removeAll(keepingCapacity: true)
        defer { lines.removeAll() }
        let bytes = lines.bytes
        if status != nil { addStatus(UnsafeRawBufferPointer(rebasing: bytes[end...])) }
        guard collect(bytes, end: end) else { return -EINVAL }
        return fields.withUnsafeBufferPointer { submit($0.baseAddress, $0.count) }
    }

    private mutating func addStatus(_ digits: UnsafeRawBufferPointer) {
        let name: StaticString = ":status"
        name.withUTF8Buffer { add(UnsafeRawBufferPointer($0), digits, isSecret: false) }
    }

    private mutating func collect(_ bytes: UnsafeRawBufferPointer, end: Int) -> Bool {
        var at = 0
        do {
            while let line = try FieldLine.parse(bytes, at: at, end: end) {
                at = line.next
                let name = line.name.of(bytes)
                if Self.isOfConnection(name) { continue }
                Self.lower(name)
                add(name, line.value.of(bytes), isSecret: Self.isSecret(name))
            }
        } catch {
            return false
        }
        return at + 2 == end
    }

    private mutating func add(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, isSecret: Bool
    ) {
        fields.append(
            ce_http2_field(
                name: name.baseAddress?.assumingMemoryBound(to: UInt8.self),
                value: value.baseAddress?.assumingMemoryBound(to: UInt8.self),
                name_count: UInt32(truncatingIfNeeded: name.count),
                value_count: UInt32(truncatingIfNeeded: value.count), is_secret: isSecret ? 1 : 0))
    }

    /// In place: the bytes are those of `lines`, which is ours.
    private static func lower(_ name: UnsafeRawBufferPointer) {
        let bytes = UnsafeMutableRawBufferPointer(mutating: name)
        for i in 0..<bytes.count where bytes[i] &- 0x41 < 26 { bytes[i] |= 0x20 }
    }

    /// RFC 9113 §8.2.2: such fields must not be sent.
    private static func isOfConnection(_ name: UnsafeRawBufferPointer) -> Bool {
        ASCII.matches(name, "connection") || ASCII.matches(name, "keep-alive")
            || ASCII.matches(name, "transfer-encoding") || ASCII.matches(name, "upgrade")
            || ASCII.matches(name, "proxy-connection")
    }

    /// Values that are guessed byte by byte when they share a table with what an attacker chooses (RFC 7541
    /// §7.1), and lengths, which would only push others out of it.
    private static func isSecret(_ name: UnsafeRawBufferPointer) -> Bool {
        ASCII.matches(name, "mcp-session-id") || ASCII.matches(name, "content-length")
            || ASCII.matches(name, "set-cookie")
    }
}
