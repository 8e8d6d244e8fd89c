import System

/// A repository of GitHub, cloned at the commit that is newest when it is first asked for, and prepared by the
/// caller's install command in a jail that shows nothing else.
struct RepositoryRecipe: PackageRecipe {
    let program: RepositoryProgram

    init(_ program: RepositoryProgram) { self.program = program }

    var kind: String { "git" }
    var title: String { "github/\(program.owner)/\(program.name)" }
    var key: String {
        DirectoryName.make([program.owner, program.name] + (program.installCommand.map { ["|"] + $0 } ?? []))
    }

    /// GitHub, or the operator's mirror of it.
    static let baseVariable = "MCP_GATEWAY_GITHUB_URL"
    private static var base: String {
        var base = Executable.variable(baseVariable) ?? "https://github.com"
        while base.hasSuffix("/") { base.removeLast() }
        return base
    }

    func package(_ directory: String, programs: [String]) -> InstalledPackage {
        InstalledPackage(
            kind: .repository, root: directory, directory: "\(directory)/source", programs: programs)
    }

    func install(_ site: InstallSite) throws(LaunchFailure) -> InstalledPackage {
        guard Self.isName(program.owner), Self.isName(program.name) else {
            throw LaunchFailure(message: "\(title) is no name of a repository.")
        }
        guard let git = Executable.find("git") else {
            throw LaunchFailure(message: "\(title) needs git: install it (Debian: apt-get install git).")
        }
        let source = "\(site.directory)/source"
        let address = "\(Self.base)/\(program.owner)/\(program.name).git"
        let cloned = try site.run(
            [git, "clone", "--quiet", "--depth", "1", "--no-tags", "--", address, source], reach: .package,
            environment: [("GIT_TERMINAL_PROMPT", "0")])
        try check(cloned, "cloning \(address)")
        if let command = program.installCommand, !command.isEmpty {
            site.progress("running \(command.joined(separator: " "))")
            let prepared = try site.run(
                command, reach: .package, directory: source,
                environment: [
                    ("HOME", site.directory), ("npm_config_cache", "/tmp/npm"), ("UV_CACHE_DIR", "/tmp/uv"),
                ], isCallers: true)
            try check(prepared, "its install command")
        }
        return package(site.directory, programs: [])
    }

    private func check(_ outcome: ToolRun.Outcome, _ step: String) throws(LaunchFailure) {
        guard !outcome.isGood else { return }
        throw LaunchFailure(message: "\(title) could not be installed, \(step): \(outcome.explanation)")
    }

    /// GitHub's names; a leading dash would be an option to git.
    static func isName(_ text: String) -> Bool {
        (1...100).contains(text.utf8.count) && !text.hasPrefix("-") && !text.hasPrefix(".")
            && text.unicodeScalars.allSatisfy { scalar in
                scalar.isASCII
                    && (scalar.properties.isAlphabetic || "0123456789-_.".unicodeScalars.contains(scalar))
            }
    }
}
