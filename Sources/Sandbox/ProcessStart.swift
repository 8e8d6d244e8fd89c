import CEpollShim
import Glibc
import System

/// One process to be started, as the kernel sees it.
struct ProcessStart {
    /// Absolute path and the arguments, the program's name first.
    var program: String
    var arguments: [String]
    var environment: [(String, String)]
    var directory = "/"
    /// Host user and group; nil keeps the gateway's.
    var user: UInt32?
    var cpu: Int?
    var forbidsNewPrivileges = true
    var limits: [(resource: Int32, value: UInt64)] = []
    /// See `ce_spawn_how.oom_score`.
    var memoryVictimScore: Int32 = 0
    /// Become 3, 4, … in the child.
    var inherited: [Int32] = []
    /// Entered before anything else: a control group, a network namespace, a mount namespace.
    var group: ServerGroup?
    var network: Int32?
    var workspace: Workspace?

    /// Starts it in a session of its own. It gets SIGKILL when the calling thread ends, so that thread must be
    /// one that lives as long as the process.
    func run() throws(Errno) -> ce_spawned {
        let texts = [program, directory] + arguments + environment.flatMap { [$0.0, $0.1] }
        // In C a NUL would cut the text short: another program, or another variable.
        guard texts.allSatisfy({ !$0.utf8.contains(0) }), environment.allSatisfy({ Self.isName($0.0) }) else {
            throw Errno(EINVAL, "starting \(program)")
        }
        guard texts.reduce(0, { $0 + $1.utf8.count + 10 }) <= SandboxLimits.launchBytes else {
            throw Errno(E2BIG, "starting \(program)")
        }
        let argv = CStringList(arguments)
        let envp = CStringList(environment.map { "\($0.0)=\($0.1)" })
        var spawned = ce_spawned()
        let rlimits = limits.map { ce_rlimit(resource: $0.resource, value: $0.value) }
        let entries = group?.entries ?? []
        let result = program.withCString { program in
            directory.withCString { directory in
                rlimits.withUnsafeBufferPointer { rlimits in
                    inherited.withUnsafeBufferPointer { inherited in
                        entries.withUnsafeBufferPointer { entries in
                            var how = ce_spawn_how()
                            how.program = program
                            how.arguments = UnsafePointer(argv.pointer)
                            how.environment = UnsafePointer(envp.pointer)
                            how.directory = directory
                            how.user = user.map(Int64.init) ?? -1
                            how.group = user.map(Int64.init) ?? -1
                            how.cpu = cpu.map(Int32.init(clamping:)) ?? -1
                            how.death_signal = SIGKILL
                            how.no_new_privileges = forbidsNewPrivileges ? 1 : 0
                            how.oom_score = memoryVictimScore
                            how.limits = rlimits.baseAddress
                            how.limit_count = rlimits.count
                            how.inherited = inherited.baseAddress
                            how.inherited_count = inherited.count
                            how.groups = entries.baseAddress
                            how.group_count = entries.count
                            how.network = network ?? -1
                            how.workspace = workspace?.namespace ?? -1
                            return ce_spawn(&how, &spawned)
                        }
                    }
                }
            }
        }
        guard result >= 0 else {
            let step = spawned.step.map { String(cString: $0) } ?? "starting"
            throw Errno(result, "starting \(program), \(step)")
        }
        return spawned
    }

    static func isName(_ name: String) -> Bool {
        !name.isEmpty && !name.utf8.contains(UInt8(ascii: "=")) && !name.utf8.contains(0)
    }
}

/// A NULL-terminated array of C strings, freed with its owner.
private final class CStringList {
    let pointer: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let count: Int

    init(_ texts: [String]) {
        count = texts.count
        pointer = .allocate(capacity: texts.count + 1)
        for (index, text) in texts.enumerated() { pointer[index] = UnsafePointer(strdup(text)) }
        pointer[count] = nil
    }

    deinit {
        for index in 0..<count { free(UnsafeMutableRawPointer(mutating: pointer[index])) }
        pointer.deallocate()
    }
}
