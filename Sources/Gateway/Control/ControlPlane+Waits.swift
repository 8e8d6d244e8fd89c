import System
import Wire

/// Requests that wait until a sandbox's servers are ready or have failed, each with a limit of its own.
extension ControlPlane {
    func checkWaits(_ record: SandboxRecord) throws(ControlRefusal) {
        guard record.waits.count < ControlLimits.waitsPerSandbox else {
            throw .tooMany(
                "Too many requests wait for this sandbox: try again in a moment",
                retryAfter: ControlLimits.retryAfterCreations)
        }
    }

    func addWait(
        _ record: SandboxRecord, _ exchange: ExchangeID, _ kind: SandboxRecord.Wait.Kind, seconds: Int
    ) {
        lastWait += 1
        let alarm = alarms.add(
            .wait(sandbox: record.id, ordinal: lastWait),
            due: clock.now().advanced(milliseconds: seconds * 1000))
        record.waits.append(
            SandboxRecord.Wait(ordinal: lastWait, exchange: exchange, kind: kind, alarm: alarm))
    }

    /// Every server of set `epoch` is ready or has failed. Late news of an ended sandbox or an older set is
    /// dropped.
    func settle(_ id: String, epoch: Int) {
        guard let record = records[id], record.phase == .running, record.epoch == epoch else { return }
        record.isSettled = true
        let waits = record.waits
        record.waits = []
        for wait in waits {
            alarms.cancel(wait.alarm)
            finish(record, wait)
        }
    }

    /// The servers need longer than the request may wait: they keep starting, and it is answered.
    func waitIsOver(_ id: String, _ ordinal: UInt64) {
        guard let record = records[id],
            let index = record.waits.firstIndex(where: { $0.ordinal == ordinal })
        else { return }
        finish(record, record.waits.remove(at: index))
    }

    /// The sandbox ends before its servers settled.
    func abandonWaits(_ record: SandboxRecord) {
        let waits = record.waits
        record.waits = []
        leaveCreation(record)
        if let key = idempotencyKeys.removeValue(forKey: record.id) { idempotency.drop(key) }
        for wait in waits {
            alarms.cancel(wait.alarm)
            switch wait.kind {
            case .start: plane.answer(wait.exchange, .deadSandbox(record.id))
            case .create, .replaceServers:
                let refusal = ControlRefusal(
                    status: 409, message: "Sandbox \"\(record.id)\" was ended before its servers were ready")
                plane.answer(wait.exchange, refusal.response)
            }
        }
    }

    private func finish(_ record: SandboxRecord, _ wait: SandboxRecord.Wait) {
        switch wait.kind {
        case .create: finishCreate(record, wait)
        case .replaceServers: answerServers(record, wait.exchange)
        case .start(let pid): plane.answer(wait.exchange, StartCommand.succeeded(pid: pid))
        }
    }
}
