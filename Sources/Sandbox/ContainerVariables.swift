import System

/// How the environment of a container reaches it without a value in a command line.
struct ContainerVariables: Sendable {
    /// Lines of a file that only the engine sees: it reads it line by line, without any way to quote.
    var file: [UInt8] = []
    /// What no line can hold: the engine has it in its own environment, and is told the names.
    var passed: [(String, String)] = []

    /// - Parameter all: the last one of a name counts.
    init(_ all: [(String, String)]) throws(LaunchFailure) {
        var names: [String] = []
        var values: [String: String] = [:]
        for (name, value) in all where values.updateValue(value, forKey: name) == nil { names.append(name) }
        var lines = ""
        for name in names {
            let value = values[name] ?? ""
            if let reason = Self.refusal(name, value) {
                throw LaunchFailure(
                    message: "The variable \(name) cannot be given to a container: \(reason).")
            }
            if Self.isLine(name, value) {
                lines += "\(name)=\(value)\n"
            } else {
                passed.append((name, value))
            }
        }
        file = Array(lines.utf8)
    }

    private static func isLine(_ name: String, _ value: String) -> Bool {
        !value.utf8.contains { $0 == 10 || $0 == 13 }
            && name.utf8.count + value.utf8.count <= SandboxLimits.environmentLineBytes
    }

    private static func refusal(_ name: String, _ value: String) -> String? {
        guard ProcessStart.isName(name), !name.hasPrefix("#"),
            name.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { return "its name is none" }
        if value.utf8.contains(0) { return "its value holds a NUL character" }
        guard !isLine(name, value) else { return nil }
        if value.utf8.count > SandboxLimits.environmentValueBytes {
            return "its value has more than \(SandboxLimits.environmentValueBytes) bytes"
        }
        guard !meansSomething(name) else {
            return
                "its value has several lines, and a variable of this name would change what the engine does"
        }
        return nil
    }

    // MARK: Names

    /// Whether the engine, what it starts and what they are linked to look at a variable of this name themselves. They
    /// have more rights than the server whose variable it is.
    static func meansSomething(_ name: String) -> Bool {
        let upper = name.uppercased()
        return prefixes.contains(where: upper.hasPrefix) || names.contains(upper) || upper.hasSuffix("_PROXY")
    }

    private static let prefixes = [
        "_", "LD_", "GLIBC_", "MALLOC_", "LC_", "OPENSSL_", "XDG_", "DBUS_", "SYSTEMD_", "LISTEN_",
        "JOURNAL_",
        "CONTAINER", "PODMAN", "DOCKER", "BUILDAH", "NETAVARK", "CNI_", "LIBPOD", "STORAGE_", "BASH_",
        "PYTHON", "PERL",
    ]
    private static let names: Set<String> = [
        "PATH", "HOME", "SHELL", "USER", "LOGNAME", "TERM", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR",
        "TMP", "TEMP",
        "IFS", "ENV", "PS4", "SHELLOPTS", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS", "NLSPATH", "LOCPATH",
        "GCONV_PATH", "GETCONF_DIR", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK",
        "GOCOVERDIR",
        "GORACE", "NOTIFY_SOCKET", "MAINPID", "WATCHDOG_PID", "WATCHDOG_USEC", "INVOCATION_ID", "GNUPGHOME",
        "GPG_AGENT_INFO", "GPG_TTY", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "REGISTRY_AUTH_FILE",
        "REGISTRIES_CONFIG_PATH", "NODE_OPTIONS", "E2B_SANDBOX_ID",
    ]
}

extension ContainerRun {
    /// PATH, HOME and LANG of the image are right for it, unless its home is another user's.
    func variables() throws(LaunchFailure) -> ContainerVariables {
        try ContainerVariables(
            (runsAsSandboxUser ? [("HOME", Jail.workspace)] : []) + request.environment
                + [(Starter.markVariable, request.sandboxID)])
    }
}
