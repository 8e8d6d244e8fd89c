import CEpollShim
import Glibc
import System

extension Loop {
    // MARK: Attaching

    /// Watches `descriptor` for `source` and takes ownership of it. On an error it stays the caller's.
    public func attach(_ source: Source, descriptor: Int32, as kind: Kind) throws(Errno) {
        precondition(source.state == .detached, "a source that is attached already")
        let handle = slots.insert(source)
        do {
            try poller.add(handle, descriptor, kind.polled)
        } catch {
            slots.retire(handle)
            slots.remove(slot: handle.slot)
            throw error
        }
        source.handle = handle
        source.descriptor = descriptor
        source.state = .attached
        if !source.outbox.isEmpty { flushLater(source) }
    }

    /// Gives the descriptor away, still open and non-blocking, to be attached elsewhere. The source is
    /// detached at once, without a call of `detached()`; bytes in its outbox stay there.
    public func detach(_ source: Source) -> Int32 {
        precondition(source.state == .attached, "a source that is not attached")
        // The turn may be inside one of its methods, or about to flush it.
        atEndOfTurn(source)
        poller.remove(source.handle)
        slots.retire(source.handle)
        slots.remove(slot: source.handle.slot)
        if source.isDirty {
            dirty.removeAll { $0.toOpaque() == Unmanaged.passUnretained(source).toOpaque() }
            source.isDirty = false
        }
        let descriptor = source.descriptor
        source.reset()
        return descriptor
    }

    // MARK: Reading

    /// No `received` comes until `resumeReading`; a reset is still noticed.
    public func pauseReading(_ source: Source) {
        guard source.state == .attached, !source.isReadingPaused else { return }
        source.isReadingPaused = true
        _ = poller.pause(source.handle)
    }

    public func resumeReading(_ source: Source) {
        guard source.state == .attached, source.isReadingPaused else { return }
        source.isReadingPaused = false
        _ = poller.resume(source.handle)
    }

    // MARK: Connecting

    /// For a source whose descriptor has begun to connect: with `wantsDrained`, `drained()` comes once it has,
    /// though nothing was to be sent; `failed` when it cannot.
    public func awaitConnection(_ source: Source) {
        guard source.state == .attached else { return }
        source.isBlocked = true
        _ = poller.awaitConnection(source.handle)
    }

    // MARK: Writing

    /// Sends the outbox at the end of the turn, with one system call however often this is called.
    public func flushLater(_ source: Source) {
        guard !source.isDirty, source.state == .attached else { return }
        source.isDirty = true
        dirty.append(.passUnretained(source))
    }

    /// Sends the outbox at once, where nothing more will be appended in this turn. What cannot leave now, and
    /// all that may call the source back, is left to the end of the turn.
    public func flushNow(_ source: Source) {
        guard source.state == .attached, source.sendsFreely else { return flushLater(source) }
        let (sent, offered) = poller.send(source.handle, source.outbox)
        // After an error the next send fails too, and tells.
        guard sent >= 0 else { return flushLater(source) }
        source.outbox.sent(sent)
        if sent < offered { source.isBlocked = true }
        if !source.outbox.isEmpty { flushLater(source) }
    }

    /// Closes the source, with an orderly end for the peer, once the outbox is empty. Bytes that still arrive
    /// are dropped. A peer that takes nothing keeps it open: give it a deadline and call `close`.
    public func closeAfterFlush(_ source: Source) {
        source.closesWhenDrained = true
        resumeReading(source)
        flushLater(source)
    }

    /// Ends our direction, as with shutdown(2), once the outbox is empty; reading goes on.
    public func shutdownWriting(_ source: Source) {
        source.endsWhenDrained = true
        flushLater(source)
    }

    func flushDirty() {
        // The arrays change places so that neither is allocated anew; `batch` is a local one while callbacks
        // mark further sources.
        var batch: ContiguousArray<Unmanaged<Source>> = []
        swap(&batch, &flushed)
        swap(&batch, &dirty)
        for i in batch.indices {
            batch[i]._withUnsafeGuaranteedRef { source in
                source.isDirty = false
                if source.state == .attached { flush(source) }
            }
        }
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &flushed)
    }

    private func flush(_ source: Source) {
        if source.fillsBeforeFlush { source.willFlush() }
        if let filter = source.filter { return flush(source, through: filter) }
        if source.hasFailed {
            source.outbox.removeAll()
            return
        }
        if !source.isBlocked {
            let (sent, offered) = poller.send(source.handle, source.outbox)
            guard sent >= 0 else { return fail(source, Errno(Int32(clamping: sent), "writing to a peer")) }
            source.outbox.sent(sent)
            if sent < offered {
                source.isBlocked = true
            } else if !source.outbox.isEmpty {
                flushLater(source)  // More pieces than one call takes.
            }
        }
        if source.outbox.isEmpty {
            hasDrained(source)
        } else if source.outbox.count > source.outboxHardBytes {
            source.overflowed()
            if source.hasOverflowed { close(source) }
        }
    }

    /// The same for a source whose bytes change on their way.
    private func flush(_ source: Source, through filter: StreamFilter) {
        if source.hasFailed {
            source.outbox.removeAll()
            return filter.wire.removeAll()
        }
        filter.flush(&source.outbox, now: now)
        let ends = source.endsWhenDrained || source.closesWhenDrained
        if source.outbox.isEmpty, ends { filter.finish() }
        if !source.isBlocked, !filter.wire.isEmpty {
            let (sent, offered) = poller.send(source.handle, filter.wire)
            guard sent >= 0 else { return fail(source, Errno(Int32(clamping: sent), "writing to a peer")) }
            filter.wire.sent(sent)
            if sent < offered {
                source.isBlocked = true
            } else if !filter.wire.isEmpty {
                flushLater(source)
            }
        }
        let waiting = source.outbox.count + filter.wire.count
        if waiting == 0 {
            hasDrained(source)
        } else if waiting > source.outboxHardBytes {
            source.overflowed()
            if source.hasOverflowed { close(source) }
        }
    }

    private func hasDrained(_ source: Source) {
        if source.endsWhenDrained || source.closesWhenDrained {
            source.endsWhenDrained = false
            // Also before a close: a copy of the descriptor in a child between fork and exec would hold the
            // FIN back. Pipes answer ENOTSOCK, and need it not.
            ce_shutdown_write(source.descriptor)
        }
        if source.closesWhenDrained { return close(source) }
        if source.wantsDrained { source.drained() }
    }

    // MARK: Ending

    /// Refuses new work now: no event comes any more and the handle is stale. The descriptor closes at the
    /// end of the turn; then comes `detached()`. Bytes in the outbox are dropped. Closing twice is no error.
    public func close(_ source: Source) {
        guard source.state == .attached else { return }
        source.state = .closing
        poller.remove(source.handle)
        slots.retire(source.handle)
        closing.append(source)
    }

    /// What a source's filter cannot understand ends it like an error of its descriptor.
    public func fail(_ source: Source, _ error: Errno) {
        guard !source.hasFailed else { return }
        source.hasFailed = true
        source.failed(error)
        if source.closesWhenDrained { close(source) }
    }

    func freeClosed() {
        var batch: ContiguousArray<Source> = []
        swap(&batch, &closing)
        for source in batch {
            ce_close(source.descriptor)
            slots.remove(slot: source.handle.slot)
            source.outbox.removeAll()
            source.filter = nil
            source.reset()
            source.detached()
        }
        var freed: ContiguousArray<AnyObject> = []
        swap(&freed, &kept)
    }
}

extension Source {
    /// Back to what `init` left, but for the outbox and the limits.
    func reset() {
        handle = .none
        descriptor = -1
        state = .detached
        isBlocked = false
        hasFailed = false
        closesWhenDrained = false
        endsWhenDrained = false
        hasOverflowed = false
        isReadingPaused = false
    }
}

extension Loop.Kind {
    var polled: Poller.Kind {
        switch self {
        case .stream: .stream
        case .listener: .listener
        case .writer: .writer
        case .readiness: .readiness
        }
    }
}
