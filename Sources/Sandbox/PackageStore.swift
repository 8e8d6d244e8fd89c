import CEpollShim
import Glibc
import Synchronization
import System
import Telemetry

/// Packages of servers, each installed once per version for all sandboxes: by one thread however many ask for it
/// at the same time, and by one process however many share the state directory.
final class PackageStore: Sendable {
    typealias Completion = @Sendable (Result<InstalledPackage, LaunchFailure>) -> Void

    private struct Shelf: Sendable {
        var ready: [String: InstalledPackage] = [:]
        /// Those who wait for an installation that is under way.
        var waiting: [String: [Completion]] = [:]
    }

    let state: StateDirectory
    let starter: Starter
    /// The host user that installs, when the gateway is root.
    let installer: UInt32?
    /// Nil where installations can be held by rlimits alone.
    let groups: ControlGroups?
    /// What one installation may use: as much as a sandbox.
    let resources: ResourceLimits
    /// Of code that runs while a package is installed; nil is the host's.
    let network: InstallNetwork?
    let engines = EngineFinder()
    private let shelf = Mutex(Shelf())
    private let installs = JobQueue(name: "install", threads: SandboxLimits.installThreads)
    /// For what callers bring: their commands take the time they take, and packages of the catalog do not wait for it.
    private let callersInstalls = JobQueue(name: "repository", threads: SandboxLimits.installThreads)

    init(
        state: StateDirectory, starter: Starter, installer: UInt32?, groups: ControlGroups? = nil,
        resources: ResourceLimits = ResourceLimits(), network: InstallNetwork? = nil
    ) {
        self.state = state
        self.starter = starter
        self.installer = installer
        self.groups = groups
        self.network = network
        var resources = resources
        resources[.serverMemory] = resources[.sandboxMemory]
        resources[.serverProcesses] = resources[.sandboxProcesses]
        resources[.serverCPUs] = resources[.sandboxCPUs]
        self.resources = resources
    }

    /// Of its processes, beside what groups hold.
    var rlimits: [(resource: Int32, value: UInt64)] {
        var limits: [(resource: Int32, value: UInt64)] = [
            (Int32(RLIMIT_NOFILE.rawValue), resources[.serverOpenFiles]), (Int32(RLIMIT_CORE.rawValue), 0),
            (Int32(RLIMIT_FSIZE.rawValue), resources[.serverFileSize]),
        ]
        if installer != nil, groups?.controllers.contains(.pids) != true {
            limits.append((Int32(__RLIMIT_NPROC.rawValue), resources[.sandboxProcesses]))
        }
        return limits
    }

    /// Calls `completion` when the program is there: at once, on this thread, when it is already.
    func ensure(
        _ program: LaunchRequest.Program, progress: @escaping @Sendable (String) -> Void = { _ in },
        _ completion: @escaping Completion
    ) {
        let recipe: any PackageRecipe
        switch program {
        case .command: return completion(.success(InstalledPackage(kind: .custom)))
        case .pypi(let program): recipe = PythonRecipe(program)
        case .npm(let program): recipe = NodeRecipe(program)
        case .repository(let program): recipe = RepositoryRecipe(program)
        case .oci(let program): recipe = ImageRecipe(program: program, engines: engines)
        }
        ensure(recipe, progress: progress, completion)
    }

    func ensure(
        _ recipe: any PackageRecipe, progress: @escaping @Sendable (String) -> Void = { _ in },
        _ completion: @escaping Completion
    ) {
        let key = "\(recipe.kind)/\(recipe.key)"
        enum Step { case ready(InstalledPackage), wait, install }
        let step = shelf.withLock { shelf -> Step in
            if let package = shelf.ready[key] { return .ready(package) }
            let isFirst = shelf.waiting[key] == nil
            shelf.waiting[key, default: []].append(completion)
            return isFirst ? .install : .wait
        }
        switch step {
        case .ready(let package): completion(.success(package))
        case .wait: progress("waiting for an installation of \(recipe.title) that is under way")
        case .install:
            let queue = recipe is RepositoryRecipe ? callersInstalls : installs
            queue.submit { self.install(recipe, key, progress) }
        }
    }

    private func install(
        _ recipe: any PackageRecipe, _ key: String, _ progress: @escaping @Sendable (String) -> Void
    ) {
        let result = Result { () throws(LaunchFailure) in try installed(recipe, progress) }
        let waiting = shelf.withLock { shelf in
            if case .success(let package) = result { shelf.ready[key] = package }
            return shelf.waiting.removeValue(forKey: key) ?? []
        }
        for completion in waiting { completion(result) }
    }

    /// Under a lock that other processes respect: what one of them has installed meanwhile is taken.
    private func installed(
        _ recipe: any PackageRecipe, _ progress: @escaping @Sendable (String) -> Void
    ) throws(LaunchFailure) -> InstalledPackage {
        let directory = "\(state.packages)/\(recipe.kind)/\(recipe.key)"
        do {
            try makeShelves(recipe.kind)
            let path = "\(state.packages)/locks/\(recipe.kind)-\(recipe.key)"
            let file = ce_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
            let lock = Descriptor(owning: try Errno.check(file, "opening \(path)"))
            try Errno.check(ce_lock_file(lock.raw), "locking \(path)")
            let site = InstallSite(directory: directory, store: self, progress: progress)
            if let package = Self.readMark(recipe, directory), try recipe.isComplete(package, site) {
                return package
            }
            // What an installation left that was cut off.
            try Files.removeTree(directory)
            try makeOwned(directory)
            let begun = Instant.now()
            progress("installing \(recipe.title)")
            do {
                let package = try recipe.install(site)
                try Self.writeMark(package, directory)
                let took = Instant.now().milliseconds(since: begun)
                Log.info("package installed", ["package": recipe.title, "milliseconds": took])
                progress("installed \(recipe.title)")
                return package
            } catch let failure as LaunchFailure {
                Log.warning("package not installed", ["package": recipe.title, "reason": failure.message])
                try? Files.removeTree(directory)
                throw failure
            }
        } catch let failure as LaunchFailure {
            throw failure
        } catch {
            throw LaunchFailure(message: "Installing \(recipe.title) failed: \(error).")
        }
    }

    // MARK: Directories

    private func makeShelves(_ kind: String) throws(Errno) {
        try Files.makeDirectories("\(state.packages)/locks", mode: 0o700)
        try makeOwned("\(state.packages)/\(kind)")
        try makeOwned("\(state.packages)/\(kind)/\(Self.cacheName)")
    }

    static let cacheName = ".cache"

    /// A directory that belongs to the user who installs.
    private func makeOwned(_ path: String) throws(Errno) {
        if Files.isDirectory(path) { return }
        try Files.makeDirectories(path, mode: 0o755)
        try Errno.check(ce_chmod(path, 0o755), "setting the mode of \(path)")
        guard let installer else { return }
        try Errno.check(ce_lchown(path, Int64(installer), Int64(installer)), "giving \(path) to its user")
    }

    // MARK: The mark of a finished installation

    /// Written last, so that a directory without it is one that was cut off. The programs, a line each.
    private static func markPath(_ directory: String) -> String { "\(directory)/.installed" }

    private static func readMark(_ recipe: any PackageRecipe, _ directory: String) -> InstalledPackage? {
        guard let bytes = try? Files.read(markPath(directory), limit: SandboxLimits.smallFileBytes) else {
            return nil
        }
        let programs = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { String($0) }
        return recipe.package(directory, programs: programs)
    }

    private static func writeMark(_ package: InstalledPackage, _ directory: String) throws(Errno) {
        let text = package.programs.map { $0 + "\n" }.joined()
        try Files.writeAtomically(Array(text.utf8), to: markPath(directory), mode: 0o644)
    }
}

/// How packages of one kind are installed.
protocol PackageRecipe: Sendable {
    /// A directory name: `pypi`, `npm`…
    var kind: String { get }
    /// A directory name that is different for whatever is installed differently.
    var key: String { get }
    /// For messages.
    var title: String { get }
    /// The package as it is used once it lies in `directory`.
    func package(_ directory: String, programs: [String]) -> InstalledPackage
    func install(_ site: InstallSite) throws(LaunchFailure) -> InstalledPackage
    /// False when an installation that was finished has lost something since.
    func isComplete(_ package: InstalledPackage, _ site: InstallSite) throws(LaunchFailure) -> Bool
}

extension PackageRecipe {
    /// Nobody but the gateway touches its packages.
    func isComplete(_ package: InstalledPackage, _ site: InstallSite) throws(LaunchFailure) -> Bool { true }
}

/// A name for a directory out of any text: what is unusual is replaced, and a digest keeps it distinct.
enum DirectoryName {
    static func make(_ parts: [String]) -> String {
        let readable = parts.prefix(2).joined(separator: "-").utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"):
                byte
            default: UInt8(ascii: "_")
            }
        }
        var digest = [UInt8](repeating: 0, count: Int(CE_SHA256_BYTES))
        let text = Array(parts.joined(separator: "\0").utf8)
        let result = text.withUnsafeBytes { ce_sha256($0.baseAddress, $0.count, &digest) }
        precondition(result == 0, "SHA-256 is not available")
        let tag = digest.prefix(5).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
        var name = String(decoding: readable.prefix(80), as: UTF8.self)
        while name.hasPrefix(".") { name.removeFirst() }
        return "\(name)-\(tag)"
    }
}
