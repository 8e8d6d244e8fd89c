import CEpollShim
import Glibc
import System

/// The part of the state directory that this module owns. Sandboxes' processes run as users of their own and
/// reach what is theirs in here by name; nothing can be listed by them.
///
///     sandboxes/<id>/disk        what the sandbox writes, removed with it
///     sandboxes/<id>/hosts       its /etc/hosts, where it has a network of its own
///     packages/<kind>/<name>     installed once, shown read-only to every sandbox that needs it
///     packages/cache             what package managers keep
///     jail/                      files that every jail has, such as its `passwd`
struct StateDirectory: Sendable {
    let path: String

    var sandboxes: String { "\(path)/sandboxes" }
    var packages: String { "\(path)/packages" }
    var jail: String { "\(path)/jail" }
    var tools: String { "\(path)/tools" }
    /// Put arguments into programs that must not be in their command lines.
    var nodeArguments: String { "\(jail)/arguments.cjs" }
    var pythonArguments: String { "\(jail)/arguments.py" }
    /// Says that containers were started, and by what.
    var engineMark: String { "\(path)/container-engine" }

    /// Names this directory among all of the host: FNV-1a of its path.
    var tag: String {
        let hash = path.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return String(hash, radix: 36)
    }

    func sandbox(_ id: String) -> String { "\(sandboxes)/\(id)" }
    /// The `/etc/hosts` of code that runs while a package is installed, where it has a network of its own.
    var installHosts: String { "\(jail)/hosts.install" }
    /// The `/etc/hosts` of a sandbox with a network of its own.
    func hosts(_ id: String) -> String { "\(sandbox(id))/hosts" }
    func disk(_ id: String) -> String { "\(sandbox(id))/disk" }
    func workspace(_ id: String) -> String { SandboxDisk.workspace(disk(id)) }
    func volume(_ name: String, of id: String) -> String { SandboxDisk.volume(name, disk(id)) }

    /// Makes what is missing. The state directory itself keeps the mode it has when it exists.
    init(_ path: String) throws(Errno) {
        try Files.makeDirectories(path, mode: 0o711)
        self.path = try Files.realPath(path)
        for (directory, mode) in [(sandboxes, 0o711), (packages, 0o755), (jail, 0o755)] as [(String, UInt32)]
        {
            try Files.makeDirectories(directory, mode: mode)
            // The umask may have taken the bits that users of sandboxes need.
            try Errno.check(ce_chmod(directory, mode), "setting the mode of \(directory)")
        }
        for (name, text) in Self.jailFiles { try write(text, to: "\(jail)/\(name)") }
        try write(Self.missingTool, to: "\(jail)/missing-tool", mode: 0o755)
        try write(HiddenArguments.node, to: nodeArguments)
        try write(HiddenArguments.python, to: pythonArguments)
    }

    /// Files of `/etc` in a jail that are not the host's.
    static let jailFiles: [(name: String, text: String)] = [
        (
            "passwd",
            """
            root:x:0:0:root:/nonexistent:/usr/sbin/nologin
            user:x:\(Jail.user):\(Jail.user)::\(Jail.workspace):/bin/sh
            nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin

            """
        ),
        ("group", "root:x:0:\nuser:x:\(Jail.user):\nnogroup:x:65534:\n"),
        ("hosts", hosts),
        (
            "resolv.conf",
            "# This network has no name server; names are in /etc/hosts.\noptions attempts:1 timeout:1\n"
        ),
        // Files that were bound into the jail belong to other users, and there are only those.
        ("gitconfig", "[safe]\n\tdirectory = *\n"),
    ]

    static let hosts = "127.0.0.1 localhost sandbox\n"

    /// Of a jail with a network of its own; other jails have the host's.
    static func isNetworkFile(_ name: String) -> Bool { name == "hosts" || name == "resolv.conf" }

    /// Stands where a tool is that a server shall believe is not installed.
    static let missingTool = "#!/bin/sh\necho \"$0: not available to this server\" >&2\nexit 127\n"

    private func write(_ text: String, to file: String, mode: UInt32 = 0o644) throws(Errno) {
        let bytes = Array(text.utf8)
        if let now = try? Files.read(file, limit: SandboxLimits.smallFileBytes), now == bytes { return }
        try Files.writeAtomically(bytes, to: file, mode: mode)
    }

    /// The first directory on the way to the state directory that other users may not pass; nil when there is
    /// none.
    var obstacle: String? {
        var at = ""
        for part in path.split(separator: "/") {
            at += "/\(part)"
            var status = ce_look()
            if ce_look_at(at, 1, &status) < 0 || status.mode & S_IXOTH == 0 { return at }
        }
        return nil
    }
}
