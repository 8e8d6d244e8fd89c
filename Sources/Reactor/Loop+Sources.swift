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

    /// Puts `successor`, which is not attached, in the place of `source`, with descriptor, filter and handle:
    /// events that the kernel reports from now on are its. `source` is detached at once, without a call of
    /// `detached()`; bytes in its outbox stay there.
    public func replace(_ source: Source, with successor: Source) {
        precondition(source.state == .attached, "a source that is not attached")
        precondition(successor.state == .detached, "a source that is attached already")
        // The turn may be inside one of its methods, or about to flush it.
        atEndOfTurn(source)
        slots.replace(source.handle, with: successor)
        if source.isDirty {
            dirty.removeAll { $0.toOpaque() == Unmanaged.passUnretained(source).toOpaque() }
            source.isDirty = false
        }
        successor.takePlace(of: source)
        source.reset()
        source.filter = nil
        flushLater(successor)
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
        if !batch.isEmpty { poller.settle() }
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
    /// All that belongs to the descriptor.
    func takePlace(of other: Source) {
        handle = other.handle
        descriptor = other.descriptor
        state = .attached
        isBlocked = other.isBlocked
        hasFailed = other.hasFailed
        isReadingPaused = other.isReadingPaused
        filter = other.filter
        filter?.source = self
    }

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
