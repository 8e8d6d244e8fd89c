import System
import Testing

@testable import Wire

/// What a reader made of a response.
private struct Reading {
    var status = 0
    var fields: [ResponseField: String] = [:]
    var framing = ResponseFraming.none
    var body = ""
    var isDone = false
    var keepAlive = false
    var fault: String?
}

/// Reads `text` in pieces of `step` bytes; `closes`: the server closes after it.
private func read(_ text: String, step: Int = .max, closes: Bool = false) -> Reading {
    var reader = ResponseReader()
    var reading = Reading()
    func take(_ event: ResponseReader.Event) {
        switch event {
        case .head(let head, let bytes):
            reading.status = head.status
            reading.framing = head.framing
            for field in ResponseField.allCases {
                reading.fields[field] = head[field].map { String(decoding: $0.of(bytes), as: UTF8.self) }
            }
        case .body(let bytes): reading.body += String(decoding: bytes, as: UTF8.self)
        case .end: reading.isDone = true
        }
    }
    let bytes = Array(text.utf8)
    var fault: ResponseFault?
    var at = 0
    while at < bytes.count, fault == nil {
        let piece = Array(bytes[at..<(at + min(step, bytes.count - at))])
        fault = piece.withUnsafeBytes { raw -> ResponseFault? in
            do throws(ResponseFault) { try reader.read(raw, take) } catch { return error }
            return nil
        }
        at += piece.count
    }
    if closes, fault == nil {
        do throws(ResponseFault) { try reader.closed(take) } catch { fault = error }
    }
    reading.fault = fault?.reason
    reading.keepAlive = reader.keepAlive
    return reading
}

private let event = "data: {}\n\n"

@Test("a response is read alike however its bytes arrive", arguments: [1, 2, 3, 7, Int.max])
func responsePieces(_ step: Int) {
    let fixed = read(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", step: step)
    #expect(fixed.status == 200)
    #expect(fixed.fields[.contentType] == "application/json")
    #expect(fixed.body == "{}")
    #expect(fixed.isDone && fixed.keepAlive && fixed.fault == nil)

    let chunked = read(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n\(event)\r\n0\r\n\r\n", step: step)
    #expect(chunked.framing == .chunked)
    #expect(chunked.body == event)
    #expect(chunked.isDone && chunked.keepAlive)

    let closing = read("HTTP/1.0 200 OK\r\n\r\nabc", step: step, closes: true)
    #expect(closing.framing == .untilClose)
    #expect(closing.body == "abc")
    #expect(closing.isDone && !closing.keepAlive && closing.fault == nil)
}

@Test("informational responses are passed over, but not without end")
func responseInterim() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    let answer = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    let reading = read(early + "HTTP/1.1 100 Continue\r\n\r\n" + answer, step: 5)
    #expect(reading.status == 202)
    #expect(reading.isDone)
    #expect(read(String(repeating: early, count: 8) + answer).fault == nil)
    #expect(read(String(repeating: early, count: 9) + answer).fault != nil)
    #expect(read("HTTP/1.1 101 Switching Protocols\r\n\r\n").fault != nil)
}

@Test(
    "answers without a body have none, whatever their fields say",
    arguments: ["204 No Content", "304 Not Modified"])
func responseBodiless(_ status: String) {
    let reading = read("HTTP/1.1 \(status)\r\nContent-Length: 5\r\n\r\n")
    #expect(reading.framing == .none)
    #expect(reading.isDone && reading.fault == nil)
}

@Test(
    "what two readers could read differently is refused",
    arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 O\u{1}K\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n....", "HTTP/1.1 099 Odd\r\n\r\n", "HTTP/1.1 600 Odd\r\n\r\n",
        "HTTP/1.1 2000 Odd\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n", "SSH-2.0-OpenSSH_9.6\r\n", "<html>", "HTTP/1.1 200 OK\r\nA: \u{0}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}x",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ])
func responseRefused(_ text: String) {
    let reading = read(text)
    #expect(reading.fault != nil)
    #expect(!reading.keepAlive)
}

@Test("a status without a reason is one")
func responseNoReason() {
    #expect(read("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").status == 200)
    #expect(read("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").status == 200)
}

@Test("heads are bounded in bytes and lines")
func responseHeadBounds() {
    let long = "HTTP/1.1 200 OK\r\nA: " + String(repeating: "a", count: WireLimits.headBytesMax)
    #expect(read(long, step: 1000).fault == "response head is too large")
    let many =
        "HTTP/1.1 200 OK\r\n" + String(repeating: "A: b\r\n", count: WireLimits.fieldLinesMax + 1) + "\r\n"
    #expect(read(many).fault == "too many field lines")
}

@Test("an answer that is cut off is no answer")
func responseCutOff() {
    #expect(read("", closes: true).fault == "the server closed the connection without an answer")
    #expect(read("HTTP/1.1 200 OK\r\n", closes: true).fault == "the answer is cut off")
    #expect(
        read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", closes: true).fault == "the answer is cut off")
    #expect(
        read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", closes: true).fault
            == "the answer is cut off")
}

@Test(
    "whether a connection can be used again follows from version and Connection",
    arguments: [
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
    ])
func responseKeepAlive(_ text: String, _ keeps: Bool) { #expect(read(text).keepAlive == keeps) }

@Test("a request head is one request, whatever its target and host were")
func requestHead() {
    var out = ByteQueue()
    RequestWriter.head(
        method: "POST", target: "/mcp?a=1\r\nX: y", host: "h:1", bodyCount: 2, into: &out
    ) { ResponseWriter.field("Accept", "application/json", into: &$0) }
    #expect(
        String(decoding: out.bytes, as: UTF8.self)
            == "POST /mcp?a=1X:y HTTP/1.1\r\nHost: h:1\r\nContent-Length: 2\r\nAccept: application/json\r\n\r\n"
    )
}
