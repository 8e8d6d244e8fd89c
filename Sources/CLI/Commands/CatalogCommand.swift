import ArgumentParser
struct CatalogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "catalog")
}
struct Pull: ParsableCommand {
    @Argument var keys: [String]
}
