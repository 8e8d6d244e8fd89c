import MCP
import System
import Telemetry
import Wire

/// What a remote server's link tells its backend: the same states as those of a process.
extension Backend {
    /// The server has said what it is: after the start, after a failure, or after a lost session.
    func remoteServes(_ link: RemoteLink, _ profile: ChildProfile) {
        if case .session(let abilities) = link.role { return sessionServes(link, profile, abilities) }
        guard link === main else { return mirrorServes(link, profile) }
        main?.profile = profile
        main?.isServing = true
        knownEra = main?.era
        main?.demandLogs()
        link.hearing.begin(link)
        switch phase {
        case .ready: mayHaveChanged()
        case .backoff, .crashLoop:
            restarts += 1
            phase = .starting
            readLists()
        case .starting: readLists()
        case .resolving, .idle, .failed, .needsAuth, .stopping, .stopped: return
        }
        startMirror()
    }

    /// It cannot be reached, and is tried again.
    func remoteDown(_ link: RemoteLink, _ reason: String) {
        if case .session(let abilities) = link.role { return sessionGone(link, abilities, isRefused: false) }
        guard link === main else { return mirrorDown(link, isFinal: false) }
        main?.isServing = false
        let served = readySince.map { state.loop.now.milliseconds(since: $0) } ?? 0
        exitsInARow = served >= Limits.steadySeconds * 1000 ? 1 : exitsInARow + 1
        readySince = nil
        lastError = reason
        Log.warning(
            "remote server is not connected",
            [
                "sandbox": home.id, "server": plan.name, "reason": redacted(reason), "in a row": exitsInARow,
            ])
        phase = exitsInARow >= Limits.crashLoopExits ? .crashLoop : .backoff
        if phase == .crashLoop { releaseHeldCalls() }
        home.serverLost(self)
    }

    /// It will never be what is configured.
    func remoteGaveUp(_ link: RemoteLink, _ reason: String) {
        if case .session(let abilities) = link.role { return sessionGone(link, abilities, isRefused: true) }
        link === main ? settle(.failed, reason) : mirrorDown(link, isFinal: true)
    }

    /// - Parameters:
    ///   - url: without its query, which may be a credential.
    ///   - challenge: the server's `WWW-Authenticate`; it may name where a token is to be had (RFC 9728).
    func remoteNeedsAuthorization(_ link: RemoteLink, _ url: String, _ challenge: String) {
        if case .session(let abilities) = link.role { return sessionGone(link, abilities, isRefused: true) }
        guard link === main else { return mirrorDown(link, isFinal: true) }
        var reason = "\(url) wants authorization: its token or headers are missing or refused"
        if !challenge.isEmpty { reason += "; it says: \(challenge.prefix(Limits.challengeCharacters))" }
        settle(.needsAuth, reason)
    }

    func settle(_ end: Phase, _ reason: String) {
        guard phase != .stopping, phase != .stopped else { return }
        phase = end
        main?.isServing = false
        readySince = nil
        lastError = reason
        Log.warning(
            "server did not start",
            ["sandbox": home.id, "server": plan.name, "reason": redacted(reason)])
        releaseHeldCalls()
        home.serverLost(self)
    }
}
