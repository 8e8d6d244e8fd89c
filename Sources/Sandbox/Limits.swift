/// The numbers of this module.
public enum SandboxLimits {
    /// Threads that start processes and remove files. A start waits about 5 ms for its jail to be set up.
    static let launchThreads = 2
    /// Threads that wait for package managers, which use several cores by themselves.
    static let installThreads = 2
    /// Milliseconds until bubblewrap has made its namespaces; measured 4 ms, 28 ms at the worst.
    static let jailMilliseconds = 10_000
    /// Milliseconds until a killed tree is gone. A process in an uninterruptible wait for a disk may need them.
    static let deathMilliseconds = 10_000
    /// Milliseconds that a loop waits for a jail's outer process when its init has ended.
    static let outerMilliseconds = 500
    /// Seconds of one package manager's run: half a gigabyte over a slow line.
    static let installSeconds = 900
    /// Seconds of a question to a tool, such as its version.
    static let questionSeconds = 20
    /// Bytes kept of a tool's output, from its end.
    static let outputBytes = 64 * 1024
    /// Lines of a failed tool's output that a message quotes.
    static let quotedLines = 8
    /// Bytes of an environment and argument list together; the kernel's own limit is about 2 MiB.
    static let launchBytes = 1 << 20
    /// Bytes and files of an installed package whose code runs meanwhile, and milliseconds between two looks: the
    /// largest of the catalog take a tenth.
    static let packageBytes: UInt64 = 8 << 30
    static let packageFiles = 500_000
    static let packageLookMilliseconds = 2_000
    /// Bytes of a small text file that is read whole: an entry-points file, a `/proc` file.
    static let smallFileBytes = 1 << 20

    /// First and number of the host's user ids that sandboxes run as when the gateway is root. The first one
    /// installs packages. 200000 lies above what `adduser` and below what systemd's dynamic users take.
    public static let firstUser: UInt32 = 200_000
    public static let users: UInt32 = 16_384

    /// What podman and its helpers take beside a container: 40 MiB and 15 threads each, of up to three at a time.
    static let engineBytes: UInt64 = 160 << 20
    static let engineProcesses: UInt64 = 96
    /// Bytes of one variable of a container: engines read their file of variables in lines of less than 64 KiB.
    static let environmentLineBytes = 60 * 1024
    /// How readily a server is killed when the machine itself has no memory left (oom_score_adj): before the gateway,
    /// and before everything of the host that has no such wish itself.
    static let memoryVictimScore: Int32 = 800
    /// Bytes of one that it has in its own environment instead: Linux takes 128 KiB with its name (MAX_ARG_STRLEN).
    static let environmentValueBytes = 120 * 1024
    /// Rounds of removing containers that an earlier gateway left.
    static let containerRemovals = 4

    /// Connections that wait to be accepted inside a sandbox.
    static let insideBacklog = 64
    /// Looks at a sandbox's control groups until they are empty, and milliseconds between two.
    static let groupRemovals = 200
    static let groupRemovalMilliseconds = 10
    /// Milliseconds between two looks at what sandboxes use of the CPUs: 5 us for each, and only while they use much.
    public static let yieldMilliseconds = 250
    /// Percent of one CPU from which on a sandbox leaves CPU time to others, and below which it does no longer.
    static let busyPercent = 50
    static let calmPercent = 20
    /// Bytes that a group's memory may stay below its limit when that is what the kernel kills for: it charges in
    /// batches, one for each CPU.
    static let memorySlackBytes: UInt64 = 4 << 20
    /// Processes of a server of which it is looked up whether they can open another file: 2 us each.
    static let processesLookedAt = 64
    /// Bytes of a workspace for each file and directory that it may hold: 131072 of them in 1 GiB, of which each
    /// takes about 1 KiB of the kernel's memory.
    static let workspaceBytesPerFile: UInt64 = 8 * 1024
    /// Bytes of a server's `/tmp`, of its `/dev/shm`, each in memory.
    public static let temporaryBytes = 256 << 20
    public static let sharedMemoryBytes = 64 << 20
}
