import System
import Wire

/// What a client of the HTTP proxy asks for (RFC 9110 §9.3.6, RFC 9112 §3.2.2).
enum ProxyRequest: Equatable {
    case incomplete
    /// No request to a proxy.
    case refused(String)
    /// CONNECT: what follows is the tunnel's.
    case tunnel(HostPort)
    /// A request for one resource of plain HTTP.
    case forward(HostPort)

    /// Reads the head at the front of `inbox`. Of a tunnel only what the client sent behind its head is left there;
    /// of a forwarded request the head as the host is to see it, and what came behind.
    static func read(_ inbox: inout ByteQueue, resumeAt: inout Int) -> ProxyRequest {
        var head = RequestHead()
        do throws(Refusal) {
            guard try RequestParser.parse(inbox.bytes, resumeAt: &resumeAt, into: &head) else {
                return .incomplete
            }
        } catch {
            return .refused(error.reason)
        }
        if head.method == .connect {
            guard let target = HostPort(text(head.target.of(inbox.bytes))) else {
                return .refused("CONNECT needs a host and a port")
            }
            inbox.consume(head.length)
            return .tunnel(target)
        }
        guard text(head.target.of(inbox.bytes)).lowercased().hasPrefix("http://"),
            let host = head[.host], let target = target(text(host.of(inbox.bytes)))
        else { return .refused("this is a proxy: it takes CONNECT, and http:// URLs") }
        let rewritten = rewrite(head, inbox.bytes, target)
        let rest = Array(inbox.bytes.dropFirst(head.length))
        inbox.removeAll()
        inbox.append(rewritten)
        inbox.append(rest)
        return .forward(target)
    }

    private static func target(_ authority: String) -> HostPort? {
        let bare = authority.hasSuffix(":") ? String(authority.dropLast()) : authority
        return HostPort(bare) ?? HostPort(host: bare, port: 80)
    }

    /// Fields of this hop alone (RFC 9110 §7.6.1). The connection carries this one exchange: the next one may be for
    /// another host.
    private static let ownFields: Set<String> = [
        "host", "connection", "proxy-connection", "proxy-authorization", "keep-alive", "upgrade", "te",
    ]

    private static func rewrite(
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ target: HostPort
    ) -> [UInt8] {
        let path = text(head.path.of(bytes))
        let query = head.query.isPresent ? "?" + text(head.query.of(bytes)) : ""
        let host = target.port == 80 ? String(target.description.dropLast(3)) : target.description
        var out = Array(
            "\(text(head.methodRange.of(bytes))) \(path.isEmpty ? "/" : path)\(query) HTTP/1.1\r\nHost: \(host)\r\n"
                .utf8)
        head.forEachField(in: bytes) { name, value in
            guard !ownFields.contains(text(name).lowercased()) else { return }
            out += name
            out += Array(": ".utf8)
            out += value
            out += Array("\r\n".utf8)
        }
        return out + Array("Connection: close\r\n\r\n".utf8)
    }

    private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes, as: UTF8.self)
    }
}
