import Testing
import Wire

@testable import CLI

@Suite struct ClientTests {
    private func answer(_ text: String) throws -> HTTPAnswer { try HTTPAnswer(Array(text.utf8)[...]) }

    @Test("answers of each framing are read whole") func framings() throws {
        let length = try answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Next-Token:  t\r\n\r\n{}")
        #expect(
            length.status == 200 && length.json == .object(JSONObject())
                && length.field("x-next-token") == "t")
        let chunked = try answer(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n")
        #expect(chunked.json == [])
        #expect(try answer("HTTP/1.0 200 OK\r\n\r\nrest").body == Array("rest".utf8))
        #expect(try answer("HTTP/1.1 204 No Content\r\n\r\n").body.isEmpty)
        #expect(
            try answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
                .status == 201)
    }

    @Test(
        "half an answer and what is no answer are refused",
        arguments: [
            "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "HTTP/1.1 x\r\n\r\n",
        ])
    func refused(_ text: String) {
        #expect(throws: HTTPAnswer.Malformed.self) { try answer(text) }
    }

    @Test(
        "a gateway's address is read from its URL",
        arguments: [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, false),
            ("http://example.com", "example.com", 80, false),
            ("https://example.com/", "example.com", 443, true), ("http://[::1]:9", "::1", 9, false),
            ("https://[::1]", "::1", 443, true),
        ])
    func endpoint(_ url: String, _ host: String, _ port: Int, _ isTLS: Bool) throws {
        let endpoint = try Endpoint(url)
        #expect(endpoint.host == host && endpoint.port == port && endpoint.isTLS == isTLS)
    }

    @Test(
        "other URLs are refused",
        arguments: [
            "", "127.0.0.1:8080", "ftp://x", "http://", "http://x/path", "http://u@x", "http://x:0",
            "http://x:y",
        ])
    func wrongURL(_ url: String) {
        #expect(throws: CommandFailure.self) { try Endpoint(url) }
    }

    @Test("text of others cannot steer the terminal") func printable() {
        #expect(
            Output.printable("a\u{1B}[2Jb\u{9B}c\td\ne\u{202E}") == "a\u{FFFD}[2Jb\u{FFFD}c\td\ne\u{FFFD}")
        #expect(Output.line("a\nb\r\nc\td") == "a b c d")
    }

    @Test("columns are as wide as their cells, and the last is cut on a terminal") func table() {
        var table = Table("A", "LONG", "TEXT")
        table.add("first", "x", "twelve words")
        #expect(table.lines(columns: nil) == ["A      LONG  TEXT", "first  x     twelve words"])
        #expect(table.lines(columns: 23)[1] == "first  x     twelve wo…")
    }

    @Test("each kind of content of a result is told") func result() throws {
        let result = try JSONValue.parse(
            #"{"content": [{"type": "text", "text": "a"}, {"type": "image", "mimeType": "image/png", "data": "AAAA"}]}"#
        )
        #expect(ToolResultText.lines(result) == ["a", "[image image/png, 3 bytes; --json has it]"])
    }
}
