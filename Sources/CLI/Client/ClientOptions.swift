import ArgumentParser
import System
import Wire

/// What every client subcommand takes: which gateway, whose sandboxes.
struct ClientOptions: ParsableArguments {
    @Option(
        help: .init("The gateway. (default: $MCP_GATEWAY_URL, else http://127.0.0.1:8080)", valueName: "url"))
    var url: String?

    @Option(
        help: .init(
            "API key. (default: $E2B_API_KEY, else that of the local state directory)", valueName: "key"))
    var apiKey: String?

    func gateway() throws -> GatewayClient {
        let environment = Environment.current
        let url = url ?? environment["MCP_GATEWAY_URL"] ?? "http://127.0.0.1:8080"
        let (key, source) = try key(environment)
        return GatewayClient(http: HTTPClient(endpoint: try Endpoint(url)), apiKey: key, keySource: source)
    }

    /// The key and where it was found.
    private func key(_ environment: Environment) throws -> (key: String, source: String) {
        if let apiKey { return (try Self.checked(apiKey, "--api-key"), "--api-key") }
        if let key = environment["E2B_API_KEY"] {
            return (try Self.checked(key, "E2B_API_KEY"), "E2B_API_KEY")
        }
        let file = StateDirectory.keyFile(StateDirectory.local(environment))
        do {
            return (try OperatorKeys.stored(file), file)
        } catch let error as Errno {
            throw CommandFailure(
                "no API key: give --api-key or set E2B_API_KEY. There is none to read in \(file) either "
                    + "(\(error.reason)); a gateway without --api-key-file makes one there on its first start, "
                    + "and MCP_GATEWAY_STATE_DIR says where to look.")
        }
    }

    /// It becomes a header field: nothing may end the line.
    private static func checked(_ key: String, _ source: String) throws -> String {
        guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw CommandFailure("\(source): an API key is visible ASCII without blanks")
        }
        return key
    }
}
