import CEpollShim

/// nghttp2's way back into the session. The session outlives every call: it is on the stack of whoever called
/// `receive` or `collectOutput`.
enum HTTP2Callbacks {
    /// One table for all sessions, never freed and never changed.
    nonisolated(unsafe) static let table: UnsafePointer<ce_http2_callbacks> = {
        let table = UnsafeMutablePointer<ce_http2_callbacks>.allocate(capacity: 1)
        table.initialize(to: make())
        return UnsafePointer(table)
    }()

    private static func make() -> ce_http2_callbacks {
        var table = ce_http2_callbacks()
        table.fields_begin = { owner, stream, isTrailer in
            guard let session = session(owner) else { return Int32(CE_HTTP2_DROP) }
            let isServed = session.fieldsBegin(stream, isTrailer: isTrailer != 0)
            return Int32(isServed ? CE_HTTP2_GO_ON : CE_HTTP2_DROP)
        }
        table.field = { owner, _, name, nameCount, value, valueCount in
            guard let session = session(owner) else { return Int32(CE_HTTP2_DROP) }
            let goesOn = session.received(
                UnsafeRawBufferPointer(start: name, count: nameCount),
                UnsafeRawBufferPointer(start: value, count: valueCount))
            return Int32(goesOn ? CE_HTTP2_GO_ON : CE_HTTP2_DROP)
        }
        table.frame = { owner, stream, type, flags in session(owner)?.received(type, flags: flags, stream) }
        table.data = { owner, stream, bytes, count in
            session(owner)?.received(UnsafeRawBufferPointer(start: bytes, count: count), stream)
        }
        table.invalid = { owner, stream, type in session(owner)?.receivedInvalid(type, stream) }
        table.closed = { owner, stream, code in session(owner)?.closed(stream, HTTP2ErrorCode(rawValue: code))
        }
        table.sent = { owner, stream, type, code in
            session(owner)?.sent(type, stream, HTTP2ErrorCode(rawValue: code))
        }
        table.body = { owner, stream, room, state in
            guard let state else { return 0 }
            return session(owner)?.body(stream, room: room, &state.pointee) ?? 0
        }
        table.send_body = { owner, stream, header, count in
            let bytes = UnsafeRawBufferPointer(start: header, count: Int(CE_HTTP2_FRAME_HEADER_BYTES))
            let isFull = session(owner)?.sendBody(stream, header: bytes, count: count) ?? true
            return Int32(isFull ? CE_HTTP2_PAUSE : CE_HTTP2_GO_ON)
        }
        return table
    }
}

private func session(_ owner: UnsafeMutableRawPointer?) -> HTTP2Session? {
    owner.map { Unmanaged<HTTP2Session>.fromOpaque($0).takeUnretainedValue() }
}
