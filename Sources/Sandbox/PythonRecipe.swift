import Glibc
import System

/// A package of PyPI in a virtual environment of its own, made by uv.
struct PythonRecipe: PackageRecipe {
    let program: PythonProgram

    init(_ program: PythonProgram) { self.program = program }

    var kind: String { "pypi" }
    var title: String { program.version.isEmpty ? program.package : "\(program.package) \(program.version)" }
    var key: String {
        DirectoryName.make(
            [program.package, program.version, program.requiresPython ?? ""] + constraints + ["|"]
                + program.overrides)
    }

    private var constraints: [String] { program.constraints + (program.withOldSDK ? ["mcp<2"] : []) }
    private var requirement: String {
        program.version.isEmpty ? program.package : "\(program.package)==\(program.version)"
    }

    func package(_ directory: String, programs: [String]) -> InstalledPackage {
        InstalledPackage(
            kind: .python, root: directory, pathDirectories: ["\(directory)/env/bin"], programs: programs)
    }

    func install(_ site: InstallSite) throws(LaunchFailure) -> InstalledPackage {
        let uv = try UV.find(site)
        let python = try PythonInterpreter.choose(satisfying: program.requiresPython, for: title, site)
        let environment = "\(site.directory)/env"
        try check(
            site.run(
                [uv, "venv", "--quiet", "--python", python.path, environment], reach: .shelf,
                environment: UV.variables(site.cache),
                reads: [uv, python.path]))
        let install =
            try [
                uv, "pip", "install", "--quiet", "--python", "\(environment)/bin/python",
                "--compile-bytecode",
            ]
            + rules(constraints, "--constraints", "constraints.txt", site)
            + rules(program.overrides, "--overrides", "overrides.txt", site)
        let reads = [uv, python.path]
        // Wheels are unpacked, not run. What has none must be built, which runs code of the package: with its own
        // cache, and nothing but its own directory to write to.
        let fromWheels = try site.run(
            install + ["--only-binary", ":all:", requirement], reach: .shelf,
            environment: UV.variables(site.cache), reads: reads)
        if !fromWheels.isGood {
            site.progress("\(title) has no wheel for everything; building")
            let cache = "\(site.directory)/cache"
            let built = try site.run(
                install + [requirement], reach: .package, environment: UV.variables(cache), reads: reads)
            // The first answer is the better one where a build could not have helped.
            try check(built, instead: built.wasStopped ? built : fromWheels)
            try? Files.removeTree(cache)
        }
        let programs = ConsoleScripts.find(environment: environment, package: program.package)
        return package(site.directory, programs: programs)
    }

    /// The option that names a file with these requirements; none without any.
    private func rules(
        _ requirements: [String], _ option: String, _ file: String, _ site: InstallSite
    ) throws(LaunchFailure) -> [String] {
        guard !requirements.isEmpty else { return [] }
        try site.write(requirements.map { $0 + "\n" }.joined(), to: file)
        return [option, "\(site.directory)/\(file)"]
    }

    private func check(_ outcome: ToolRun.Outcome, instead: ToolRun.Outcome? = nil) throws(LaunchFailure) {
        guard !outcome.isGood else { return }
        let told = instead ?? outcome
        throw LaunchFailure(
            message:
                "\(title) could not be installed from PyPI: uv: \(told.explanation)\nCheck that the package index "
                + "can be reached (UV_DEFAULT_INDEX and proxies of the gateway's environment are used).")
    }
}

/// Programs that a Python package declares (entry points specification, `console_scripts`).
enum ConsoleScripts {
    /// The package's scripts, the one to run by default first.
    static func find(environment: String, package: String) -> [String] {
        let library = "\(environment)/lib"
        let wanted = normalized(package)
        for version in (try? Files.list(library)) ?? [] {
            let site = "\(library)/\(version)/site-packages"
            for name in (try? Files.list(site)) ?? [] where name.hasSuffix(".dist-info") {
                // `name-version.dist-info`: neither part has a dash in there.
                guard let dash = name.firstIndex(of: "-"), normalized(String(name[..<dash])) == wanted else {
                    continue
                }
                let file = "\(site)/\(name)/entry_points.txt"
                let bytes = (try? Files.read(file, limit: SandboxLimits.smallFileBytes)) ?? []
                return ordered(parse(String(decoding: bytes, as: UTF8.self)), package: wanted)
            }
        }
        return []
    }

    static func parse(_ text: String) -> [String] {
        var isInside = false
        var names: [String] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("[") {
                isInside = line.hasPrefix("[console_scripts]")
            } else if isInside, !line.hasPrefix("#"), let equals = line.firstIndex(of: "=") {
                var name = line[..<equals]
                while name.last == " " || name.last == "\t" { name.removeLast() }
                if !name.isEmpty { names.append(String(name)) }
            }
        }
        return names
    }

    /// The only one, or the one that is called like the package, or the first with `mcp` in it.
    static func ordered(_ names: [String], package: String) -> [String] {
        let best =
            names.first { normalized($0) == package } ?? names.first { $0.contains("mcp") } ?? names.first
        return (best.map { [$0] } ?? []) + names.filter { $0 != best }
    }

    /// PEP 503, with `_` as in file names.
    static func normalized(_ name: String) -> String {
        var out = ""
        for character in name.lowercased() {
            let mapped: Character = character == "-" || character == "." ? "_" : character
            if mapped != "_" || out.last != "_" { out.append(mapped) }
        }
        return out
    }
}
