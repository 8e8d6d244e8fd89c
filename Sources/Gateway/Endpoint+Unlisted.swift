import Catalog
import MCP
import System
import Wire

/// Tools and prompts that are in no list: nobody has them, or a server that has given no list yet.
extension SandboxHome {
    /// Servers of which something may be.
    private struct Absent {
        /// At least one.
        var backends: [Backend]
        /// The name begins with the prefix of the one that there is.
        var isByPrefix: Bool
    }

    private func absent(_ kind: Call.Kind, _ name: UnsafeRawBufferPointer) -> Absent? {
        let list: ListKind
        switch kind {
        case .call, .rest: list = .tools
        case .get: list = .prompts
        default: return nil
        }
        let unread = backends.filter { $0.hasNeverGiven(list) }
        guard !unread.isEmpty, let text = name.insideQuotes else { return nil }
        let wanted = Array(JSONText.string(text).utf8)
        let prefixed = unread.filter { wanted.starts(with: ExposedName.prefix(of: Array($0.plan.name.utf8))) }
        // Of `git` and `git_hub`, the latter.
        if options.prefix != .none, let owner = prefixed.max(by: { $0.plan.name.count < $1.plan.name.count })
        {
            return Absent(backends: [owner], isByPrefix: true)
        }
        return options.prefix == .always ? nil : Absent(backends: unread, isByPrefix: false)
    }

    /// A request for what is in no list. It waits for its server, if that is known and on its way.
    @inline(never) func unlisted(
        _ request: NorthRequest, _ kind: Call.Kind, _ name: UnsafeRawBufferPointer, _ session: Session?
    ) {
        let failure = kind.notFound(name, isModern: session == nil)
        guard let absent = absent(kind, name) else { return fail(request, failure) }
        // Headers that repeat arguments could not be held against them any more.
        let mayWait =
            !request.borrowed.pointee.requestState.isPresent && !request.inbound.head.hasParamHeaders
        if mayWait, let backend = comesSoon(absent) {
            if let busy = hold(call(request, kind, session, backend), request) { fail(request, busy.rpc) }
            return
        }
        fail(request, told(CallFailure(unknown: failure), absent).rpc)
    }

    /// The same of the plain-HTTP shim; nil when the call waits.
    @inline(never) func unlisted(
        _ inbound: Inbound, _ envelope: Envelope, _ body: UnsafeRawBufferPointer,
        _ name: UnsafeRawBufferPointer
    ) -> CallFailure? {
        let failure = Backend.unlisted(name)
        guard let absent = absent(.rest, name) else { return failure }
        if let backend = comesSoon(absent) {
            return withUnsafePointer(to: envelope) {
                hold(
                    restCall(inbound, backend),
                    NorthRequest(inbound, $0, body: body, id: nil, target: .exchange(inbound.exchange)))
            }
        }
        return told(failure, absent)
    }

    private func comesSoon(_ absent: Absent) -> Backend? {
        guard absent.isByPrefix, let backend = absent.backends.first else { return nil }
        switch backend.phase {
        case .resolving, .starting, .backoff, .idle: return backend
        case .ready, .crashLoop, .failed, .needsAuth, .stopping, .stopped: return nil
        }
    }

    private func hold(_ call: Call, _ request: NorthRequest) -> CallFailure? {
        guard let position = backends.firstIndex(where: { $0 === call.backend }) else { return nil }
        let route = ListCatalog.Route(server: position, target: .unchanged)
        if let failure = start(call, request, route) { return failure }
        call.held?.isUnlisted = true
        return nil
    }

    /// That nobody is known to have it, and who may have it but is not there.
    private func told(_ failure: CallFailure, _ absent: Absent) -> CallFailure {
        absent.backends[0].absent(failure, Array(absent.backends.prefix(Limits.absentServersTold)))
    }
}

extension Backend {
    /// It has not been ready since it was configured.
    fileprivate func hasNeverGiven(_ list: ListKind) -> Bool { phase != .ready && lists[list] == nil }

    /// Whether a call that has waited is of something that the server has, which was not known when it came. Else it
    /// is answered so.
    func isListed(_ id: CallID) -> Bool {
        guard let call = state.calls[id], let held = call.held, held.isUnlisted else { return true }
        var isListed = false
        held.with { body, envelope, _ in
            guard let range = RequestRewriter.targetRange(envelope, call.kind.method, body),
                let route = home.catalog.route(call.kind.method, envelope, body, name: range.of(body)),
                home.backends.indices.contains(route.server), home.backends[route.server] === self
            else { return }
            held.direct(to: route.target)
            isListed = true
        }
        if isListed {
            held.isUnlisted = false
        } else {
            _ = state.calls.remove(id)
            state.reply(call, failure: unlisted(call))
        }
        return isListed
    }

    /// What a call is told that was held for something that is in no list.
    private func unlisted(_ call: Call) -> CallFailure {
        var failure = CallFailure(rest: .notFound, code: RPCCode.invalidParams, message: "")
        call.held?.with { body, envelope, _ in
            guard let name = RequestRewriter.targetRange(envelope, call.kind.method, body)?.of(body) else {
                return
            }
            failure =
                call.kind == .rest
                ? Self.unlisted(name)
                : CallFailure(unknown: call.kind.notFound(name, isModern: call.isModern))
        }
        return failure
    }

    /// Why a call that has waited cannot be made.
    func notMade(_ call: Call) -> CallFailure {
        call.held?.isUnlisted == true ? absent(unlisted(call), [self]) : unavailable(notReady)
    }

    /// `failure` with the state of the servers that may have what is unknown; the details are this one's.
    fileprivate func absent(_ failure: CallFailure, _ backends: [Backend]) -> CallFailure {
        let first = failure.message.hasSuffix(".") ? failure.message : failure.message + "."
        let reasons = backends.map { $0.redacted($0.notReady) }
        var told = unavailable(([first] + reasons).joined(separator: " "))
        told.rest = failure.rest
        told.code = failure.code
        return told
    }

    /// As the plain-HTTP shim says it.
    static func unlisted(_ name: UnsafeRawBufferPointer) -> CallFailure {
        let text = String(decoding: name.prefix(200), as: UTF8.self)
        return CallFailure(
            rest: .notFound, code: RPCCode.invalidParams,
            message: "This sandbox has no tool \(text); list_tools names those it has.")
    }
}

extension CallFailure {
    fileprivate init(unknown failure: RPCFailure) {
        self.init(rest: .notFound, code: failure.code, message: failure.message)
    }
}
