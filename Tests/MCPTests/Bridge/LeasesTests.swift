import System
import Testing

@testable import MCP

private let start = Instant(nanoseconds: 1_000_000_000)
private let form: ClientCapabilities = .elicitationForm
private let both: ClientCapabilities = [.elicitationForm, .sampling]

@Test("a server that never asked serves everybody with one child")
func leasesPlain() {
    var leases = Leases(.auto)
    #expect(leases.place(1, declared: both, now: start) == .plain)
    leases.learn()
    #expect(leases.place(2, declared: both, now: start) == .start(child: 0, capabilities: both))
    #expect(leases.place(3, declared: [], now: start) == .plain)
    #expect(leases.place(4, declared: .roots, now: start) == .plain)
    var never = Leases(.never, hasAsked: true)
    #expect(never.place(1, declared: both, now: start) == .plain)
    var roots = Leases(.always, asksRoots: true)
    #expect(roots.place(1, declared: .roots, now: start) == .start(child: 0, capabilities: .roots))
}

@Test("a child that may ask works for one call at a time, and the first free one is used again")
func leasesExclusive() {
    var leases = Leases(.always)
    #expect(leases.place(1, declared: form, now: start) == .start(child: 0, capabilities: form))
    #expect(leases.place(2, declared: form, now: start) == .start(child: 1, capabilities: form))
    #expect(leases.holder(of: 0) == 1)
    #expect(leases.child(of: 2) == 1)
    #expect(leases.release(2) == nil)
    #expect(leases.release(1) == nil)
    #expect(leases.place(3, declared: form, now: start) == .lease(child: 0))
    // It has declared less than this call needs.
    #expect(leases.place(4, declared: both, now: start) == .start(child: 2, capabilities: both))
    #expect(leases.release(4) == nil)
    #expect(leases.place(5, declared: form, now: start) == .lease(child: 1))
    #expect(leases.place(6, declared: form, now: start) == .lease(child: 2))
}

@Test(
    "beside a call that waits for its client another one gets a child of its own, unless there are to be none"
)
func leasesBesideParked() {
    var leases = Leases(.auto)
    #expect(leases.isUnused)
    #expect(
        leases.place(1, declared: form, besideOthers: true, now: start)
            == .start(child: 0, capabilities: form))
    #expect(leases.holders == [1] && leases.waiterCount == 0 && !leases.isUnused)
    #expect(leases.place(2, declared: form, now: start) == .plain)
    #expect(leases.release(1) == nil)
    #expect(leases.holders.isEmpty)
    #expect(leases.place(3, declared: form, besideOthers: true, now: start) == .lease(child: 0))
    var never = Leases(.never)
    #expect(never.place(1, declared: form, besideOthers: true, now: start) == .plain)
}

@Test("when all are busy calls wait in turn, for so long and so many")
func leasesQueue() {
    var leases = Leases(.always)
    for call in 0..<UInt64(BridgeLimits.interactiveChildrenMax) {
        _ = leases.place(call, declared: form, now: start)
    }
    #expect(leases.place(10, declared: form, now: start) == .wait)
    #expect(leases.place(11, declared: both, now: start) == .wait)
    let first = leases.release(0)
    #expect(first?.call == 10)
    #expect(first?.placement == .lease(child: 0))
    let second = leases.release(1)
    #expect(second?.call == 11)
    #expect(second?.placement == .start(child: 1, capabilities: both))
    #expect(leases.place(12, declared: form, now: start) == .wait)
    let late = start.advanced(milliseconds: BridgeLimits.leaseMilliseconds)
    #expect(leases.expire(now: late).isEmpty)
    #expect(leases.expire(now: late.advanced(milliseconds: 1)) == [12])
    #expect(leases.release(2) == nil)
    for call in 100..<(100 + UInt64(BridgeLimits.leaseQueueMax)) {
        if call == 100 { #expect(leases.place(call, declared: form, now: start) == .lease(child: 2)) }
        _ = leases.place(call + 1000, declared: form, now: start)
    }
    #expect(leases.place(9999, declared: form, now: start) == .refuse)
}

@Test("a child that died makes room for whoever waits")
func leasesEnded() {
    var leases = Leases(.always)
    for call in 0..<UInt64(BridgeLimits.interactiveChildrenMax) {
        _ = leases.place(call, declared: form, now: start)
    }
    _ = leases.place(10, declared: form, now: start)
    let next = leases.ended(3)
    #expect(next?.call == 10)
    #expect(next?.placement == .start(child: 3, capabilities: form))
    #expect(leases.ended(9) == nil)
    #expect(leases.release(3) == nil)
}

@Test("an idle child that cannot serve anybody who waits is exchanged")
func leasesExchange() {
    var leases = Leases(.always)
    for call in 0..<UInt64(BridgeLimits.interactiveChildrenMax) {
        _ = leases.place(call, declared: form, now: start)
    }
    _ = leases.release(2)
    #expect(leases.place(10, declared: .sampling, now: start) == .start(child: 2, capabilities: .sampling))
}

@Test("a request is somebody's only where it cannot be another's")
func attribution() {
    #expect(Attribution.of(leasedTo: 4, inFlight: [4, 5]) == .call(4))
    #expect(Attribution.of(leasedTo: nil, inFlight: [5]) == .call(5))
    #expect(Attribution.of(leasedTo: nil, inFlight: [5, 6]) == .ambiguous)
    #expect(Attribution.of(leasedTo: nil, inFlight: []) == .unsolicited)
}

@Test("the SDKs' sentences for a client that cannot be asked are known")
func missesClient() {
    #expect(
        "Client does not support elicitation (required for elicitation/create)".raw {
            Leases.missesClient($0)
        })
    #expect("client does not support sampling".raw { Leases.missesClient($0) })
    #expect(!"this tool does not support regular expressions".raw { Leases.missesClient($0) })
    #expect(!"elicitation done".raw { Leases.missesClient($0) })
}

@Test("a demand for a capability that the client has is one that another process can meet")
func demandedCapability() throws {
    func demands(_ leases: Leases, _ error: String, _ declared: ClientCapabilities) throws -> Bool {
        try Message(#"{"jsonrpc":"2.0","id":1,"error":\#(error)}"#).with {
            leases.isDemanded(by: $0, $1, of: declared)
        }
    }
    let elicitation = #"{"code":-32021,"message":"","data":{"requiredCapabilities":{"elicitation":{}}}}"#
    let roots = #"{"code":-32021,"message":"","data":{"requiredCapabilities":{"roots":{}}}}"#
    let auto = Leases(.auto)
    #expect(try demands(auto, elicitation, [.elicitationForm, .sampling]))
    #expect(try !demands(auto, elicitation, .sampling))
    #expect(try !demands(auto, elicitation.replacing("-32021", with: "-32020"), .elicitationForm))
    #expect(try demands(auto, #"{"code":-32021,"message":""}"#, .elicitationForm))
    #expect(try demands(auto, #"{"code":-32021,"message":"","data":5}"#, .elicitationForm))
    #expect(try !demands(auto, roots, [.roots, .elicitationForm]))
    #expect(try demands(Leases(.always, asksRoots: true), roots, .roots))
    #expect(auto.learns && !Leases(.never).learns && !Leases(.always).learns)
}
