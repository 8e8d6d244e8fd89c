import Testing
import Wire

@testable import Catalog

/// The built-in catalog, read once.
let builtIn: ServerCatalog = {
    do { return try ServerCatalog.builtIn() } catch { fatalError("\(error)") }
}()

let policy = PlanPolicy(allowsCustomServers: true, homeDirectory: "/home/ada")

func json(_ text: String) throws -> JSONValue { try JSONValue.parse(text) }

/// The plans of an `mcp` object that is to be accepted.
func plans(
    _ mcp: String, in catalog: ServerCatalog = builtIn, policy: PlanPolicy = policy
) throws -> [ServerPlan] {
    try catalog.check(try json(mcp), policy: policy).get().plans
}

func plan(_ mcp: String, in catalog: ServerCatalog = builtIn, policy: PlanPolicy = policy) throws
    -> ServerPlan
{
    try #require(try plans(mcp, in: catalog, policy: policy).first)
}

/// The messages about an `mcp` object; none when it is accepted.
func mistakes(
    _ mcp: String, in catalog: ServerCatalog = builtIn, policy: PlanPolicy = policy
) throws -> [String] {
    switch catalog.check(try json(mcp), policy: policy) {
    case .success: []
    case .failure(let errors): errors.mistakes.map(\.message)
    }
}

/// A catalog file around `entries`.
func catalogText(_ entries: String...) -> String {
    """
    {"formatVersion": 1, "categories": [{"id": "special", "title": "Special"}],
     "servers": [\(entries.joined(separator: ",\n"))]}
    """
}

func catalog(_ entries: String...) throws -> ServerCatalog {
    let text = catalogText(entries.joined(separator: ","))
    return try ServerCatalog(parsing: Array(text.utf8), file: "own.json")
}

/// An entry called `own` with these `config` and `run` (or other) members.
func entry(_ key: String = "own", config: String = "[]", _ more: String) -> String {
    """
    {"key": "\(key)", "title": "Own", "category": "special", "summary": "One of ours.", "config": \(config), \(more)}
    """
}

/// What a catalog file is refused with.
func refusal(_ text: String) -> [String] {
    do {
        _ = try ServerCatalog(parsing: Array(text.utf8), file: "own.json")
        return []
    } catch {
        return error.mistakes
    }
}
