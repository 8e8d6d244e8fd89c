import CEpollShim
import Glibc
import System

extension HTTP2Session {
    /// Takes bytes from the peer, its preface included. What they lead to comes by `nextEvent`; what is wrong
    /// with them is answered by `collectOutput`.
    public func receive(_ bytes: UnsafeRawBufferPointer, now: Instant) {
        self.now = now
        var at = 0
        var start = 0
        var fed = 0
        while at < bytes.count, life != .failed {
            let frame = cursor.next(bytes, at: &at, start: &start)
            // What is before this frame is acted on first: the frame is judged by what is so then.
            feed(bytes, from: fed, to: start)
            fed = start
            guard let frame, life != .failed else { continue }
            judge(frame)
            settle()
        }
        if life != .failed { feed(bytes, from: fed, to: bytes.count) }
    }

    private func feed(_ bytes: UnsafeRawBufferPointer, from: Int, to: Int) {
        guard to > from, let native, let base = bytes.baseAddress else { return }
        switch ce_http2_receive(native, base + from, to - from) {
        case 0: break
        case -ENOBUFS: doom = .enhanceYourCalm
        case -ENOMEM: doom = .internalError
        default: doom = .protocolError
        }
        if ce_http2_queued(native) > HTTP2Limits.queuedFramesMax { doom = .enhanceYourCalm }
        settle()
    }

    // MARK: Judging

    private func judge(_ frame: FrameCursor.Frame) {
        switch frame.type {
        case FrameCursor.FrameType.data:
            if frame.length == 0, !frame.endsStream { note(.slip) }
            if frame.stream <= lastStream { judgeLate(frame) }
        case FrameCursor.FrameType.headers:
            continuations = 0
            fieldBlockBytes = 0
            fieldDeadline = now.advanced(milliseconds: HTTP2Limits.headSeconds * 1000)
            judgeFieldBlock(frame)
            if frame.stream <= lastStream {
                judgeLate(frame)
            } else {
                lastStream = frame.stream
            }
        case FrameCursor.FrameType.continuation:
            continuations += 1
            judgeFieldBlock(frame)
        case FrameCursor.FrameType.priority:
            // nghttp2 does not look at what it does not use (RFC 9113 §6.3, RFC 7540 §5.3.1).
            if frame.stream == 0 || frame.dependency == frame.stream { doom = .protocolError }
            note(.control)
        case FrameCursor.FrameType.reset: note(.reset)
        case FrameCursor.FrameType.windowUpdate: obey(glitches.windowUpdate(at: now))
        default: note(.control)
        }
    }

    private func judgeFieldBlock(_ frame: FrameCursor.Frame) {
        fieldBlockBytes += frame.length
        if continuations > HTTP2Limits.continuationsMax || fieldBlockBytes > HTTP2Limits.fieldBlockBytesMax {
            doom = .enhanceYourCalm
        }
    }

    /// DATA or HEADERS of a stream that is not new. nghttp2 judges open streams and ignores all others.
    private func judgeLate(_ frame: FrameCursor.Frame) {
        guard frame.stream != 0, frame.stream & 1 == 1, stream(frame.stream) == nil else { return }
        switch closedStreams.ending(of: frame.stream) {
        case .resetByUs: note(.control)
        case .forGood: doom = .streamClosed
        // RFC 9113 §5.1.1: ids never go back. For DATA it may be a stream that was reset long ago.
        case nil:
            note(.control)
            if frame.type == FrameCursor.FrameType.headers { doom = .protocolError }
        }
    }

    // MARK: Heads

    /// False when the stream is not served; its reset is submitted then.
    func fieldsBegin(_ id: UInt32, isTrailer: Bool) -> Bool {
        assembly.begin(isTrailer: isTrailer)
        if isTrailer { return true }
        guard chargedStreams < HTTP2Limits.streamsMax else {
            closedStreams.insert(id, .resetByUs)
            if let native { _ = ce_http2_reset(native, id, HTTP2ErrorCode.refusedStream.rawValue) }
            return false
        }
        insert(HTTP2Stream(id: id, pool: pool))
        return true
    }

    /// One field; false when the rest of its section is not to be looked at. To check them is the dear part of an
    /// HPACK bomb, in which each byte is a field of kilobytes.
    func received(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        assembly.add(name, value)
        guard assembly.isHostile else { return true }
        doom = .enhanceYourCalm
        return false
    }

    /// A whole frame that nghttp2 found valid.
    func received(_ type: UInt8, flags: UInt8, _ id: UInt32) {
        switch type {
        case FrameCursor.FrameType.headers: fieldsEnd(id, endsStream: flags & 0x1 != 0)
        case FrameCursor.FrameType.data: if flags & 0x1 != 0, let stream = stream(id) { requestEnds(stream) }
        case FrameCursor.FrameType.settings: hasSettings = true
        default: return
        }
    }

    private func fieldsEnd(_ id: UInt32, endsStream: Bool) {
        guard let stream = stream(id) else { return }
        if stream.phase == .fields {
            headEnds(stream, endsStream: endsStream)
        } else if assembly.isTooLarge {
            return reset(stream, .enhanceYourCalm)
        }
        if endsStream { requestEnds(stream) }
    }

    private func headEnds(_ stream: HTTP2Stream, endsStream: Bool) {
        do {
            stream.head = try assembly.finish(endsStream: endsStream)
        } catch {
            switch error {
            case .malformed:
                note(.slip)
                return reset(stream, .protocolError)
            case .refused(let refusal): return refuse(stream, refusal)
            }
        }
        stream.phase = .body
        stream.request.append(assembly.bytes)
        guard !endsStream else { return }
        var expected = bodyBytesMax
        if case .length(let count) = stream.head.framing {
            guard count <= bodyBytesMax else { return refuse(stream, bodyTooLong) }
            expected = count
            if count > HTTP2Limits.streamWindowBytes { askForRoom(stream, count) }
        }
        if stream.grantedBytes > 0 || stream.askedBytes == 0 { stream.deadline = bodyDeadline(expected) }
        // RFC 9110 §10.1.1: only now is the head accepted.
        if stream.head.expectsContinue { sendContinue(stream) }
    }

    private func bodyDeadline(_ count: Int) -> Instant {
        let seconds = HTTP2Limits.bodySecondsBase + count / HTTP2Limits.bodyBytesPerSecond
        return now.advanced(milliseconds: seconds * 1000)
    }

    private var bodyTooLong: Refusal {
        Refusal(413, "The request body is longer than \(bodyBytesMax) bytes.")
    }

    // MARK: Bodies

    func received(_ bytes: UnsafeRawBufferPointer, _ id: UInt32) {
        guard let native else { return }
        _ = ce_http2_consume_connection(native, bytes.count)
        guard let stream = stream(id) else { return }
        stream.bodyCount += bytes.count
        guard stream.phase == .body else { return drop(bytes.count, of: stream) }
        guard stream.bodyCount <= bodyBytesMax else { return refuse(stream, bodyTooLong) }
        stream.request.append(bytes)
        stream.unconsumed += bytes.count
        if stream.askedBytes == 0, stream.bodyCount > HTTP2Limits.unannouncedBodyBytes, needsRoom(stream) {
            askForRoom(stream, bodyBytesMax)
        }
        if stream.grantedBytes > 0 { openWindow(stream) }
    }

    /// The body of a request that was answered early.
    private func drop(_ count: Int, of stream: HTTP2Stream) {
        stream.unconsumed += count
        if stream.bodyCount <= bodyBytesMax + HTTP2Limits.droppedBodyBytes {
            openWindow(stream)
        } else if stream.phase == .ended, stream.output.isEmpty {
            reset(stream, .noError)
        }
    }

    /// The body may be longer than what one window lets through.
    private func needsRoom(_ stream: HTTP2Stream) -> Bool {
        guard case .length(let count) = stream.head.framing else { return true }
        return count > HTTP2Limits.streamWindowBytes
    }

    private func askForRoom(_ stream: HTTP2Stream, _ bytes: Int) {
        stream.askedBytes = max(bytes, 1)
        if room.reserve(stream.askedBytes, for: stream.id) {
            stream.grantedBytes = stream.askedBytes
        } else {
            // It is we who keep it waiting.
            stream.deadline = nil
        }
    }

    private func openWindow(_ stream: HTTP2Stream) {
        guard let native, stream.unconsumed > 0 else { return }
        _ = ce_http2_consume_stream(native, stream.id, stream.unconsumed)
        stream.unconsumed = 0
    }

    /// The body is complete or not wanted any more: whose turn it is next may go on.
    private func leaveRoom(_ stream: HTTP2Stream) {
        guard stream.askedBytes > 0 else { return }
        room.release(stream.grantedBytes, of: stream.id)
        stream.askedBytes = 0
        stream.grantedBytes = 0
        while let turn = room.next() {
            guard let waiting = self.stream(turn.stream) else {
                room.release(turn.bytes, of: turn.stream)
                continue
            }
            waiting.grantedBytes = turn.bytes
            waiting.deadline = bodyDeadline(turn.bytes)
            openWindow(waiting)
        }
    }

    private func requestEnds(_ stream: HTTP2Stream) {
        stream.requestEnded = true
        stream.deadline = nil
        guard stream.phase == .body else { return }
        stream.phase = .queued
        leaveRoom(stream)
        events.append(.request(stream.id))
    }

    /// Hands over the request that was reported; nil when it was reset meanwhile.
    public func take(_ id: UInt32) -> HTTP2Request? {
        guard let stream = stream(id), stream.phase == .queued else { return nil }
        stream.phase = .working
        return HTTP2Request(head: stream.head, bytes: stream.request.take())
    }

    // MARK: Refusals and ends

    func refuse(_ stream: HTTP2Stream, _ refusal: Refusal) {
        note(.slip)
        stream.phase = .refused
        stream.deadline = nil
        _ = stream.request.take()
        leaveRoom(stream)
        events.append(.refused(stream.id, refusal))
    }

    func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        stream.phase = .ended
        stream.deadline = nil
        stream.wasResetByUs = true
        stream.output.removeAll()
        leaveRoom(stream)
        if let native { _ = ce_http2_reset(native, stream.id, code.rawValue) }
    }

    /// nghttp2 has refused a frame.
    func receivedInvalid(_ type: UInt8, _ id: UInt32) { note(.slip) }

    func closed(_ id: UInt32, _ code: HTTP2ErrorCode) {
        guard let stream = stream(id) else { return }
        switch stream.phase {
        case .working:
            orphans.append(id)
            events.append(.reset(id, code))
        case .answering: events.append(.reset(id, code))
        default: break
        }
        stream.phase = .ended
        leaveRoom(stream)
        remove(stream)
        closedStreams.insert(id, stream.wasResetByUs ? .resetByUs : .forGood)
    }
}
