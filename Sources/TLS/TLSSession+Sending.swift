import CEpollShim
import Glibc
import System

extension TLSSession {
    /// Encrypts all of `plain` into `cipher`: best once per turn, since small pieces then share a record.
    /// Before the end of the handshake nothing is taken, and after `close` or a failure nothing any more.
    public func send(draining plain: inout Outbox, into cipher: inout Outbox, now: Instant) {
        while !plain.isEmpty {
            let size = recordSize.next(now)
            let taken = plain.withIOVecs { pieces, count in
                Int64(record(UnsafeBufferPointer(start: pieces, count: Int(count)), size, into: &cipher))
            }
            guard taken > 0 else { return }
            plain.sent(Int(taken))
        }
    }

    /// Encrypts `bytes`. Returns how many were taken: all, or none in the cases of the other form.
    @discardableResult
    public func send(_ bytes: UnsafeRawBufferPointer, into cipher: inout Outbox, now: Instant) -> Int {
        var taken = 0
        while taken < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[taken...])
            let step = write(rest.prefix(recordSize.next(now)), into: &cipher)
            guard step > 0 else { break }
            taken += step
        }
        return taken
    }

    /// Ends our direction with a close_notify. The peer's bytes still arrive.
    public func close(into outbox: inout Outbox) {
        withUnsafeMutablePointer(to: &outbox) { ce_tls_shutdown(raw, $0) }
    }

    /// One record of at most `size` bytes from the front of `pieces`. Returns the bytes taken.
    private func record(_ pieces: UnsafeBufferPointer<iovec>, _ size: Int, into cipher: inout Outbox) -> Int {
        guard let first = pieces.first else { return 0 }
        if pieces.count == 1 || first.iov_len >= min(size, TLSLimits.gatherBytesMax) {
            let bytes = UnsafeRawBufferPointer(start: first.iov_base, count: min(first.iov_len, size))
            return write(bytes[...], into: &cipher)
        }
        var count = 0
        for piece in pieces where count < size {
            guard let base = piece.iov_base else { continue }
            let part = min(piece.iov_len, size - count)
            memcpy(scratch.record + count, base, part)
            count += part
        }
        return write(UnsafeRawBufferPointer(start: scratch.record, count: count)[...], into: &cipher)
    }

    private func write(_ bytes: Slice<UnsafeRawBufferPointer>, into cipher: inout Outbox) -> Int {
        let bytes = UnsafeRawBufferPointer(rebasing: bytes)
        guard bytes.count > 0 else { return 0 }
        if records >= TLSLimits.recordsPerKey {
            // TLS 1.2 has no way to do so and goes on.
            _ = ce_tls_update_keys(raw, 0)
            records = 0
        }
        let put = withUnsafeMutablePointer(to: &cipher) {
            ce_tls_write(raw, bytes.baseAddress, bytes.count, $0)
        }
        guard put > 0 else { return 0 }
        records += 1
        return Int(put)
    }
}
