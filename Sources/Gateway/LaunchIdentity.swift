import Catalog

/// What a server is as far as its protocol goes: what it runs, in which version, with which arguments. What one
/// process of it has shown holds for the next.
enum LaunchIdentity {
    /// Programs of a caller's own are told apart by who brought them: the same words may mean another file.
    static func key(of plan: ServerPlan, owner: String) -> String {
        switch plan.source {
        case .pypi(let package):
            "pypi \(package.package) \(package.version) \(package.command ?? "") \(package.arguments)"
        case .npm(let package):
            "npm \(package.package) \(package.version) \(package.command ?? "") \(package.arguments)"
        case .command(let words): "command \(owner) \(words)"
        case .repository(let repository):
            "repository \(owner) \(repository.owner)/\(repository.name) \(repository.runCommand)"
        case .oci(let image): "oci \(image.image) \(image.arguments)"
        case .remote(let endpoint): "remote \(owner) \(endpoint.url)"
        case .unavailable(let needs): "unavailable \(needs)"
        }
    }
}
