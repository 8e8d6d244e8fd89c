import System

/// A package of npm's registry, or a packed one, in a directory of its own.
struct NodeRecipe: PackageRecipe {
    let program: NodeProgram

    init(_ program: NodeProgram) { self.program = program }

    var kind: String { "npm" }
    var title: String { program.version.isEmpty ? program.package : "\(program.package) \(program.version)" }
    var key: String { DirectoryName.make([program.package, program.version]) }

    /// The file of a `file:` package.
    private var file: String? {
        program.package.hasPrefix("file:") ? String(program.package.dropFirst("file:".count)) : nil
    }

    func package(_ directory: String, programs: [String]) -> InstalledPackage {
        InstalledPackage(
            kind: .node, root: directory, pathDirectories: ["\(directory)/node_modules/.bin"],
            programs: programs)
    }

    func install(_ site: InstallSite) throws(LaunchFailure) -> InstalledPackage {
        guard let npm = Executable.find("npm"), let node = Executable.find("node") else {
            throw LaunchFailure(
                message:
                    "\(title) needs Node.js: install node and npm in /usr or /usr/local (Debian: apt-get install "
                    + "npm).")
        }
        let specification =
            file != nil || program.version.isEmpty ? program.package : "\(program.package)@\(program.version)"
        // No code of the package runs while it is installed.
        let outcome = try site.run(
            [
                npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier",
                "--omit=dev",
                "--loglevel=error", "--prefix", site.directory, specification,
            ],
            reach: .shelf, environment: [("npm_config_cache", site.cache)], reads: file.map { [$0] } ?? [])
        guard outcome.isGood else {
            throw LaunchFailure(
                message:
                    "\(title) could not be installed from npm: \(outcome.explanation)\nCheck that the registry can "
                    + "be reached (NPM_CONFIG_REGISTRY and proxies of the gateway's environment are used).")
        }
        let listing = try site.run(
            [node, "-e", Self.listPrograms, site.directory], reach: .package,
            seconds: SandboxLimits.questionSeconds)
        let programs = listing.status.isSuccess ? listing.lines : []
        return package(site.directory, programs: programs)
    }

    /// Prints the names in the `bin` of the one package that was asked for, the one called like it first.
    private static let listPrograms = """
        const root = process.argv[1];
        const name = Object.keys(require(root + "/package.json").dependencies || {})[0];
        const manifest = require(root + "/node_modules/" + name + "/package.json");
        const own = name.split("/").pop();
        const bin = typeof manifest.bin === "string" ? { [own]: manifest.bin } : manifest.bin || {};
        const names = Object.keys(bin).sort((a, b) => (b === own) - (a === own));
        for (const name of names) console.log(name);
        """
}
