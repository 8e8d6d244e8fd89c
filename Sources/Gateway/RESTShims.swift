import MCP
import System
import Wire

/// `POST …/mcp/list_tools` and `POST …/mcp/call_tool` for clients that speak plain HTTP: no session, no
/// JSON-RPC, the bare MCP result.
extension SandboxHome {
    func listTools(_ inbound: Inbound) {
        guard inbound.method == .post || inbound.method == .get else {
            return refuseMethod(inbound, "GET, POST, OPTIONS")
        }
        let body = state.collectOwned { catalog.writeToolsForREST(into: &$0) }
        state.answer(inbound.exchange, .ok, length: body.count) { $0.append(owned: body) }
    }

    func callTool(_ inbound: Inbound) {
        guard inbound.method == .post else { return refuseMethod(inbound, "POST, OPTIONS") }
        guard Self.isJSON(inbound.value(.contentType)) else {
            return refuseREST(inbound, .invalidArgument, "Content-Type must be application/json.")
        }
        // The body is what `params` of tools/call would be: one scan checks both.
        let whole = state.collectOwned { out in
            out.append(#"{"jsonrpc":"2.0","id":0,"method":"tools/call","params":"#)
            out.append(inbound.body)
            out.append("}")
        }
        whole.withBytes { callTool(inbound, $0) }
    }

    private func callTool(_ inbound: Inbound, _ body: UnsafeRawBufferPointer) {
        guard let envelope = try? Envelope.scan(body), envelope.paramsKind == .object else {
            return refuseREST(
                inbound, .invalidArgument,
                #"The body must be a JSON object: {"name": "<tool>", "arguments": {…}}."#)
        }
        guard let range = RequestRewriter.targetRange(envelope, .toolsCall, body) else {
            return refuseREST(inbound, .invalidArgument, "\"name\" must be the name of a tool, a string.")
        }
        if envelope.arguments.isPresent, body[Int(envelope.arguments.start)] != UInt8(ascii: "{") {
            return refuseREST(inbound, .invalidArgument, "\"arguments\" must be an object.")
        }
        let name = range.of(body)
        guard let route = catalog.route(.toolsCall, envelope, body, name: name), route.server < backends.count
        else {
            let failure = unlisted(inbound, envelope, body, name)
            if failure != nil { state.counters.refused &+= 1 }
            return refuse(failure, inbound)
        }
        let call = restCall(inbound, backends[route.server])
        let failure = withUnsafePointer(to: envelope) {
            start(
                call,
                NorthRequest(inbound, $0, body: body, id: nil, target: .exchange(inbound.exchange)), route)
        }
        refuse(failure, inbound)
    }

    func restCall(_ inbound: Inbound, _ backend: Backend) -> Call {
        let now = state.loop.now
        return Call(
            kind: .rest, isModern: false, mayStream: false, mustStream: false,
            target: .exchange(inbound.exchange), backend: backend, incarnation: 0, session: nil,
            logLevel: nil, id: ClientBytes(), token: ClientBytes(),
            deadline: now.advanced(milliseconds: state.settings.limits.callSeconds * 1000), lastSent: now,
            held: nil)
    }

    /// Nil: the call is on its way.
    private func refuse(_ failure: CallFailure?, _ inbound: Inbound) {
        if let failure {
            var head = AnswerHead(status: failure.rest.status, contentType: AnswerHead.json)
            if failure.rest == .rateLimit || failure.rest == .serverUnavailable {
                head = head.with("Retry-After", "1")
            }
            state.answer(
                inbound.exchange, head,
                ErrorBody.rest(failure.rest, failure.message, details: failure.details))
        }
    }

    private func refuseREST(_ inbound: Inbound, _ code: RESTCode, _ message: String) {
        state.counters.refused &+= 1
        state.answer(
            inbound.exchange, AnswerHead(status: code.status, contentType: AnswerHead.json),
            ErrorBody.rest(code, message))
    }

    private func refuseMethod(_ inbound: Inbound, _ allowed: String) {
        state.counters.refused &+= 1
        state.answer(
            inbound.exchange,
            AnswerHead(status: 405, contentType: AnswerHead.json).with("Allow", allowed),
            ErrorBody.rest(.invalidArgument, "This path is served by \(allowed)."))
    }
}
