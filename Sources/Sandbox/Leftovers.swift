import CEpollShim
import Glibc
import System
import Telemetry

/// What an earlier gateway left in the state directory when it was killed. Its servers die with it; this is for
/// what did not: a jail that was being made at that moment, or a server without a jail.
enum Leftovers {
    /// Kills the processes of every sandbox that has files here, then removes the files. Returns how many it killed.
    static func sweep(_ state: StateDirectory) -> Int {
        guard let ids = try? Files.list(state.sandboxes), !ids.isEmpty else { return 0 }
        let killed = kill(Set(ids))
        for id in ids {
            do {
                try Files.removeTree(state.sandbox(id))
            } catch {
                Log.error("files of an earlier sandbox stay behind", ["sandbox": id, "reason": "\(error)"])
            }
        }
        Log.info("removed what an earlier gateway left", ["sandboxes": ids.count, "processes": killed])
        return killed
    }

    /// Kills until a look at all processes finds none of them: one that was just made is seen at the next look.
    static func kill(_ ids: Set<String>) -> Int {
        var killed: Set<Int32> = []
        for _ in 0..<50 {
            let found = processes(of: ids)
            if found.isEmpty { break }
            for pid in found {
                let pidfd = Descriptor(owning: ce_pidfd_open(pid))
                // Looked at again through the descriptor: the number may have become another process's.
                guard pidfd.raw >= 0, belongs(pid, ids) else { continue }
                _ = ce_pidfd_signal(pidfd.raw, SIGKILL)
                killed.insert(pid)
                _ = ce_wait_readable(pidfd.raw, -1, 100)
            }
        }
        return killed.count
    }

    private static func processes(of ids: Set<String>) -> [Int32] {
        let own = getpid()
        return ProcessTable.all.filter { $0 != own && belongs($0, ids) }
    }

    private static func belongs(_ pid: Int32, _ ids: Set<String>) -> Bool {
        let prefix = Starter.markVariable + "="
        return ProcessTable.environment(of: pid).contains { variable in
            variable.hasPrefix(prefix) && ids.contains(String(variable.dropFirst(prefix.count)))
        }
    }
}
