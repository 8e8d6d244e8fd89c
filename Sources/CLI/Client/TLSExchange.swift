import CEpollShim
import Glibc
import System
import TLS

/// One request and its answer over TLS, on a blocking socket.
struct TLSExchange: ~Copyable {
    private let socket: Int32
    private let session: TLSSession
    private var cipher = Outbox(pool: ChunkPool())
    private var answer: [UInt8] = []

    /// The bytes of the answer, up to the gateway's end of the connection. The certificate must be for `host`.
    static func run(_ socket: borrowing Descriptor, host: String, _ request: [UInt8]) throws -> [UInt8] {
        let context = try TLSContext(trusting: .system, protocols: [.http11])
        let session = try TLSSession(connectingTo: host, context, scratch: TLSScratch())
        var exchange = TLSExchange(socket: socket.raw, session: session)
        return try exchange.run(request)
    }

    private init(socket: Int32, session: TLSSession) {
        self.socket = socket
        self.session = session
    }

    private mutating func run(_ request: [UInt8]) throws -> [UInt8] {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)
        defer { room.deallocate() }
        while true {
            let hasEnded = try pump(request)
            try flush()
            if hasEnded { return answer }
            let count = ce_read(socket, room.baseAddress, room.count)
            if count <= 0, answer.isEmpty {
                throw Errno(count < 0 ? Int32(clamping: count) : ECONNRESET, "reading")
            }
            // An answer that was cut off shows by its own length.
            guard count > 0 else { return answer }
            session.receive(UnsafeRawBufferPointer(rebasing: room[..<Int(count)]))
            guard answer.count <= HTTPAnswer.bytesMax else { throw CommandFailure("the answer is too long") }
        }
    }

    /// Takes what has arrived. True when the gateway has ended.
    private mutating func pump(_ request: [UInt8]) throws -> Bool {
        while let event = session.next(into: &cipher) {
            switch event {
            case .handshakeDone:
                request.withUnsafeBytes { _ = session.send($0, into: &cipher, now: .now()) }
            case .plaintext(let bytes): answer += bytes
            case .closed: return true
            case .failed(let failure):
                try? flush()
                throw failure
            }
        }
        return false
    }

    private mutating func flush() throws(Errno) {
        guard !cipher.isEmpty else { return }
        let bytes = cipher.takeAll()
        try Errno.check(bytes.withBytes { ce_write_all(socket, $0.baseAddress, $0.count) }, "sending")
    }
}
