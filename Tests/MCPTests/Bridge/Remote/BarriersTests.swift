import Testing

@testable import MCP

private func barriers(_ all: Barriers.Barrier...) -> Barriers {
    var barriers = Barriers()
    for one in all { barriers.add(one) }
    return barriers
}

@Test("barriers hold up others one after the other, each once")
func barriersInOrder() {
    var barriers = barriers(.init(exchange: 1), .init(exchange: 2), .init(exchange: 3), .init(exchange: 2))
    #expect(barriers.first == 1)
    barriers.passed(2)
    #expect(barriers.first == 1)
    barriers.passed(1)
    #expect(barriers.first == 3)
    barriers.passed(1)
    barriers.passed(3)
    #expect(barriers.first == nil)
}

@Test("a head ends only what waits for a head")
func barriersHeads() {
    var barriers = barriers(.init(exchange: 1), .init(exchange: 2, endsWithHead: true))
    barriers.headCame(1)
    #expect(barriers.first == 1)
    barriers.headCame(2)
    barriers.passed(1)
    #expect(barriers.first == nil)
}

@Test("the time of a barrier begins when it is the first, once")
func barriersTime() {
    let timed = Barriers.Barrier(exchange: 2, milliseconds: 5)
    let next = Barriers.Barrier(exchange: 3, milliseconds: 7)
    var barriers = barriers(.init(exchange: 1), timed, next)
    #expect(barriers.begin() == nil)
    barriers.passed(1)
    #expect(barriers.begin() == timed)
    #expect(barriers.begin() == nil)
    barriers.passed(3)
    #expect(barriers.begin() == nil)
    barriers.add(next)
    barriers.passed(2)
    #expect(barriers.begin() == next)
    barriers.passed(3)
    #expect(barriers.begin() == nil)
}
