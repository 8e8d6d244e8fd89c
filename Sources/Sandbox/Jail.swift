import CEpollShim
import Glibc
import System

/// A bubblewrap jail as the list of its options: what exists in there is what is listed here.
struct Jail: Sendable {
    /// The user inside, whoever it is outside.
    static let user = 1000
    static let workspace = "/workspace"
    /// Directories of the host's system that are shown read-only.
    private static let systemDirectories = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
    /// Files of the host's `/etc` that programs need and that hold nothing secret: names, addresses, certificates.
    private static let systemFiles = [
        "resolv.conf", "hosts", "host.conf", "gai.conf", "nsswitch.conf", "services", "protocols",
        "ld.so.cache",
        "alternatives", "localtime", "timezone", "mime.types", "ssl/certs", "ssl/openssl.cnf",
        "ca-certificates",
        "pki/tls/certs", "pki/ca-trust/extracted", "fonts", "python3", "java-17-openjdk",
    ]

    /// Absolute path of bubblewrap.
    var bubblewrap: String
    var state: StateDirectory
    /// Bound to `/workspace`, writable; nil: there is none.
    var workspace: String?
    var shares: [HostPaths.Share] = []
    /// Tools that the server shall not find, as they would download things at run time.
    var hiddenTools: [String] = []
    var environment: [(String, String)] = []
    var directory = Self.workspace
    /// The network is the sandbox's own: the host's resolver is not there, nor are the names of its network.
    var hasOwnNetwork = false
    /// It has a network of its own with nothing in it but a loopback interface.
    var isOffline = false
    /// Shown as `/etc/hosts` then; nil is one with the sandbox itself alone.
    var hostsFile: String?
    var temporaryBytes = SandboxLimits.temporaryBytes

    /// The options, for `--args`: from there neither other users of the host nor the servers in the jail can read
    /// them, as they could the command line or the environment of bubblewrap.
    func options(infoDescriptor: Int32) -> [String] {
        var list = [
            "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
            "--uid", "\(Self.user)", "--gid", "\(Self.user)", "--hostname", "sandbox",
            "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--info-fd", "\(infoDescriptor)",
        ]
        if isOffline { list.append("--unshare-net") }
        list += system
        list += [
            "--proc", "/proc", "--dev", "/dev",
            "--perms", "1777", "--size", "\(SandboxLimits.sharedMemoryBytes)", "--tmpfs", "/dev/shm",
            "--remount-ro", "/dev",
            "--perms", "1777", "--size", "\(temporaryBytes)", "--tmpfs", "/tmp",
            "--perms", "1777", "--size", "\(temporaryBytes)", "--tmpfs", "/var/tmp", "--dir", "/run",
        ]
        for tool in hiddenTools { list += ["--ro-bind", "\(state.jail)/missing-tool", tool] }
        if let workspace { list += ["--bind", workspace, Self.workspace] }
        // A directory before what is below it, or it would cover that.
        for share in shares.sorted(by: { $0.named < $1.named }) {
            list += [share.isWritable ? "--bind" : "--ro-bind", share.source, share.named]
        }
        // Last, when every place to bind to has been made.
        list += ["--remount-ro", "/", "--chdir", directory, "--clearenv"]
        for (name, value) in environment { list += ["--setenv", name, value] }
        return list
    }

    private var system: [String] {
        var list = ["--ro-bind", "/usr", "/usr"]
        for directory in Self.systemDirectories where Files.isDirectory(directory) {
            // On a merged-usr host these are links, and stay links: a second bind mount would hide that.
            if let target = Self.linkTarget(directory) {
                list += ["--symlink", target, directory]
            } else {
                list += ["--ro-bind", directory, directory]
            }
        }
        for name in Self.systemFiles
        where Files.exists("/etc/\(name)") && !(hasOwnNetwork && StateDirectory.isNetworkFile(name)) {
            list += ["--ro-bind", "/etc/\(name)", "/etc/\(name)"]
        }
        for (name, _) in StateDirectory.jailFiles where hasOwnNetwork || !StateDirectory.isNetworkFile(name) {
            let own = name == "hosts" ? hostsFile : nil
            list += ["--ro-bind", own ?? "\(state.jail)/\(name)", "/etc/\(name)"]
        }
        return list
    }

    /// Where a link of the root directory leads; nil when it is none.
    private static func linkTarget(_ path: String) -> String? {
        ce_kind(path, 0) == Int32(CE_KIND_LINK) ? try? Files.realPath(path) : nil
    }
}
