import System

/// An interpreter of the host's system: one that every sandbox sees.
struct PythonInterpreter: Sendable, Equatable {
    var path: String
    var version: PythonVersion

    private static let directories = ["/usr/bin", "/usr/local/bin"]

    /// The first that satisfies the package, the host's default one first.
    static func choose(
        satisfying requirement: String?, for title: String, _ site: InstallSite
    ) throws(LaunchFailure) -> PythonInterpreter {
        let all = try installed(site)
        guard let requirement, !requirement.isEmpty else {
            if let first = all.first { return first }
            throw LaunchFailure(message: "\(title) needs Python, and this host has none: install python3.")
        }
        guard let rule = PythonRequirement(requirement) else {
            throw LaunchFailure(
                message: "\(title) needs Python \(requirement), which is no version specifier.")
        }
        if let found = all.first(where: { rule.allows($0.version) }) { return found }
        let known = all.map { "\($0.version) (\($0.path))" }.joined(separator: ", ")
        throw LaunchFailure(
            message:
                "\(title) needs Python \(requirement); this host has \(known.isEmpty ? "none" : known). Install such "
                + "a Python in /usr or /usr/local, and start the server again.")
    }

    private static func installed(_ site: InstallSite) throws(LaunchFailure) -> [PythonInterpreter] {
        var found: [PythonInterpreter] = []
        var seen: Set<String> = []
        var trouble: String?
        let names = ["python3"] + (8...30).reversed().map { "python3.\($0)" }
        for path in names.flatMap({ name in directories.map { "\($0)/\(name)" } }) {
            guard Executable.isExecutable(path), let real = try? Files.realPath(path),
                seen.insert(real).inserted
            else { continue }
            let question = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
            let outcome = try site.run(
                [path, "-I", "-S", "-c", question], reach: .package, seconds: SandboxLimits.questionSeconds)
            guard outcome.status.isSuccess, let line = outcome.lines.last, let version = PythonVersion(line)
            else {
                trouble = "\(path): \(outcome.explanation)"
                continue
            }
            found.append(PythonInterpreter(path: path, version: version))
        }
        if let trouble, found.isEmpty { throw LaunchFailure(message: "Python could not be run: \(trouble)") }
        return found
    }
}

/// `3.12.1`; missing parts are 0.
struct PythonVersion: Sendable, Equatable, Comparable, CustomStringConvertible {
    let parts: [Int]

    init?(_ text: some StringProtocol) {
        let pieces = text.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = pieces.compactMap { Int($0) }
        guard numbers.count == pieces.count, (1...3).contains(numbers.count), numbers.allSatisfy({ $0 >= 0 })
        else {
            return nil
        }
        parts = numbers
    }

    private var padded: [Int] { parts + Array(repeating: 0, count: 3 - parts.count) }

    static func < (a: Self, b: Self) -> Bool { a.padded.lexicographicallyPrecedes(b.padded) }
    static func == (a: Self, b: Self) -> Bool { a.padded == b.padded }

    var description: String { parts.map { String($0) }.joined(separator: ".") }
}

/// A `requires-python`: version specifiers (PEP 440), all of which must hold.
struct PythonRequirement: Sendable {
    private enum Rule: Sendable {
        case atLeast(PythonVersion), above(PythonVersion), atMost(PythonVersion), below(PythonVersion)
        case equal([Int]), notEqual([Int])
    }

    private let rules: [Rule]

    init?(_ text: String) {
        var rules: [Rule] = []
        for piece in text.split(separator: ",") {
            let piece = piece.filter { $0 != " " }
            let mark = piece.prefix { "<>=!~".contains($0) }
            var rest = piece.dropFirst(mark.count)
            let isPrefix = rest.hasSuffix(".*")
            if isPrefix { rest = rest.dropLast(2) }
            guard let version = PythonVersion(rest), !isPrefix || mark == "==" || mark == "!=" else {
                return nil
            }
            // `==3.11` means 3.11.0 to the letter; taken as any 3.11, as whoever writes it means.
            switch mark {
            case ">=": rules.append(.atLeast(version))
            case ">": rules.append(.above(version))
            case "<=": rules.append(.atMost(version))
            case "<": rules.append(.below(version))
            case "==", "===": rules.append(.equal(version.parts))
            case "!=": rules.append(.notEqual(version.parts))
            case "~=":
                guard version.parts.count > 1 else { return nil }
                rules += [.atLeast(version), .equal(Array(version.parts.dropLast()))]
            default: return nil
            }
        }
        self.rules = rules
    }

    func allows(_ version: PythonVersion) -> Bool {
        rules.allSatisfy { rule in
            switch rule {
            case .atLeast(let bound): version >= bound
            case .above(let bound): version > bound
            case .atMost(let bound): version <= bound
            case .below(let bound): version < bound
            case .equal(let parts): version.parts.starts(with: parts)
            case .notEqual(let parts): !version.parts.starts(with: parts)
            }
        }
    }
}
