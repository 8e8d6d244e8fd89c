import System

/// How sandboxes end: killed by their owner, by their time, or with the gateway. A DELETE is answered when
/// every process is gone.
extension ControlPlane {
    func delete(_ request: ControlRequest, _ owner: String, _ id: String) throws(ControlRefusal) {
        guard let record = records[id], record.owner == owner else { throw .noSandbox(id) }
        guard record.enders.count < ControlLimits.waitsPerSandbox else {
            throw .tooMany(
                "Too many requests wait for this sandbox to end: try again in a moment",
                retryAfter: ControlLimits.retryAfterCreations)
        }
        record.enders.append(request.exchange)
        if record.endAlarm == nil { armEnding(record) }
        end(record, .killed)
    }

    /// Begins the end of `record`; from here on it answers like one that never was.
    func end(_ record: SandboxRecord, _ cause: ControlEvent.Cause) {
        guard record.phase == .running else { return }
        record.phase = .ending
        record.endCause = cause
        if let alarm = record.expiryAlarm { alarms.cancel(alarm) }
        record.expiryAlarm = nil
        abandonWaits(record)
        let id = record.id
        plane.close(id, home: record.home) { [queue] in
            queue.post { $0.ended(id) }
        }
    }

    /// Every process of the sandbox is gone.
    private func ended(_ id: String) {
        guard let record = records[id], record.phase == .ending else { return }
        records[id] = nil
        owned[record.owner]?.removeAll { $0 == id }
        if owned[record.owner]?.isEmpty == true { owned[record.owner] = nil }
        loads[record.home] -= 1
        if let alarm = record.endAlarm { alarms.cancel(alarm) }
        for exchange in record.enders { plane.answer(exchange, .noContent) }
        configuration.observe(.ended(id: id, owner: record.owner, cause: record.endCause))
        reportDrained()
    }

    private func armEnding(_ record: SandboxRecord) {
        record.endAlarm = alarms.add(
            .ending(sandbox: record.id),
            due: clock.now().advanced(milliseconds: ControlLimits.endWaitSeconds * 1000))
    }

    /// The processes will not die in time. The sandbox stays in the table; a repeated DELETE waits again.
    func endingTakesLong(_ id: String) {
        guard let record = records[id] else { return }
        record.endAlarm = nil
        let enders = record.enders
        record.enders = []
        let refusal = ControlRefusal(
            status: 500,
            message: "Processes of sandbox \"\(id)\" still run after \(ControlLimits.endWaitSeconds) s; "
                + "they are being killed. Repeat the request to wait for their end")
        for exchange in enders { plane.answer(exchange, refusal.response) }
    }

    // MARK: Shutdown

    /// Refuses new sandboxes and ends all there are; `done` is called on the control thread when none is
    /// left.
    public func shutDown(_ done: @escaping @Sendable () -> Void) {
        isShuttingDown = true
        drained.append(done)
        for record in records.values { end(record, .shutdown) }
        reportDrained()
    }

    private func reportDrained() {
        guard isShuttingDown, records.isEmpty else { return }
        let waiting = drained
        drained = []
        for done in waiting { done() }
    }
}
