import System

/// A program that is there to be run, and how.
struct InstalledPackage: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case python
        case node
        case custom
        case repository
        case image
    }

    var kind: Kind
    /// Directory of the host that servers see read-only at the same place; nil: it needs none.
    var root: String?
    /// Come first in PATH.
    var pathDirectories: [String] = []
    /// Where it starts; nil: in the sandbox's workspace.
    var directory: String?
    /// Names of programs that it offers to be run as the server, the default one first.
    var programs: [String] = []

    var isCustom: Bool { kind == .custom || kind == .repository }

    /// Python's servers must not find Node: some of their libraries would download packages with it when they are
    /// first used.
    var hiddenTools: [String] {
        guard kind == .python else { return [] }
        let names = ["node", "nodejs", "npm", "npx"].flatMap { ["/usr/bin/\($0)", "/usr/local/bin/\($0)"] }
        // Behind their links: there is nothing to be bound on a link.
        let files = Set(names.compactMap { try? Files.realPath($0) })
        return files.filter { HostPaths.contains("/usr", $0) && Files.isFile($0) }.sorted()
    }

    /// The command line of one server.
    func command(for request: LaunchRequest) throws(LaunchFailure) -> [String] {
        switch request.program {
        case .pypi(let program):
            return [try self.program(program.command, of: program.package)] + request.arguments
        case .npm(let program):
            return [try self.program(program.command, of: program.package)] + request.arguments
        case .command(let command): return try CustomCommand.check(command) + request.arguments
        case .repository(let program): return program.runCommand + request.arguments
        case .oci: return request.arguments
        }
    }

    /// The absolute path of a program of the package: the one asked for, else its default.
    private func program(_ wanted: String?, of package: String) throws(LaunchFailure) -> String {
        guard let name = wanted ?? programs.first else {
            throw LaunchFailure(
                message: "The package \(package) has no program to run: its catalog entry must name one.")
        }
        let isName = !name.contains("/") && name != ".." && name != "."
        for directory in pathDirectories where isName {
            if Executable.isExecutable("\(directory)/\(name)") { return "\(directory)/\(name)" }
        }
        let known = programs.isEmpty ? "none" : programs.joined(separator: ", ")
        throw LaunchFailure(message: "The package \(package) has no program \(name); it has: \(known).")
    }
}

/// Commands that callers bring.
enum CustomCommand {
    /// The command with the program's absolute path.
    static func check(_ command: [String]) throws(LaunchFailure) -> [String] {
        guard let name = command.first, !name.isEmpty else {
            throw LaunchFailure(message: "The command is empty.")
        }
        guard let program = Executable.find(name), program.hasPrefix("/") else {
            let message =
                if !name.contains("/") {
                    "There is no program \(name) in \(Executable.systemPath); give its absolute path, or install it."
                } else if !name.hasPrefix("/") {
                    "The program \(name) must be given by its absolute path, or as a name without a slash."
                } else {
                    "\(name) is no program: there must be a file with permission to be executed."
                }
            throw LaunchFailure(message: message)
        }
        return [program] + command.dropFirst()
    }
}
