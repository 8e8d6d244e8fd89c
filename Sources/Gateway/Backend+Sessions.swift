import MCP
import System
import Wire

/// A session at a remote server, and the calls that wait for it to be open.
struct DeclaredSession {
    let link: RemoteLink
    var waiting: [CallID] = []
}

/// A server of the older era is told once, in `initialize`, what its client can be asked, and may do without what it
/// cannot. So clients that can be asked share a session at a remote server with those alone that can be asked the
/// same; all others have the main one.
extension Backend {
    /// What may be asked of clients at remote servers. A sandbox has files of its own: roots are not among it.
    private static let abilities: ClientCapabilities = [.sampling, .elicitationForm, .elicitationURL]

    private func abilities(_ call: Call, _ link: ServerLink) -> ClientCapabilities? {
        guard link.era == .legacy, !hasNoSessions, plan.options.interactive != .never else { return nil }
        let declared = declared(call).intersection(Self.abilities)
        return declared.isEmpty ? nil : declared
    }

    /// Whether the call's session is not open.
    func awaitsSession(_ call: Call, _ link: ServerLink) -> Bool {
        guard let abilities = abilities(call, link) else { return false }
        if let session = sessions[abilities.rawValue] { return !session.link.isServing }
        return sessions.count < BridgeLimits.remoteSessionsMax
    }

    /// The session that is the call's, if it is open; else `link`.
    func session(for call: Call, _ link: ServerLink) -> ServerLink {
        guard let abilities = abilities(call, link), let session = sessions[abilities.rawValue]?.link,
            session.isServing
        else { return link }
        return session
    }

    func placeInSession(_ id: CallID, _ declared: ClientCapabilities) {
        let abilities = declared.intersection(Self.abilities)
        if sessions[abilities.rawValue] == nil, !openSession(abilities) {
            if let link = link(servingModern: false) { sendHeld(id, on: link) }
            return
        }
        guard let session = sessions[abilities.rawValue] else { return }
        if session.link.isServing { return sendHeld(id, on: session.link) }
        state.calls[id]?.deadline = state.loop.now.advanced(milliseconds: Limits.heldCallSeconds * 1000)
        sessions[abilities.rawValue]?.waiting.append(id)
    }

    private func openSession(_ abilities: ClientCapabilities) -> Bool {
        guard sessions.count < BridgeLimits.remoteSessionsMax, case .remote(let endpoint) = plan.source,
            let link = try? RemoteLink(endpoint, .serve(.legacy), .session(abilities), of: self)
        else { return false }
        link.incarnation = nextIncarnation()
        sessions[abilities.rawValue] = DeclaredSession(link: link)
        link.start()
        return true
    }

    func sessionServes(_ link: RemoteLink, _ profile: ChildProfile, _ abilities: ClientCapabilities) {
        link.profile = profile
        link.isServing = true
        link.demandLogs()
        link.hearing.begin(link)
        let waiting = sessions[abilities.rawValue]?.waiting ?? []
        sessions[abilities.rawValue]?.waiting = []
        for id in waiting { sendHeld(id, on: link) }
    }

    /// It cannot be reached, or was refused; the main one serves its calls. The next call opens it anew.
    func sessionGone(_ link: RemoteLink, _ abilities: ClientCapabilities, isRefused: Bool) {
        guard let session = sessions[abilities.rawValue], session.link === link else { return }
        sessions[abilities.rawValue] = nil
        if isRefused, !link.isServing { hasNoSessions = true }
        link.isServing = false
        link.stop()
        guard let main = self.link(servingModern: false) else { return }
        for id in session.waiting { sendHeld(id, on: main) }
    }
}
