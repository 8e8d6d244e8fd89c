import System
import Testing
import Wire

@testable import Gateway

/// The real thread with a double behind it. `stop` joins after the queued work, so nothing waits by time.
@Suite struct ControlThreadTests {
    private func request(_ stream: UInt32, _ method: String, _ path: String, body: [UInt8] = [])
        -> ControlRequest
    {
        ControlRequest(
            exchange: ExchangeID(loop: 0, slot: 0, generation: 0, stream: stream), method: method, path: path,
            apiKey: ControlDesk.alice, body: body, arrived: Instant(nanoseconds: 0))
    }

    @Test("requests of many threads are answered once each, and jobs in between run too")
    func manyThreads() async throws {
        let plane = RecordingPlane()
        let control = Control(plane: plane)
        try control.start(ControlDesk.configuration)
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<8 {
                group.addTask {
                    for number in 0..<200 {
                        let request = self.request(UInt32(thread * 1000 + number), "GET", "/v2/sandboxes")
                        #expect(control.submit(request))
                        control.post { _ in }
                    }
                }
            }
        }
        control.stop()
        for thread in 0..<8 {
            for number in 0..<200 {
                let exchange = request(UInt32(thread * 1000 + number), "", "").exchange
                #expect(plane.answers(exchange).map(\.status) == [200])
            }
        }
    }

    @Test("a sandbox is created, expires and is gone, each step on the thread")
    func lifeOfASandbox() throws {
        let plane = RecordingPlane()
        let clock = SteppedClock()
        let control = Control(plane: plane, clock: clock.control)
        try control.start(ControlDesk.configuration)
        #expect(control.submit(request(1, "POST", "/v2/sandboxes", body: Array(#"{"timeout":9}"#.utf8))))
        control.post { _ in plane.ready(0) }
        // A step in a job is seen by the alarms that are due after it; completions queue behind both.
        control.post { _ in control.post { _ in clock.step(milliseconds: 9000) } }
        control.stop()
        #expect(plane.answers(request(1, "", "").exchange).map(\.status) == [201])
        #expect(plane.closed.count == 1)
    }

    @Test("a full queue refuses requests, by number and by bytes")
    func fullQueue() {
        let control = Control(plane: RecordingPlane())
        for number in 0..<ControlLimits.queuedRequests {
            #expect(control.submit(request(UInt32(number), "GET", "/v2/sandboxes")))
        }
        #expect(!control.submit(request(1, "GET", "/v2/sandboxes")))
        let other = Control(plane: RecordingPlane())
        let body = [UInt8](repeating: 0, count: ControlLimits.queuedBytes)
        #expect(other.submit(request(1, "POST", "/v2/sandboxes", body: body)))
        #expect(!other.submit(request(2, "POST", "/v2/sandboxes", body: [0])))
    }

    @Test("a stopped thread takes nothing more")
    func stopped() throws {
        let control = Control(plane: RecordingPlane())
        try control.start(ControlDesk.configuration)
        control.stop()
        #expect(!control.submit(request(1, "GET", "/v2/sandboxes")))
        control.stop()
    }
}
