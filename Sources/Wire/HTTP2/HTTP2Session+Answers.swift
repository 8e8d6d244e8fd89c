import CEpollShim
import System

extension HTTP2Session {
    /// Submits the head of an answer. False when the stream is gone; an orphan is then at rest.
    ///
    /// With `.chunked` or `.close` the body's length stays open, as `write` and `end` decide; with a `.length`
    /// above 0 the caller writes just as many bytes and ends it.
    /// - Parameters:
    ///   - date: an IMF-fixdate.
    ///   - extra: writes further lines, each with its CRLF, as for HTTP/1.1; those of the connection are left
    ///     out.
    @discardableResult
    public func begin(
        _ id: UInt32, status: Int, contentType: StaticString?, framing: ResponseWriter.BodyFraming,
        date: UnsafeRawBufferPointer, extra: (inout ByteQueue) -> Void = { _ in }
    ) -> Bool {
        guard let native, let stream = stream(id), stream.phase == .working || stream.phase == .refused else {
            release(id)
            return false
        }
        writeLines(contentType, framing, date)
        extra(&block.lines)
        let hasBody = carriesBody(stream, status, framing)
        let then = hasBody ? CE_HTTP2_THEN_BODY : CE_HTTP2_THEN_END
        let error = block.submit(status: status) { fields, count in
            ce_http2_respond(native, id, fields, count, Int32(then))
        }
        guard error == 0 else {
            reset(stream, .internalError)
            return false
        }
        stream.phase = hasBody ? .answering : .ended
        stream.stalledSince = now
        if !hasBody { lingerIfNeeded(stream) }
        return true
    }

    private func writeLines(
        _ contentType: StaticString?, _ framing: ResponseWriter.BodyFraming, _ date: UnsafeRawBufferPointer
    ) {
        block.lines.append("date: ")
        block.lines.append(date)
        if let contentType {
            block.lines.append("\r\ncontent-type: ")
            block.lines.append(contentType)
        }
        if case .length(let count) = framing {
            block.lines.append("\r\ncontent-length: ")
            block.lines.append(decimal: count)
        }
        block.lines.append("\r\n")
    }

    /// RFC 9110 §6.4.1: none follows HEAD, 204 and 304.
    private func carriesBody(
        _ stream: HTTP2Stream, _ status: Int, _ framing: ResponseWriter.BodyFraming
    ) -> Bool {
        if stream.head.method == .head || status == 204 || status == 304 { return false }
        return framing != .none && framing != .length(0)
    }

    /// The answer has ended before its request. RFC 9113 §8.1 lets us reset the stream at once, but curl 7.88
    /// then loses the answer and httpx waits for its window for ever: the rest is read and dropped for a while.
    func lingerIfNeeded(_ stream: HTTP2Stream) {
        guard !stream.requestEnded else { return }
        stream.deadline = now.advanced(milliseconds: HTTP2Limits.lingerSeconds * 1000)
    }

    /// `100 (Continue)`: the body is awaited.
    func sendContinue(_ stream: HTTP2Stream) {
        guard let native else { return }
        _ = block.submit(status: 100) { fields, count in
            ce_http2_respond(native, stream.id, fields, count, Int32(CE_HTTP2_THEN_HEAD))
        }
    }

    /// Appends to the body of an answer that was begun. False when the stream is gone or its body has ended.
    @discardableResult
    public func write(_ id: UInt32, _ body: (inout Outbox) -> Void) -> Bool {
        guard let stream = stream(id), stream.phase == .answering else { return false }
        let before = stream.output.count
        body(&stream.output)
        if before == 0 {
            stream.stalledSince = now
            stream.progress = 0
        }
        if stream.output.count >= HTTP2Limits.congestedStreamBytes { stream.isCongested = true }
        if stream.output.count > before { resume(stream) }
        return true
    }

    /// Bytes that wait on a stream: 0 when it is gone.
    public func pendingBytes(_ id: UInt32) -> Int { stream(id)?.output.count ?? 0 }

    /// True from the moment that `congestedStreamBytes` wait on a stream until `.writable` is reported.
    public func isCongested(_ id: UInt32) -> Bool { stream(id)?.isCongested ?? false }

    /// The body of an answer is complete; `trailers` are lines, each with its CRLF.
    public func end(_ id: UInt32, trailers: [UInt8] = []) {
        guard let stream = stream(id), stream.phase == .answering else { return }
        stream.phase = .ended
        stream.outputEnds = true
        stream.trailers = trailers
        if stream.output.isEmpty { stream.stalledSince = now }
        resume(stream)
    }

    /// Ends a stream at once; what waits on it is dropped, and nothing is reported.
    public func reset(_ id: UInt32, _ code: HTTP2ErrorCode) {
        release(id)
        guard let stream = stream(id) else { return }
        reset(stream, code)
    }

    private func resume(_ stream: HTTP2Stream) {
        guard let native, stream.isWaiting else { return }
        stream.isWaiting = false
        _ = ce_http2_resume(native, stream.id)
    }
}
