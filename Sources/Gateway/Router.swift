import MCP
import Reactor
import System
import Wire

/// What of a sandbox a request is for.
enum SandboxEndpoint: UInt8, Sendable {
    case mcp, listTools, callTool
    /// The two of the transport of 2024-11-05.
    case oldStream, oldMessages
}

/// A request as its sandbox sees it. The bytes are valid during the call that hands it over.
struct Inbound {
    /// Borrowed like the bytes: the head is large, and each layer would copy it.
    private let borrowedHead: UnsafePointer<RequestHead>
    let headBytes: UnsafeRawBufferPointer
    let body: UnsafeRawBufferPointer
    let exchange: ExchangeID
    let endpoint: SandboxEndpoint

    init(
        _ head: UnsafePointer<RequestHead>, _ headBytes: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer,
        exchange: ExchangeID, endpoint: SandboxEndpoint
    ) {
        borrowedHead = head
        self.headBytes = headBytes
        self.body = body
        self.exchange = exchange
        self.endpoint = endpoint
    }

    var head: RequestHead { _read { yield borrowedHead.pointee } }

    func value(_ field: Field) -> UnsafeRawBufferPointer? { borrowedHead.pointee[field]?.of(headBytes) }

    var method: Wire.Method { borrowedHead.pointee.method }

    var routing: RoutingHeaders { RoutingHeaders(borrowedHead, in: headBytes) }

    func isDuplicated(_ field: Field) -> Bool { borrowedHead.pointee.isDuplicated(field) }
}

/// Decides by host and path who answers: the sandbox's loop, the control thread, or this file.
extension LoopState {
    /// `head` is borrowed for the call: it is large, and each layer would copy it.
    func route(
        _ connection: ClientConnection, _ exchange: ExchangeID, _ borrowed: UnsafePointer<RequestHead>,
        _ bytes: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer
    ) {
        if let host = borrowed.pointee[.host]?.of(bytes), !settings.access.admitsHost(host) {
            return refuse(exchange, 421, foreignHost(host))
        }
        if let origin = borrowed.pointee[.origin]?.of(bytes), !settings.access.admitsOrigin(origin) {
            return refuse(exchange, 403, "This origin is not allowed; add it to allowed-origins.")
        }
        if borrowed.pointee.method == .options { return preflight(exchange, borrowed.pointee, bytes) }

        let path = borrowed.pointee.path.of(bytes)
        if let (key, endpoint) = Self.sandboxRoute(path) {
            return serve(connection, exchange, key, endpoint, borrowed, bytes, body)
        }
        let head = borrowed.pointee
        if let address = Self.sandboxAddress(head, bytes), address.port == 50005 {
            guard let endpoint = Self.endpoint(path) else {
                return refuse(exchange, 404, "Nothing is here; the MCP endpoint is /mcp.")
            }
            return address.id.withUnsafeBytes { id in
                serve(connection, exchange, SandboxKey(id), endpoint, borrowed, bytes, body)
            }
        }
        if path.equals("/health"), head[.e2bSandboxID] == nil, !Self.hasPortHost(head, bytes) {
            return answer(exchange, .ok, Array(#"{"status":"ok"}"#.utf8))
        }
        submitToControl(exchange, head, bytes, body)
    }

    /// A request from inside a sandbox, which reaches that sandbox's endpoint and nothing else.
    func routeInside(
        _ key: SandboxKey, _ connection: ClientConnection, _ exchange: ExchangeID,
        _ borrowed: UnsafePointer<RequestHead>, _ bytes: UnsafeRawBufferPointer,
        _ body: UnsafeRawBufferPointer
    ) {
        if let origin = borrowed.pointee[.origin]?.of(bytes), !settings.access.admitsOrigin(origin) {
            return refuse(exchange, 403, "This origin is not allowed; add it to allowed-origins.")
        }
        if borrowed.pointee.method == .options { return preflight(exchange, borrowed.pointee, bytes) }
        let path = borrowed.pointee.path.of(bytes)
        if path.equals("/health") { return answer(exchange, .ok, Array(#"{"status":"ok"}"#.utf8)) }
        guard let endpoint = Self.endpoint(path) else {
            return refuse(exchange, 404, "Nothing is here; the MCP endpoint is /mcp.")
        }
        serve(connection, exchange, key, endpoint, borrowed, bytes, body)
    }

    private func foreignHost(_ host: UnsafeRawBufferPointer) -> String {
        let name = String(decoding: host.prefix(200), as: UTF8.self)
        return "The host \(name) is not served here; add it to allowed-hosts or set public-url."
    }

    /// `/sandbox/<id>/mcp…`; the key is nil when the id cannot be one, which answers as an unknown one does.
    private static func sandboxRoute(_ path: UnsafeRawBufferPointer) -> (SandboxKey?, SandboxEndpoint)? {
        guard path.hasPrefix("/sandbox/") else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: path[9...])
        guard let slash = rest.position(of: UInt8(ascii: "/")) else { return nil }
        guard let endpoint = endpoint(UnsafeRawBufferPointer(rebasing: rest[slash...])) else { return nil }
        return (SandboxKey(UnsafeRawBufferPointer(rebasing: rest[..<slash])), endpoint)
    }

    private static func endpoint(_ path: UnsafeRawBufferPointer) -> SandboxEndpoint? {
        if path.equals("/mcp") || path.equals("/mcp/") { return .mcp }
        if path.equals("/mcp/list_tools") { return .listTools }
        if path.equals("/mcp/call_tool") { return .callTool }
        if path.equals("/sse") || path.equals("/sse/") { return .oldStream }
        if path.equals("/messages") || path.equals("/messages/") { return .oldMessages }
        return nil
    }

    /// Sandbox and port as E2B's SDK addresses them: by two headers, or by a `PORT-ID.domain` host.
    static func sandboxAddress(
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer
    ) -> (id: [UInt8], port: Int)? {
        if let id = head[.e2bSandboxID]?.of(bytes), let port = head[.e2bSandboxPort]?.of(bytes),
            let number = Int(String(decoding: port, as: UTF8.self))
        {
            return (Array(id), number)
        }
        guard let host = head[.host]?.of(bytes), let dash = host.firstIndex(of: UInt8(ascii: "-")),
            dash > 0, dash <= 5, let dot = host.firstIndex(of: UInt8(ascii: ".")), dot > dash,
            let number = Int(String(decoding: host[..<dash], as: UTF8.self))
        else { return nil }
        return (Array(host[(dash + 1)..<dot]), number)
    }

    private static func hasPortHost(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer) -> Bool {
        sandboxAddress(head, bytes) != nil
    }

    private func serve(
        _ connection: ClientConnection, _ exchange: ExchangeID, _ key: SandboxKey?,
        _ endpoint: SandboxEndpoint, _ head: UnsafePointer<RequestHead>, _ bytes: UnsafeRawBufferPointer,
        _ body: UnsafeRawBufferPointer
    ) {
        let home = key?.home(loops: shared.loopCount) ?? loop.index
        guard home != loop.index, let key else {
            return receive(
                Inbound(head, bytes, body: body, exchange: exchange, endpoint: endpoint), for: key)
        }
        // Another loop's sandbox: the bytes go there, the answer comes back the same way.
        counters.forwarded &+= 1
        connection.isServed(exchange.stream, by: home)
        let copy = OwnedBytes(joining: bytes, body)
        let (headCount, head) = (bytes.count, head.pointee)
        shared.post(home) { state in
            copy.withBytes { all in
                withUnsafePointer(to: head) {
                    state.receive(
                        Inbound(
                            $0, UnsafeRawBufferPointer(rebasing: all[..<headCount]),
                            body: UnsafeRawBufferPointer(rebasing: all[headCount...]), exchange: exchange,
                            endpoint: endpoint),
                        for: key)
                }
            }
        }
    }

    /// Errors of this file: JSON-RPC form, since an MCP client shows nothing else.
    func refuse(_ exchange: ExchangeID, _ status: Int, _ message: String) {
        counters.refused &+= 1
        let failure = RPCFailure(httpStatus: status, code: -32600, message: message)
        answer(exchange, AnswerHead(status: status, contentType: AnswerHead.json), failure.bytes(id: nil))
    }

    /// A browser asks before it sends (Fetch standard, CORS preflight). No token is needed for the question.
    private func preflight(_ exchange: ExchangeID, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer) {
        var answerHead = AnswerHead(status: 204, contentType: nil)
            .with("Allow", "GET, POST, DELETE, OPTIONS, PUT")
        if head[.origin] != nil {
            answerHead = answerHead.with("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS, PUT")
                .with("Access-Control-Max-Age", "600")
            if let asked = head[.corsRequestHeaders]?.of(bytes), asked.count <= 2048 {
                answerHead = answerHead.with(
                    "Access-Control-Allow-Headers", String(decoding: asked, as: UTF8.self))
            }
        }
        answer(exchange, answerHead, [])
    }

    private func submitToControl(
        _ exchange: ExchangeID, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ body: UnsafeRawBufferPointer
    ) {
        func text(_ field: Field) -> String? {
            head[field].map { String(decoding: $0.of(bytes), as: UTF8.self) }
        }
        let address = Self.sandboxAddress(head, bytes)
        let request = ControlRequest(
            exchange: exchange,
            method: String(decoding: head.methodRange.of(bytes), as: UTF8.self),
            path: String(decoding: head.path.of(bytes), as: UTF8.self),
            query: String(decoding: head.query.of(bytes), as: UTF8.self), apiKey: text(.apiKey),
            accessToken: text(.accessToken), authorization: text(.authorization),
            sandboxHeader: address.map { String(decoding: $0.id, as: UTF8.self) },
            portHeader: address.map { String($0.port) }, host: text(.host) ?? "",
            contentType: text(.contentType) ?? "", idempotencyKey: text(.idempotencyKey), body: Array(body),
            arrived: loop.now)
        if !shared.submit(request) {
            answer(
                exchange,
                AnswerHead(status: 503, contentType: AnswerHead.json).with("Retry-After", "1"),
                ErrorBody.control(status: 503, message: "The control API is busy; try again in a second."))
        }
    }
}
