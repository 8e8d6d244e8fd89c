import Testing
import Wire

@Suite struct FramingTests {
    private static func post(_ fields: String) -> String { "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n" }

    static let refused: [Verdict] = [
        .init("CL and TE", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")),
        .init("TE and CL", post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")),
        .init("two lengths", post("Content-Length: 3\r\nContent-Length: 4\r\n")),
        .init("the same length twice", post("Content-Length: 3\r\nContent-Length: 3\r\n")),
        .init("length list", post("Content-Length: 3, 3\r\n")),
        .init("length with sign", post("Content-Length: +3\r\n")),
        .init("negative length", post("Content-Length: -3\r\n")),
        .init("hexadecimal length", post("Content-Length: 0x3\r\n")),
        .init("length with underscore", post("Content-Length: 1_0\r\n")),
        .init("length with blank inside", post("Content-Length: 1 0\r\n")),
        .init("length with fraction", post("Content-Length: 3.0\r\n")),
        .init("length in other digits", post("Content-Length: ٣\r\n")),
        .init("empty length", post("Content-Length:\r\n")),
        .init("length of 2^63", post("Content-Length: 9223372036854775808\r\n"), 413),
        .init("length of 2^64 + 3", post("Content-Length: 18446744073709551619\r\n"), 413),
        .init("TE twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        .init(
            "TE chunked then identity", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")),
        .init("TE empty", post("Transfer-Encoding:\r\n")),
        .init("TE identity", post("Transfer-Encoding: identity\r\n"), 501),
        .init("TE gzip", post("Transfer-Encoding: gzip\r\n"), 501),
        .init("TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"), 501),
        .init("TE chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n"), 501),
        .init("TE with parameter", post("Transfer-Encoding: chunked;a=b\r\n"), 501),
        .init("TE quoted", post("Transfer-Encoding: \"chunked\"\r\n"), 501),
        .init("TE xchunked", post("Transfer-Encoding: xchunked\r\n"), 501),
        .init("TE with vertical tab", post("Transfer-Encoding: \u{B}chunked\r\n")),
        .init("TE with space before colon", post("Transfer-Encoding : chunked\r\n")),
        .init("TE folded", post("Transfer-Encoding:\r\n chunked\r\n")),
        .init("TE in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ]

    @Test("an ambiguous body length is refused", arguments: refused)
    func refuses(_ vector: Verdict) {
        #expect(withBytes(vector.bytes, verdict) == vector.status)
    }

    static let decided: [(String, Framing)] = [
        (post(""), .none), (post("Content-Length: 0\r\n"), .length(0)),
        (post("Content-Length: 17\r\n"), .length(17)),
        (post("content-LENGTH:\t0017 \r\n"), .length(17)),
        (post("Content-Length: 9223372036854775807\r\n"), .length(.max)),
        (post("Transfer-Encoding: Chunked\r\n"), .chunked),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", .length(2)),
    ]

    @Test("one function decides the body's length", arguments: decided)
    func decides(_ head: String, _ framing: Framing) throws {
        let framing = try withBytes(head) { try parsed($0).framing }
        #expect(framing == framing)
    }
}
