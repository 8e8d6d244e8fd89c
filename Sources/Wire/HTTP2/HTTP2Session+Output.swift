import CEpollShim
import System

extension HTTP2Session {
    /// Appends to `outbox` what may be sent, until `limit` bytes wait there. True when more is left: call
    /// again when the outbox has drained.
    @discardableResult
    public func collectOutput(into outbox: inout Outbox, limit: Int = HTTP2Limits.outputBytes) -> Bool {
        guard let native else { return false }
        withUnsafeMutablePointer(to: &outbox) { pointer in
            sink = pointer
            sinkLimit = limit
            drainFrames(native, pointer)
            if doom != nil {
                settle()
                drainFrames(native, pointer)
            }
            sink = nil
        }
        return ce_http2_wants_to_send(native) != 0
    }

    private func drainFrames(_ native: OpaquePointer, _ outbox: UnsafeMutablePointer<Outbox>) {
        while outbox.pointee.count < sinkLimit {
            var bytes: UnsafePointer<UInt8>?
            let count = ce_http2_next(native, &bytes)
            guard count > 0, let bytes else {
                if count < 0, doom == nil { doom = .internalError }
                return
            }
            outbox.pointee.append(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
        }
    }

    /// How much of a stream's body may go into the DATA frame that nghttp2 prepares.
    func body(_ id: UInt32, room: Int, _ state: inout Int32) -> Int {
        guard let stream = stream(id) else {
            state = Int32(CE_HTTP2_BODY_ENDS)
            return 0
        }
        let pending = stream.output.count
        let count = min(room, pending)
        if count == pending {
            if stream.outputEnds {
                state = endOfBody(stream)
            } else if count == 0 {
                stream.isWaiting = true
                state = Int32(CE_HTTP2_BODY_WAITS)
                return 0
            }
        }
        // A frame that the peer's window made tiny accounts for no WINDOW_UPDATE.
        if count == pending || count >= HTTP2Limits.worthyDataBytes { glitches.sentData() }
        return count
    }

    private func endOfBody(_ stream: HTTP2Stream) -> Int32 {
        guard let native, !stream.trailers.isEmpty else {
            lingerIfNeeded(stream)
            return Int32(CE_HTTP2_BODY_ENDS)
        }
        block.lines.append(stream.trailers)
        stream.trailers = []
        let error = block.submit(status: nil) { ce_http2_trailers(native, stream.id, $0, $1) }
        lingerIfNeeded(stream)
        return Int32(error == 0 ? CE_HTTP2_BODY_ENDS_BEFORE_TRAILERS : CE_HTTP2_BODY_ENDS)
    }

    /// True when the outbox has enough.
    func sendBody(_ id: UInt32, header: UnsafeRawBufferPointer, count: Int) -> Bool {
        guard let sink else { return true }
        sink.pointee.append(header)
        guard let stream = stream(id), count > 0 else { return false }
        stream.output.move(count, to: &sink.pointee)
        stream.progress += count
        if stream.progress >= HTTP2Limits.progressBytes || stream.output.isEmpty {
            stream.progress = 0
            stream.stalledSince = now
        }
        if stream.isCongested, stream.output.count <= HTTP2Limits.congestedStreamBytes / 2 {
            stream.isCongested = false
            if stream.phase == .answering { events.append(.writable(id)) }
        }
        return sink.pointee.count >= sinkLimit
    }

    /// A frame was handed out.
    func sent(_ type: UInt8, _ id: UInt32, _ code: HTTP2ErrorCode) {
        guard type == FrameCursor.FrameType.reset else { return }
        stream(id)?.wasResetByUs = true
        // An answer that came before its request had ended: nobody's fault.
        if code != .noError { note(.reset) }
    }

    // MARK: Time

    /// Once a second: deadlines. Events and output may follow.
    public func tick(_ now: Instant) {
        self.now = now
        guard life != .failed else { return }
        if isOverdue { return fail(hasSettings ? .enhanceYourCalm : .settingsTimeout) }
        for case let stream? in slots { tick(stream) }
        switch life {
        case .open: if isIdle { drain() }
        case .announced(let at):
            if now.milliseconds(since: at) >= HTTP2Limits.drainMilliseconds { refuseStreams() }
        case .draining, .failed: break
        }
    }

    /// The first SETTINGS or the rest of a field section is late.
    private var isOverdue: Bool {
        !hasSettings && now > settingsDeadline || cursor.isInFieldSection && now > fieldDeadline
    }

    private var isIdle: Bool {
        chargedStreams == 0 && now.milliseconds(since: idleSince) >= idleMilliseconds
    }

    private func tick(_ stream: HTTP2Stream) {
        if let deadline = stream.deadline, now > deadline {
            if stream.phase == .ended { return reset(stream, .noError) }
            return refuse(stream, Refusal(408, "The request body did not arrive in time."))
        }
        let isSending = stream.outputEnds || !stream.output.isEmpty
        guard isSending, now.milliseconds(since: stream.stalledSince) > HTTP2Limits.stalledSeconds * 1000
        else { return }
        if stream.phase == .answering { events.append(.reset(stream.id, .cancel)) }
        reset(stream, .cancel)
    }
}
