import CEpollShim
import System

/// A send of a batch.
struct Departure {
    let source: Unmanaged<Source>
    let index: Int32
    let offered: Int
    /// Of its outcome, when that is a failure: an errno value, negated.
    var failure = 0
}

extension Loop {
    // MARK: Asking

    /// Sends the outbox at the end of the turn, with one system call however often this is called.
    public func flushLater(_ source: Source) {
        guard !source.isDirty, source.state == .attached else { return }
        source.isDirty = true
        dirty.append(.passUnretained(source))
    }

    /// Sends the outbox at once, where nothing more will be appended in this turn. What cannot leave now, what
    /// leaves with that of others, and all that may call the source back, is left to the end of the turn.
    public func flushNow(_ source: Source) {
        guard source.state == .attached, source.sendsFreely, !poller.gathers else {
            return flushLater(source)
        }
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

    // MARK: Sending

    func flushDirty() {
        // The arrays change places so that neither is allocated anew; `batch` is a local one while callbacks
        // mark further sources.
        var batch: ContiguousArray<Unmanaged<Source>> = []
        swap(&batch, &flushed)
        swap(&batch, &dirty)
        if poller.gathers {
            flushTogether(&batch)
        } else {
            for i in batch.indices {
                batch[i]._withUnsafeGuaranteedRef { source in
                    source.isDirty = false
                    if source.state == .attached { flush(source) }
                }
            }
        }
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &flushed)
    }

    private func flush(_ source: Source) {
        guard prepare(source) else { return }
        if !source.isBlocked {
            let (sent, offered) = source.withWire { poller.send(source.handle, $0) }
            guard sent >= 0 else { return fail(source, Errno(Int32(clamping: sent), "writing to a peer")) }
            source.hasSent(sent, of: offered)
        }
        settle(source)
    }

    /// The same for all of `batch` in steps, of which only the first and the last call sources back: what is in
    /// the batch of the kernel stays in place until it has left.
    private func flushTogether(_ batch: inout ContiguousArray<Unmanaged<Source>>) {
        batch.removeAll { entry in
            entry._withUnsafeGuaranteedRef { source in
                source.isDirty = false
                return source.state != .attached || !prepare(source)
            }
        }
        var begun = 0
        while begun < batch.count { begun = depart(batch, from: begun) }
        for departure in departures where departure.failure < 0 {
            departure.source._withUnsafeGuaranteedRef { source in
                guard source.state == .attached else { return }
                fail(source, Errno(Int32(clamping: departure.failure), "writing to a peer"))
            }
        }
        departures.removeAll(keepingCapacity: true)
        for entry in batch {
            entry._withUnsafeGuaranteedRef { source in
                if source.state == .attached, !source.hasFailed { settle(source) }
            }
        }
    }

    /// Sends what one batch of the kernel takes, from `begun` on. Returns where the next one begins.
    private func depart(_ batch: ContiguousArray<Unmanaged<Source>>, from begun: Int) -> Int {
        let first = departures.count
        var next = begun
        while next < batch.count {
            let isIn = batch[next]._withUnsafeGuaranteedRef { source in
                // A callback may have closed it since; what is blocked waits for its event.
                guard source.state == .attached, !source.isBlocked, !source.hasFailed else { return true }
                let (index, offered) = source.withWire { poller.gather(source.handle, $0) }
                guard let index else { return false }
                departures.append(Departure(source: batch[next], index: index, offered: offered))
                return true
            }
            guard isIn else { break }
            next += 1
        }
        poller.sendGathered()
        for i in first..<departures.count {
            let outcome = poller.outcome(departures[i].index)
            if outcome < 0 {
                departures[i].failure = outcome
            } else {
                departures[i].source._withUnsafeGuaranteedRef {
                    $0.hasSent(outcome, of: departures[i].offered)
                }
            }
        }
        // A batch takes one send at least.
        return max(next, begun + 1)
    }

    // MARK: Before and after

    /// Lets the source, and its filter, append what belongs to this flush. False: there is nothing to send to.
    @inline(__always) private func prepare(_ source: Source) -> Bool {
        if source.fillsBeforeFlush { source.willFlush() }
        if source.hasFailed {
            source.outbox.removeAll()
            source.filter?.wire.removeAll()
            return false
        }
        guard let filter = source.filter else { return true }
        filter.flush(&source.outbox, now: now)
        if source.outbox.isEmpty, source.endsWhenDrained || source.closesWhenDrained { filter.finish() }
        return true
    }

    @inline(__always) private func settle(_ source: Source) {
        let onWire = source.filter?.wire.count ?? source.outbox.count
        // More pieces than one call takes.
        if onWire > 0, !source.isBlocked { flushLater(source) }
        let waiting = source.filter == nil ? onWire : onWire + source.outbox.count
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
}

extension Source {
    /// The bytes for the descriptor.
    @inline(__always) fileprivate func withWire<Result>(_ body: (borrowing Outbox) -> Result) -> Result {
        if let filter { body(filter.wire) } else { body(outbox) }
    }

    @inline(__always) fileprivate func hasSent(_ sent: Int, of offered: Int) {
        if let filter { filter.wire.sent(sent) } else { outbox.sent(sent) }
        if sent < offered { isBlocked = true }
    }
}
