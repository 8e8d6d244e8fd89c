import Testing

@testable import Catalog

private func hosts(_ text: String, isSecret: Bool = false) -> [String] {
    var named = NamedHosts()
    named.add(text, isSecret: isSecret)
    return named.list
}

@Test(
    "a URL names a host, with the usual port of its scheme where it says none",
    arguments: [
        ("postgresql://ada:s3cret@db.internal/shop", "db.internal:5432"),
        ("postgresql+psycopg://ada:p%40ss@db.internal:6543/shop?sslmode=require", "db.internal:6543"),
        ("jdbc:mysql://db.internal/shop", "db.internal:3306"), ("redis://:pw@[::1]:6380/0", "[::1]:6380"),
        ("rediss://cache", "cache:6379"), ("https://API.example.com/v1", "api.example.com:443"),
        ("http://localhost:8081", "localhost:8081"), ("bolt://graph", "graph:7687"),
        ("unknown://host:99", "host:99"),
    ])
func urls(_ text: String, _ host: String) { #expect(hosts(text) == [host]) }

@Test("a URL may name several hosts")
func severalHosts() {
    #expect(hosts("mongodb://u:p@a:27017,b:27018,c/db") == ["a:27017", "b:27018", "c:27017"])
}

@Test("host:port is taken as such, and lists of it")
func plain() {
    #expect(hosts("broker-1:9092, broker-2:9093") == ["broker-1:9092", "broker-2:9093"])
    #expect(hosts("127.0.0.1:6379") == ["127.0.0.1:6379"])
}

@Test(
    "what names no host adds none",
    arguments: [
        "", "hello", "/path/to:80", "a b:80", "key=value", "*:443", "unknown://host", "a:80,b", "12:30:45",
        "postgresql://", "https://user:pass@",
    ])
func nothing(_ text: String) { #expect(hosts(text) == []) }

@Test("a secret that looks like host and port is none")
func secret() {
    #expect(hosts("ada:1234", isSecret: true) == [])
    #expect(hosts("redis://:1234@cache", isSecret: true) == ["cache:6379"])
}

@Test("host and port of their own belong together; a port that is not given is the usual one")
func pairs() throws {
    #expect(try plan(#"{"redis": {"host": "cache", "port": 6380}}"#).configuredHosts == ["cache:6380"])
    #expect(try plan(#"{"redis": {"host": "cache"}}"#).configuredHosts == ["cache:6379"])
    #expect(try plan(#"{"time": {}}"#).configuredHosts == [])
}

@Test("words and variables of a caller's own server count too")
func custom() throws {
    let mcp =
        #"{"own": {"command": ["x", "--url=redis://a", "https://b/"], "env": {"DB": "mysql://u:p@c/d", "API_KEY": "k:1"}}}"#
    #expect(try plan(mcp).configuredHosts == ["a:6379", "b:443", "c:3306"])
}

@Test("never more hosts than there is room for")
func boundedHosts() {
    let many = (0..<200).map { "h\($0):1" }.joined(separator: ",")
    #expect(hosts(many).count == CatalogLimits.hostsMax)
}
