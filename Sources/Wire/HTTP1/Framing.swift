/// How long the body of a request is. `decide` is the only place in the gateway that answers this question
/// (RFC 9112 §6.3); whatever two readers could answer differently is refused.
public enum Framing: Sendable, Equatable {
    /// No `Content-Length` and no `Transfer-Encoding`: no body.
    case none
    case length(Int)
    case chunked

    /// True when body bytes follow the head.
    public var hasBody: Bool {
        switch self {
        case .none, .length(0): false
        case .length, .chunked: true
        }
    }

    static func decide(_ head: inout RequestHead, _ bytes: UnsafeRawBufferPointer) throws(Refusal) -> Framing
    {
        let coding = head[.transferEncoding]
        let length = head[.contentLength]
        guard coding == nil || length == nil else {
            throw .bad("both Content-Length and Transfer-Encoding")
        }
        if let coding {
            guard !head.isHTTP10 else { throw .bad("Transfer-Encoding in an HTTP/1.0 request") }
            guard !head.isDuplicated(.transferEncoding) else { throw .bad("Transfer-Encoding twice") }
            guard !coding.isEmpty else { throw .bad("empty Transfer-Encoding") }
            guard ASCII.matches(coding.of(bytes), "chunked") else {
                throw Refusal(501, "the only transfer coding is chunked")
            }
            return .chunked
        }
        guard let length else { return .none }
        guard !head.isDuplicated(.contentLength) else { throw .bad("Content-Length twice") }
        return .length(try decimal(length.of(bytes)))
    }

    /// `1*DIGIT` and nothing else: no sign, no blank, no list, no underscore.
    private static func decimal(_ digits: UnsafeRawBufferPointer) throws(Refusal) -> Int {
        guard !digits.isEmpty else { throw .bad("empty Content-Length") }
        var value = 0
        // Eighteen digits cannot overflow; nobody sends more.
        if digits.count <= 18 {
            for digit in digits {
                guard ASCII.isDigit(digit) else { throw .bad("Content-Length is not a number") }
                value = value &* 10 &+ Int(digit &- 0x30)
            }
            return value
        }
        for digit in digits where !ASCII.isDigit(digit) { throw .bad("Content-Length is not a number") }
        for digit in digits {
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = scaled.addingReportingOverflow(Int(digit - 0x30))
            guard !overflow, !carry else { throw Refusal(413, "Content-Length is too large") }
            value = sum
        }
        return value
    }
}
