import CEpollShim
import Glibc
import Synchronization
import System

/// A started server: the ends of its three pipes, which do not block, and a pidfd that becomes readable when
/// nothing of it is left. Whoever takes it closes the four descriptors; `killAndReap` does that too.
public final class SpawnedChild: Sendable {
    /// What stands between us and the server.
    enum Guard: Sendable {
        /// bubblewrap: an outer process, our child, and in the server's pid namespace an init, without which the
        /// kernel lets nothing live in there. bubblewrap's outer process may end before the last of them; so the
        /// init is what is watched, and the outer process tells how the server ended.
        case jail(initPID: Int32, outerPidfd: Int32)
        /// The outer process alone: it ended, or was stuck, before the init was known.
        case jailOnly
        /// Our own parent process of it, which kills all that it inherits.
        case warden
    }

    /// The process that the gateway has started.
    public let pid: Int32
    public let stdin: Int32
    public let stdout: Int32
    public let stderr: Int32
    public let pidfd: Int32
    private let guardian: Guard
    private let group: ServerGroup?
    private let slot: StartSlot?
    /// From then on the numbers may be another process's, and the descriptors closed.
    private let isReaped = Atomic<Bool>(false)
    private let isKilled = Atomic<Bool>(false)

    /// - Parameter pidfd: what is watched; nil: the started process itself.
    init(
        _ spawned: ce_spawned, _ guardian: Guard, pidfd: Int32? = nil, group: ServerGroup? = nil,
        slot: StartSlot? = nil
    ) {
        pid = spawned.pid
        self.pidfd = pidfd ?? spawned.pidfd
        stdin = spawned.input
        stdout = spawned.output
        stderr = spawned.errors
        self.guardian = guardian
        self.group = group
        self.slot = slot
    }

    /// Its start is over, or takes so long that others go ahead.
    public func started() { slot?.release() }

    deinit {
        if case .jail(_, let outerPidfd) = guardian { ce_close(outerPidfd) }
    }

    /// Sends a signal to the server itself, through what stands around it.
    public func signal(_ number: Int32) {
        guard !isReaped.load(ordering: .acquiring) else { return }
        switch guardian {
        case .warden: _ = ce_pidfd_signal(pidfd, number)
        case .jailOnly: kill()
        case .jail(let initPID, _):
            // The server is the init's only child until orphans join it; all of them belong to this server.
            let children = ProcessTable.children(of: initPID)
            // Asked after the list was read: as long as the init lives, its children's numbers are theirs.
            guard ce_pidfd_signal(pidfd, 0) == 0, !children.isEmpty else { return kill() }
            for child in children { _ = ce_kill(child, number) }
        }
    }

    /// Kills the server and everything that it started.
    public func kill() {
        guard !isReaped.load(ordering: .acquiring) else { return }
        isKilled.store(true, ordering: .relaxed)
        switch guardian {
        case .warden: _ = ce_pidfd_signal(pidfd, SIGUSR1)
        case .jail:
            _ = ce_pidfd_signal(pidfd, SIGKILL)
            group?.kill()
        case .jailOnly:
            // Killed alone, it could leave an init behind that waits for it for ever.
            for child in ProcessTable.children(of: pid) { _ = ce_kill(child, SIGKILL) }
            _ = ce_pidfd_signal(pidfd, SIGKILL)
            group?.kill()
        }
    }

    /// How often it met its limits until now, or until its end.
    public var hits: LimitHits { group?.hits ?? LimitHits() }

    /// The server has told of a limit that it met, where the kernel does not.
    public func note(_ limit: ResourceLimit) { group?.add(limit) }

    /// How it ended, once and only when nothing of it is left; nil before.
    public func reap() -> ChildExitStatus? {
        guard !isReaped.load(ordering: .acquiring) else { return nil }
        guard case .jail(_, let outerPidfd) = guardian else { return reapStarted(pidfd) }
        guard ce_wait_readable(pidfd, -1, 0) != 0 else { return nil }
        // It follows its init within microseconds, and has nothing else to do.
        if ce_wait_readable(outerPidfd, -1, Int32(SandboxLimits.outerMilliseconds)) == 0 {
            _ = ce_pidfd_signal(outerPidfd, SIGKILL)
            _ = ce_wait_readable(outerPidfd, -1, Int32(SandboxLimits.outerMilliseconds))
        }
        let status = reapStarted(outerPidfd)
        // What the outer process has not reaped is ours to reap: the gateway is a subreaper.
        var ignored = ce_exit()
        _ = ce_pidfd_reap(pidfd, &ignored)
        return status
    }

    private func reapStarted(_ pidfd: Int32) -> ChildExitStatus? {
        var exit = ce_exit()
        let result = ce_pidfd_reap(pidfd, &exit)
        if result == 0 { return nil }
        isReaped.store(true, ordering: .releasing)
        started()
        // Somebody else has reaped it: it has ended, but how is not known.
        var status = result < 0 ? ChildExitStatus(code: -1) : ChildExitStatus(exit, isRelayed: true)
        // What was killed from here tells nothing by that.
        let signal = isKilled.load(ordering: .relaxed) ? 0 : status.signal
        group?.note(signal: signal)
        status.limit = group?.verdict(hits, signal: signal)
        group?.remove()
        return status
    }

    /// Kills it, waits until nothing of it is left, and closes the descriptors.
    public func killAndReap() {
        kill()
        _ = ce_wait_readable(pidfd, -1, Int32(SandboxLimits.deathMilliseconds))
        _ = reap()
        for descriptor in [stdin, stdout, stderr, pidfd] { ce_close(descriptor) }
    }
}
