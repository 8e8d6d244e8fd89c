import CEpollShim
import Glibc
import System

/// What is to run, and in what surroundings.
struct StartPlan: Sendable {
    /// Program and arguments. The program is an absolute path, or a name that the environment's PATH finds.
    var command: [String]
    var environment: [(String, String)]
    var jail: Jail
    /// Host directory to start in where there is no jail.
    var directory: String
    var user: UInt32?
    var cpu: Int?
    var limits: [(resource: Int32, value: UInt64)] = []
    /// Processes and threads that the user namespace of its jail may have; nil where something else holds them.
    var jailProcesses: UInt64?
    var group: ServerGroup?
    /// Of the sandbox; nil is the host's.
    var network: Int32?
    var workspace: Workspace?
    /// Nil for what runs in a jail.
    var engine: EngineStart?
    /// Kept until the start is over; nil where nobody else waits for that.
    var slot: StartSlot?
    /// Finds the jail's own processes after a crash of the gateway; not seen by the server.
    var mark: String
}

/// What is particular to a container engine, which runs as the gateway's own user and makes the jail itself.
struct EngineStart: Sendable {
    /// Becomes descriptor 3.
    var environmentFile: [UInt8]?
    /// Run when the engine's process has ended, or is to be killed, or the gateway has died: removes the container
    /// with all that is in it. Empty: there is none.
    var removal: [String] = []
    /// See `ContainerEngine.isClient`.
    var isClient = false
}

/// Starts processes in the isolation that is in force.
struct Starter: Sendable {
    let isolation: Isolation
    /// Empty without jails.
    let bubblewrap: String
    let state: StateDirectory
    /// Nil without jails.
    let filter: SystemCallFilter?

    /// The variable that tells a server, and a later gateway, which sandbox a process belongs to.
    static let markVariable = "E2B_SANDBOX_ID"

    func jail() -> Jail { Jail(bubblewrap: bubblewrap, state: state) }

    /// Starts it. The calling thread must be one that lives as long as the process.
    func start(_ plan: StartPlan) throws(Errno) -> SpawnedChild {
        if let engine = plan.engine { return try startEngine(plan, engine) }
        return switch isolation {
        case .none: try startWarded(plan)
        case .bubblewrap: try startJailed(plan)
        }
    }

    private func startWarded(_ plan: StartPlan) throws(Errno) -> SpawnedChild {
        var command = plan.command
        guard let name = command.first else { throw Errno(ENOENT, "starting a server") }
        guard let program = Executable.find(name, path: plan.environment.last { $0.0 == "PATH" }?.1) else {
            throw Errno(ENOENT, "starting \(name)")
        }
        command[0] = program
        var start = ProcessStart(
            program: "/proc/self/exe", arguments: [CE_WARDEN_NAME] + command, environment: plan.environment,
            directory: plan.directory, user: plan.user, cpu: plan.cpu, limits: plan.limits,
            memoryVictimScore: SandboxLimits.memoryVictimScore)
        start.group = plan.group
        start.network = plan.network
        start.workspace = plan.workspace
        return SpawnedChild(try start.run(), .warden, group: plan.group, slot: plan.slot)
    }

    private func startEngine(_ plan: StartPlan, _ engine: EngineStart) throws(Errno) -> SpawnedChild {
        let withLast = engine.isClient ? CE_WARDEN_CLIENT_NAME : CE_WARDEN_LAST_NAME
        let last = engine.removal.isEmpty ? [] : ["\(engine.removal.count)"] + engine.removal
        var start = ProcessStart(
            program: "/proc/self/exe",
            arguments: [last.isEmpty ? CE_WARDEN_NAME : withLast] + last + plan.command,
            environment: plan.environment + [(Self.markVariable, plan.mark)], cpu: plan.cpu)
        // An engine of an ordinary user needs programs with more rights than that user has.
        start.forbidsNewPrivileges = false
        start.group = plan.group
        start.network = plan.network
        start.workspace = plan.workspace
        var file: Int32 = -1
        defer { if file >= 0 { ce_close(file) } }
        if let bytes = engine.environmentFile {
            let made = bytes.withUnsafeBytes { ce_memory_file("environment", $0.baseAddress, $0.count) }
            file = try Errno.check(made, "passing the environment")
            start.inherited = [file]
        }
        return SpawnedChild(try start.run(), .warden, group: plan.group, slot: plan.slot)
    }

    private func startJailed(_ plan: StartPlan) throws(Errno) -> SpawnedChild {
        guard plan.environment.allSatisfy({ ProcessStart.isName($0.0) }) else {
            throw Errno(EINVAL, "setting the environment")
        }
        var jail = plan.jail
        jail.environment = plan.environment
        // 3, 4 and 5 in the jail's outer process; it closes all of them before the server runs.
        let options = Descriptor(owning: try Self.memoryFile(jail.options(infoDescriptor: 4)))
        var ends: [Int32] = [-1, -1]
        try Errno.check(ce_pipe(&ends), "making a pipe")
        let information = Descriptor(owning: ends[0])
        let writer = Descriptor(owning: ends[1])
        guard let filter else { throw Errno(EINVAL, "setting up the jail") }
        let calls = Descriptor(owning: try filter.open())
        let held = try HeldJail(plan)
        var start = ProcessStart(
            program: bubblewrap,
            arguments: [bubblewrap, "--args", "3", "--seccomp", "5"] + held.options + ["--"] + plan.command,
            environment: [("PATH", Executable.systemPath), (Self.markVariable, plan.mark)], user: plan.user,
            cpu: plan.cpu, limits: plan.limits, memoryVictimScore: SandboxLimits.memoryVictimScore,
            inherited: [options.raw, writer.raw, calls.raw] + held.inherited)
        start.group = plan.group
        start.network = plan.network
        start.workspace = plan.workspace
        let spawned = try start.run()
        writer.close()
        let initPID = Self.initPID(information.raw)
        let pidfd = initPID.map { ce_pidfd_open($0) } ?? -1
        // Looked at after it was opened: a number that was given to another process by then has another parent.
        // An outer process that has ended by then leaves it to us.
        guard let initPID, pidfd >= 0, let parent = ProcessTable.parent(of: initPID),
            parent == spawned.pid || parent == getpid()
        else {
            if pidfd >= 0 { ce_close(pidfd) }
            let child = SpawnedChild(spawned, .jailOnly, group: plan.group, slot: plan.slot)
            // It would run without its limit.
            if plan.jailProcesses != nil { child.kill() }
            return child
        }
        let child = SpawnedChild(
            spawned, .jail(initPID: initPID, outerPidfd: spawned.pidfd), pidfd: pidfd, group: plan.group,
            slot: plan.slot)
        do {
            try held.release(initPID)
            return child
        } catch {
            child.killAndReap()
            throw error
        }
    }

    private static func memoryFile(_ options: [String]) throws(Errno) -> Int32 {
        // A NUL in an option would begin another one.
        guard options.allSatisfy({ !$0.utf8.contains(0) }) else { throw Errno(EINVAL, "setting up the jail") }
        let bytes = options.flatMap { option -> [UInt8] in Array(option.utf8) + [0] }
        guard bytes.count <= SandboxLimits.launchBytes else { throw Errno(E2BIG, "setting up the jail") }
        return try Errno.check(
            bytes.withUnsafeBytes { ce_memory_file("jail", $0.baseAddress, $0.count) }, "setting up the jail")
    }

    /// Waits until bubblewrap has said all of `{"child-pid": N, …}`; nil when it ended before.
    private static func initPID(_ descriptor: Int32) -> Int32? {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        // It writes in pieces, and a pipe that is closed before the last one would end it: an outer process that
        // dies before it has released its child leaves that waiting for ever.
        while !text.contains(UInt8(ascii: "}")) && text.count < 4096 {
            guard ce_wait_readable(descriptor, -1, Int32(SandboxLimits.jailMilliseconds)) > 0 else {
                return nil
            }
            let got = ce_read(descriptor, &buffer, buffer.count)
            guard got > 0 else { return nil }
            text += buffer[..<Int(got)]
        }
        return childPID(String(decoding: text, as: UTF8.self))
    }

    /// The number after `"child-pid":`.
    static func childPID(_ text: String) -> Int32? {
        let parts = text.split(separator: "\"child-pid\":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        return Int32(parts[1].drop { $0 == " " }.prefix { $0.isASCII && $0.isNumber })
    }
}

/// Programs by name.
enum Executable {
    /// The search path of everything that the gateway starts.
    static let systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// The absolute path of a program: `name` itself when it has a slash, else the first in `path`.
    static func find(_ name: String, path: String? = nil) -> String? {
        if name.contains("/") { return isExecutable(name) ? name : nil }
        guard !name.isEmpty else { return nil }
        for directory in (path ?? systemPath).split(separator: ":") where directory.hasPrefix("/") {
            let candidate = "\(directory)/\(name)"
            if isExecutable(candidate) { return candidate }
        }
        return nil
    }

    /// In the search path of the gateway itself, where operators put tools.
    static func findInOwnPath(_ name: String) -> String? { find(name, path: variable("PATH")) ?? find(name) }

    static func isExecutable(_ path: String) -> Bool {
        var status = ce_look()
        guard !path.utf8.contains(0), ce_look_at(path, 1, &status) == 0 else { return false }
        return status.mode & S_IFMT == S_IFREG && status.mode & (S_IXUSR | S_IXGRP | S_IXOTH) != 0
    }

    /// A variable of the gateway's own environment.
    static func variable(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }
}
