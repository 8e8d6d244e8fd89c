import Testing

@testable import MCP

@Test("a forgotten session returns unless it was ended or is of an earlier process")
func ledger() {
    var ledger = SessionLedger<Int>(since: 100, endedMax: 8)
    #expect(ledger.mayReturn(1, created: 100))
    #expect(!ledger.mayReturn(1, created: 99))
    ledger.end(1, now: 105)
    #expect(!ledger.mayReturn(1, created: 101))
    #expect(ledger.mayReturn(2, created: 101))
}

@Test("an ended session stays ended when more have ended than are remembered")
func ledgerOverflow() {
    var ledger = SessionLedger<Int>(since: 0, endedMax: 8)
    for key in 0..<9 { ledger.end(key, now: 50) }
    for key in 0..<9 { #expect(!ledger.mayReturn(key, created: 50)) }
    #expect(!ledger.mayReturn(77, created: 50))
    #expect(ledger.mayReturn(77, created: 51))
}
