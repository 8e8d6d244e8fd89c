import MCP
import System
import Wire

/// What each method does. Lists, `initialize`, `server/discover` and `ping` are answered from memory;
/// `tools/call`, `prompts/get`, `resources/read` and `completion/complete` go to the server that has the thing.
extension SandboxHome {
    func legacy(_ request: NorthRequest, _ method: MethodName, _ session: Session) {
        guard method.isLegacyRequest(in: session.revision) else {
            return unknownMethod(request, isModern: false)
        }
        do throws(RPCFailure) {
            try ParameterShape.check(request.borrowed, request.body, method, isModern: false)
        } catch {
            return fail(request, error)
        }
        switch method {
        case .ping: respond(request, .ok) { Answers.empty(id: request.rawID, isModern: false, into: &$0) }
        case .setLevel:
            if let level = LogLevel(json: request.envelope.level.of(request.body)) {
                session.setLogLevel(level)
                for backend in backends { backend.links.forEach { $0.wantLogs(level) } }
            }
            respond(request, .ok) { Answers.empty(id: request.rawID, isModern: false, into: &$0) }
        case .subscribe, .unsubscribe: watch(request, session, isOn: method == .subscribe)
        default: common(request, method, session)
        }
    }

    func modern(_ request: NorthRequest, _ method: MethodName) {
        switch method {
        case .discover:
            respond(request, .ok) {
                state.shared.answers.discover(
                    id: request.rawID, subscribes: mayWatch, tasks: taskOffer(.modern), into: &$0)
            }
        case .listen: listen(request)
        default: common(request, method, nil)
        }
    }

    private func common(_ request: NorthRequest, _ method: MethodName, _ session: Session?) {
        let isModern = session == nil
        switch method {
        case .toolsList: list(request, .tools, session)
        case .promptsList: list(request, .prompts, session)
        case .resourcesList: list(request, .resources, session)
        case .templatesList: list(request, .templates, session)
        case .toolsCall: forward(request, .call, session)
        case .promptsGet: forward(request, .get, session)
        case .resourcesRead: forward(request, .read, session)
        case .complete: forward(request, .complete, session)
        case .tasksGet: aboutTask(request, .status, session)
        case .tasksResult: aboutTask(request, .result, session)
        case .tasksUpdate: aboutTask(request, .update, session)
        case .tasksCancel: aboutTask(request, .cancel, session)
        case .tasksList: listTasks(request, session)
        default: unknownMethod(request, isModern: isModern)
        }
    }

    /// Notifications of a legacy client.
    func notice(_ request: NorthRequest, _ method: MethodName, _ session: Session) {
        guard method == .cancelled else { return }
        let wanted = request.envelope.requestID.of(request.body)
        guard !wanted.isEmpty else { return }
        let ids = state.calls.ids { $0.session === session && $0.id.equals(wanted) }
        for id in ids {
            guard let call = state.calls[id] else { continue }
            state.finishCancelled(id, reason: "\"cancelled by the client\"")
            if case .events = call.target { continue }
            // The exchange must end; what it says is dropped by the client (cancellation §Behavior).
            state.reply(
                call,
                failure: CallFailure(rest: .internal, code: -32800, message: "Request cancelled"))
        }
    }

    /// A batch is its messages one by one; the answers come back together.
    func batch(_ request: NorthRequest, _ session: Session) {
        var requests = 0
        each(of: request.body) { envelope, _ in if envelope.kind == .request { requests += 1 } }
        guard requests > 0 else {
            parts(request, session, request.target)
            return state.answer(request.inbound.exchange, .accepted, [])
        }
        let batch = Batch(
            exchange: request.inbound.exchange, requests: requests, isStream: !request.accepts.json)
        parts(request, session, .batch(batch))
    }

    /// Every message of an array; what is asked in it is answered to `target`.
    func parts(_ request: NorthRequest, _ session: Session, _ target: ReplyTarget) {
        each(of: request.body) { envelope, bytes in
            withPart(request, envelope, bytes, target) { part($0, session) }
        }
    }

    /// The array has been checked: each element of it is a message.
    private func each(of array: UnsafeRawBufferPointer, _ work: (Envelope, UnsafeRawBufferPointer) -> Void) {
        var walker = BatchWalker(array)
        while let range = walker.next() {
            let bytes = range.of(array)
            if let envelope = try? Envelope.scan(bytes) { work(envelope, bytes) }
        }
    }

    private func part(_ one: NorthRequest, _ session: Session) {
        let method = MethodName(one.envelope, in: one.body)
        switch one.envelope.kind {
        case .request: legacy(one, method, session)
        case .notification: notice(one, method, session)
        case .response, .failure: clientAnswered(one.envelope, one.body, session)
        case .batch, .invalid: return
        }
    }

    /// One message of a batch as a request of its own.
    private func withPart(
        _ request: NorthRequest, _ envelope: Envelope, _ bytes: UnsafeRawBufferPointer, _ target: ReplyTarget,
        _ body: (NorthRequest) -> Void
    ) {
        withUnsafePointer(to: envelope) {
            body(
                NorthRequest(
                    request.inbound, $0, body: bytes, id: Classifier.replyID(envelope, bytes), target: target)
            )
        }
    }

    // MARK: To a server

    private func forward(_ request: NorthRequest, _ kind: Call.Kind, _ session: Session?) {
        let isModern = session == nil
        guard let range = RequestRewriter.targetRange(request.borrowed, kind.method, request.body) else {
            return fail(request, .invalidParams(kind.missingTarget, isModern: isModern))
        }
        let name = range.of(request.body)
        guard let route = catalog.route(kind.method, request.borrowed, request.body, name: name),
            route.server < backends.count
        else {
            return unlisted(request, kind, name, session)
        }
        if isModern, !backends[route.server].mirrors.isEmpty, kind == .call {
            do throws(RPCFailure) { try checkMirrors(request, name, route) } catch {
                return fail(request, error)
            }
        }
        let call = call(request, kind, session, backends[route.server])
        if isModern, request.borrowed.pointee.requestState.isPresent {
            switch carried(request, kind, call.backend) {
            case .foreign: break
            case .parked(let state): return rejoin(call, request, state)
            case .again(let visits):
                call.bridged = BridgedCall(capabilities: [])
                call.bridged?.visits = visits
            case .declined: return decline(call)
            case .refuse(let failure): return fail(request, failure)
            }
        }
        if let failure = start(call, request, route) { return fail(request, failure.rpc) }
    }

    /// As it goes into the table, when there is a way to its server.
    @inline(__always) func call(
        _ request: NorthRequest, _ kind: Call.Kind, _ session: Session?, _ backend: Backend
    ) -> Call {
        let accepts = request.accepts
        let now = state.loop.now
        let limit = state.settings.limits.callSeconds
        var hasExchange = false
        if case .exchange = request.target { hasExchange = true }
        return Call(
            kind: kind, isModern: session == nil, mayStream: accepts.eventStream && hasExchange,
            mustStream: !accepts.json && hasExchange, target: request.target, backend: backend,
            incarnation: 0, session: session,
            logLevel: LogLevel(json: request.borrowed.pointee.metaLogLevel.of(request.body)),
            id: ClientBytes(request.rawID),
            token: ClientBytes(request.borrowed.pointee.metaProgressToken.of(request.body)),
            deadline: now.advanced(milliseconds: limit * 1000), lastSent: now, held: nil)
    }

    /// A client of 2026-07-28 repeats some arguments of some tools in headers, by which others may have routed the
    /// request: both must say the same.
    @inline(never) private func checkMirrors(
        _ request: NorthRequest, _ name: UnsafeRawBufferPointer, _ route: ListCatalog.Route
    ) throws(RPCFailure) {
        guard let own = route.target.name(of: name), let tool = backends[route.server].mirrors[own] else {
            return
        }
        var fields: [Mirrors.Field] = []
        let inbound = request.inbound
        if inbound.head.hasParamHeaders {
            inbound.head.forEachField(in: inbound.headBytes) { name, value in
                let name = String(decoding: name, as: UTF8.self).lowercased()
                if name.hasPrefix("mcp-param-") { fields.append((name, Array(value))) }
            }
        }
        try tool.check(fields, request.envelope.arguments.of(request.body))
    }

    /// The person has refused to open a URL without which the server does not work.
    private func decline(_ call: Call) {
        let text = "The URL that the server needs was not opened."
        if call.kind == .call { return state.reply(call, toolError: text) }
        state.reply(call, .serverFailed(text))
    }

    /// Sends the call, or holds it while its server starts; returns why neither is possible.
    func start(_ call: Call, _ request: NorthRequest, _ route: ListCatalog.Route) -> CallFailure? {
        let backend = call.backend
        let exchange = request.inbound.exchange
        guard let link = backend.link(servingModern: call.isModern) else {
            return backend.unavailable(backend.notReady)
        }
        if let busy = backend.busy(link) { return busy }
        if call.session?.mayBeAsked == true { call.subject = Backend.subject(request.borrowed, request.body) }
        guard backend.phase != .ready || !link.isServing else {
            if backend.mirrorOpening != nil, !call.isModern { return hold(call, request, route, .own) }
            if link.era == .modern || call.isModern { bridge(call, request, route, link) }
            if link.runsTasks, let refusal = prepareTask(call, request, route, link) { return refusal }
            let way = backend.way(of: call, by: link)
            if way != .shared { return hold(call, request, route, way) }
            let link = backend.sessions.isEmpty ? link : backend.session(for: call, link)
            call.incarnation = link.incarnation
            guard let id = state.calls.insert(call) else {
                return backend.unavailable("Too many calls in flight.")
            }
            state.note(exchange, call: id, cancelsOnLeave: call.isModern)
            link.send(id, call, request.body, request.borrowed, target: route.target)
            return nil
        }
        switch backend.phase {
        case .resolving, .starting, .backoff: break
        case .idle: backend.wake()
        case .ready, .crashLoop, .failed, .needsAuth, .stopping, .stopped:
            return backend.unavailable(backend.notReady)
        }
        call.held = HeldRequest(request, route)
        call.deadline = state.loop.now.advanced(milliseconds: Limits.heldCallSeconds * 1000)
        guard let id = state.calls.insert(call) else {
            return backend.unavailable("Too many calls in flight.")
        }
        state.note(exchange, call: id, cancelsOnLeave: call.isModern)
        backend.heldCalls.append(id)
        return nil
    }

    /// Apart, so that the call path copies nothing for it.
    @inline(never) private func bridge(
        _ call: Call, _ request: NorthRequest, _ route: ListCatalog.Route, _ link: ServerLink
    ) {
        call.bridged = call.backend.bridged(call, request.body, request.borrowed, by: link) {
            HeldRequest(request, route)
        }
    }

    @inline(never) private func prepareTask(
        _ call: Call, _ request: NorthRequest, _ route: ListCatalog.Route, _ link: ServerLink
    ) -> CallFailure? {
        call.backend.prepareTask(call, link, request.body, request.borrowed, route.target) {
            HeldRequest(request, route)
        }
    }

    /// The call gets a process or connection that may ask its client, which may have to be opened.
    @inline(never) private func hold(
        _ call: Call, _ request: NorthRequest, _ route: ListCatalog.Route, _ way: Backend.Way
    ) -> CallFailure? {
        let (backend, isModern) = (call.backend, call.isModern)
        let declared = backend.declared(call)
        call.held = HeldRequest(request, route)
        guard let id = state.calls.insert(call) else {
            return backend.unavailable("Too many calls in flight.")
        }
        state.note(request.inbound.exchange, call: id, cancelsOnLeave: isModern)
        if backend.mirrorOpening != nil, !isModern {
            backend.dispatch(id)
        } else {
            backend.place(id, declared, way)
        }
        return nil
    }
}

extension Call.Kind {
    fileprivate var missingTarget: String {
        switch self {
        case .read: "params.uri must be a string"
        case .complete: "params.ref must be a ref/prompt with a name or a ref/resource with a uri"
        default: "params.name must be a string"
        }
    }

    func notFound(_ name: UnsafeRawBufferPointer, isModern: Bool) -> RPCFailure {
        switch self {
        case .call, .rest: .unknown("tool", name)
        case .get: .unknown("prompt", name)
        case .read: .resourceNotFound(uri: name, isModern: isModern)
        default: .invalidParams("params.ref names nothing that is listed", isModern: isModern)
        }
    }
}
