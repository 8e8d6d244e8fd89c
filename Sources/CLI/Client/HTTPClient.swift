import CEpollShim
import Glibc
import System
import TLS

/// One request at a time over a blocking connection of its own: a command asks a few times and ends.
struct HTTPClient: Sendable {
    /// Seconds until a connection stands.
    static let connectSeconds = 10
    /// Seconds an answer may take; a call may run for as long as the gateway's own limit, and progress extends it.
    static let answerSeconds = 3600

    var endpoint: Endpoint

    func send(
        _ method: String, _ path: String, _ fields: [(String, String)], _ body: [UInt8]
    ) throws(CommandFailure) -> HTTPAnswer {
        signal(SIGPIPE, SIG_IGN)
        let bytes = Array(head(method, path, fields, body.count).utf8) + body
        let received: [UInt8]
        do {
            let socket = try connect()
            received = endpoint.isTLS ? try exchangeTLS(socket, bytes) : try exchange(socket, bytes)
        } catch let error as Errno {
            throw CommandFailure(
                "cannot reach a gateway at \(endpoint.url): \(error.reason). "
                    + "Start one with \"mcp-gateway serve\", or say with --url where it is.")
        } catch {
            throw error as? CommandFailure ?? CommandFailure("\(endpoint.url): \(error)")
        }
        do throws(HTTPAnswer.Malformed) {
            return try HTTPAnswer(received[...])
        } catch {
            throw CommandFailure(
                "\(endpoint.url) is no gateway, or is one that is ending: it \(error.reason).")
        }
    }

    private func head(_ method: String, _ path: String, _ fields: [(String, String)], _ length: Int) -> String
    {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: \(endpoint.authority)\r\nConnection: close\r\n"
        text += "User-Agent: mcp-gateway/\(Version.number)\r\nAccept: application/json\r\n"
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        if length > 0 || method == "POST" || method == "PUT" {
            text += "Content-Type: application/json\r\nContent-Length: \(length)\r\n"
        }
        return text + "\r\n"
    }

    /// The first address of the host that takes a connection.
    private func connect() throws -> Descriptor {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(endpoint.host, "\(endpoint.port)", &hints, &list)
        guard result == 0 else {
            throw CommandFailure(
                "cannot find the host of \(endpoint.url): \(String(cString: gai_strerror(result)))")
        }
        defer { freeaddrinfo(list) }
        var failure = Errno(EADDRNOTAVAIL, "connecting")
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            let socket = Descriptor(
                owning: Glibc.socket(entry.ai_family, entry.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0))
            guard socket.raw >= 0 else { continue }
            Self.setTimeout(socket.raw, SO_SNDTIMEO, seconds: Self.connectSeconds)
            if Glibc.connect(socket.raw, entry.ai_addr, entry.ai_addrlen) == 0 {
                Self.setTimeout(socket.raw, SO_RCVTIMEO, seconds: Self.answerSeconds)
                return socket
            }
            // Linux reports the end of SO_SNDTIMEO in connect(2) as EINPROGRESS.
            failure = Errno(errno == EINPROGRESS ? ETIMEDOUT : errno, "connecting")
        }
        throw failure
    }

    private static func setTimeout(_ socket: Int32, _ option: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    private func exchange(_ socket: borrowing Descriptor, _ request: [UInt8]) throws -> [UInt8] {
        let sent = request.withUnsafeBytes { ce_write_all(socket.raw, $0.baseAddress, $0.count) }
        return try Self.readAll(sent) { ce_read(socket.raw, $0.baseAddress, $0.count) }
    }

    private func exchangeTLS(_ socket: borrowing Descriptor, _ request: [UInt8]) throws -> [UInt8] {
        do {
            return try TLSExchange.run(socket, host: endpoint.host, request)
        } catch let failure as TLSFailure {
            throw CommandFailure("\(endpoint.url): \(failure). SSL_CERT_FILE names authorities to trust.")
        }
    }

    /// Everything until the gateway closes. It may refuse a large body before all of it has left, and reset the
    /// connection then: what came before is its answer, and whether that is whole shows by its own length.
    /// `sent`: how sending went.
    private static func readAll(
        _ sent: Int32, _ read: (UnsafeMutableRawBufferPointer) -> Int64
    ) throws -> [UInt8] {
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = chunk.withUnsafeMutableBytes(read)
            if count < 0, received.isEmpty {
                throw Errno(sent < 0 ? sent : Int32(clamping: count), "reading")
            }
            guard count > 0 else { return received }
            received += chunk.prefix(Int(count))
            guard received.count <= HTTPAnswer.bytesMax else {
                throw CommandFailure("the answer is too long")
            }
        }
    }
}
