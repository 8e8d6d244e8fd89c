import MCP
import System
import Testing

@testable import Gateway

@Suite struct OutboundTests {
    private func route(_ url: String) async throws -> Result<[IPAddress], Outbound.Failure> {
        let url = try RemoteURL(url)
        let outbound = Outbound()
        return await withCheckedContinuation { waiting in
            outbound.route(to: url) { waiting.resume(returning: $0.map(\.addresses)) }
        }
    }

    @Test("an address in a URL is itself, in network order", arguments: ["192.0.2.1", "[2001:db8::ff00:42]"])
    func literal(_ host: String) async throws {
        let text = host.filter { !"[]".contains($0) }
        let address = try #require(IPAddress(text))
        #expect(try await route("http://\(host)/").get() == [address])
        let bytes = address.networkBytes
        #expect(bytes.withUnsafeBytes { IPAddress(networkBytes: $0) } == address)
    }

    @Test("names come from the system's resolver")
    func name() async throws {
        let found = try await route("http://localhost/").get()
        #expect(!found.isEmpty && found.allSatisfy { AddressGuard.refusal($0) == .loopback })
    }

    @Test("a name that does not exist is told with its name")
    func unknown() async throws {
        guard case .failure(let failure) = try await route("http://no-such-host.invalid/") else {
            Issue.record("it has an address")
            return
        }
        #expect(failure.reason.contains("no-such-host.invalid"))
    }

    @Test("many are resolved, each once")
    func many() async throws {
        let outbound = Outbound()
        let urls = try (1...100).map { try RemoteURL("http://192.0.2.\($0)/") }
        let found = await withTaskGroup(of: IPAddress?.self) { group in
            for url in urls {
                group.addTask {
                    await withCheckedContinuation { waiting in
                        outbound.route(to: url) { waiting.resume(returning: try? $0.get().addresses.first) }
                    }
                }
            }
            return await group.reduce(into: [IPAddress?]()) { $0.append($1) }
        }
        #expect(Set(found.compactMap { $0 }).count == 100 && found.count == 100)
    }
}
