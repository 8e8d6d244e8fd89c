import System

/// A container image in the store of the engine, under the digest that it had when it was first asked for: what
/// its tag means later does not change a server.
struct ImageRecipe: PackageRecipe {
    let program: ContainerProgram
    let engines: EngineFinder

    var kind: String { "oci" }
    var title: String { "The image \(program.image)" }
    var key: String { DirectoryName.make([program.image]) }

    /// `programs`: the reference to run, then the user that the image names.
    func package(_ directory: String, programs: [String]) -> InstalledPackage {
        InstalledPackage(kind: .image, programs: programs)
    }

    func install(_ site: InstallSite) throws(LaunchFailure) -> InstalledPackage {
        let engine = try engines.engine(site.store.starter, title)
        let name = Self.fullName(program.image)
        if let there = try look(name, engine, site) { return there }
        try pull(name, engine, site)
        guard let pulled = try look(name, engine, site) else {
            throw LaunchFailure(message: "\(title) was pulled, and \(engine.kind.rawValue) does not know it.")
        }
        return pulled
    }

    /// An image may have been removed from the store since: it comes back under the same digest.
    func isComplete(_ package: InstalledPackage, _ site: InstallSite) throws(LaunchFailure) -> Bool {
        guard let reference = package.programs.first else { return false }
        let engine = try engines.engine(site.store.starter, title)
        if try look(reference, engine, site) != nil { return true }
        guard reference.contains("@") else { return false }
        try pull(reference, engine, site)
        return true
    }

    private func pull(_ name: String, _ engine: ContainerEngine, _ site: InstallSite) throws(LaunchFailure) {
        site.progress("pulling \(name)")
        let outcome = try engine.ask(
            ["pull", name], site.store.starter, seconds: SandboxLimits.installSeconds, progress: site.progress
        )
        guard !outcome.isGood else { return }
        throw LaunchFailure(
            message:
                "\(title) could not be pulled: \(engine.kind.rawValue): \(outcome.explanation)\nCheck its name, "
                + "and that its registry can be reached: \(engine.path) pull \(name)")
    }

    /// What the engine's store has under that name; nil: nothing.
    private func look(
        _ name: String, _ engine: ContainerEngine, _ site: InstallSite
    ) throws(LaunchFailure) -> InstalledPackage? {
        let format = "{{.Id}}|{{range .RepoDigests}}{{.}} {{end}}|{{.Config.User}}"
        let outcome = try engine.ask(["image", "inspect", "--format", format, name], site.store.starter)
        guard outcome.status.isSuccess, let line = outcome.lines.last else { return nil }
        let fields = line.split(separator: "|", omittingEmptySubsequences: false)
        guard fields.count == 3 else { return nil }
        let digests = fields[1].split(separator: " ").map { String($0) }
        let repository = Self.repository(name)
        // An image that was built here may have no digest of a registry: its id is one of its contents.
        let reference =
            digests.first { Self.repository($0) == repository }
            ?? String(fields[0].split(separator: ":").last ?? fields[0])
        return InstalledPackage(kind: .image, programs: [reference, "user \(fields[2])"])
    }

    // MARK: Names

    /// The name with its registry, which is Docker Hub where it says none, and its tag.
    static func fullName(_ image: String) -> String {
        let parts = image.split(separator: "/", omittingEmptySubsequences: false)
        let first = parts.first ?? ""
        let hasRegistry =
            parts.count > 1 && (first.contains(".") || first.contains(":") || first == "localhost")
        let name = hasRegistry ? image : parts.count > 1 ? "docker.io/\(image)" : "docker.io/library/\(image)"
        return repository(name) == name ? "\(name):latest" : name
    }

    /// The name without tag and digest.
    static func repository(_ name: String) -> String {
        let plain = name.split(separator: "@", maxSplits: 1).first.map { String($0) } ?? name
        guard let colon = plain.lastIndex(of: ":"), !plain[colon...].contains("/") else { return plain }
        return String(plain[..<colon])
    }
}
