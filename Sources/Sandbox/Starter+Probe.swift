import Glibc
import System

/// Finding out, by starting one, whether jails work on this host.
extension Starter {
    static func choosing(
        _ configuration: WorkshopConfiguration, state: StateDirectory, users: UserLeases?
    ) throws(WorkshopFailure) -> Starter {
        guard configuration.isolation != .none else {
            return Starter(isolation: .none, bubblewrap: "", state: state, filter: nil)
        }
        guard let bubblewrap = Executable.find("bwrap") ?? Executable.findInOwnPath("bwrap") else {
            throw WorkshopFailure(
                message:
                    "bubblewrap, which keeps servers apart, is not installed: install it (Debian: apt-get "
                    + "install bubblewrap), or start with --isolation none, which isolates nothing.")
        }
        if users != nil, let obstacle = state.obstacle {
            throw WorkshopFailure(
                message: "Sandboxes run as users of their own, which cannot pass \(obstacle): run chmod o+x "
                    + "\(obstacle), or choose another place with --state-dir, such as /var/lib/mcp-gateway.")
        }
        let filter: SystemCallFilter
        do { filter = try SystemCallFilter() } catch { throw WorkshopFailure(message: "\(error).") }
        let starter = Starter(isolation: .bubblewrap, bubblewrap: bubblewrap, state: state, filter: filter)
        if let reason = starter.probe(user: users?.installer) {
            throw WorkshopFailure(
                message:
                    "bubblewrap does not work here: \(reason). mcp-gateway doctor says what this host lacks; "
                    + "--isolation none starts without it, which isolates nothing.")
        }
        return starter
    }

    /// Starts the smallest jail. Returns what went wrong, nil when it works.
    func probe(user: UInt32?) -> String? {
        var jail = jail()
        jail.directory = "/"
        let plan = StartPlan(
            command: ["/usr/bin/env", "true"], environment: [("PATH", Executable.systemPath)], jail: jail,
            directory: "/", user: user, mark: "probe")
        let run = ToolRun(name: "bwrap", plan: plan, seconds: SandboxLimits.questionSeconds)
        do {
            let outcome = try run.perform(self)
            if outcome.status.isSuccess { return nil }
            return outcome.lines.last ?? outcome.status.description
        } catch {
            return error.description
        }
    }
}
