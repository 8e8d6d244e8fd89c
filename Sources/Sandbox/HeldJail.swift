import CEpollShim
import Glibc
import System

/// A jail that waits before it runs its server, until its processes have been given a number.
///
/// The kernel counts processes by user, and without root all sandboxes are one user's: a limit that bubblewrap itself
/// had would count that user's every process. From Linux 5.14 on a user namespace counts apart (user_namespaces(7)),
/// so it is the first process in there that gets the limit, and everything in the jail comes from that one.
struct HeldJail: ~Copyable {
    private let processes: UInt64?
    /// What it waits at, and what opens that by its end.
    private let gate: Descriptor
    private let opener: Descriptor

    init(_ plan: StartPlan) throws(Errno) {
        processes = plan.jailProcesses
        var ends: [Int32] = [-1, -1]
        if processes != nil { try Errno.check(ce_pipe(&ends), "making a pipe") }
        gate = Descriptor(owning: ends[0])
        opener = Descriptor(owning: ends[1])
    }

    /// For bubblewrap's command line, behind its three descriptors.
    var options: [String] { processes == nil ? [] : ["--block-fd", "6"] }
    var inherited: [Int32] { processes == nil ? [] : [gate.raw] }

    /// Sets the limit and lets it run its server.
    consuming func release(_ initPID: Int32) throws(Errno) {
        guard let processes else { return }
        let result = ce_limit_process(initPID, Int32(__RLIMIT_NPROC.rawValue), processes)
        try Errno.check(result, "limiting the jail's processes")
    }

    /// Whether this kernel counts each namespace's processes for themselves.
    static let isPossible = KernelRelease.current.map { $0 >= KernelRelease(major: 5, minor: 14) } ?? false
}

/// The first two numbers of the kernel's version.
struct KernelRelease: Comparable, Sendable {
    var major: Int
    var minor: Int

    static func < (left: KernelRelease, right: KernelRelease) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    static var text: String {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: &name.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Nil when it does not begin with two numbers.
    init?(_ text: String) {
        let parts = text.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        guard parts.count == 2 else { return nil }
        self.init(major: parts[0], minor: parts[1])
    }

    static var current: KernelRelease? { KernelRelease(text) }
}
