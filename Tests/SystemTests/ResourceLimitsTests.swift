import System
import Testing

@Suite struct ResourceLimitsTests {
    @Test(
        "sizes, CPUs and counts are read",
        arguments: [
            (ResourceLimit.serverMemory, "2GiB", 2 << 30), (.serverMemory, "512m", 512 << 20),
            (.serverMemory, "1048576", 1 << 20), (.sandboxDisk, "3KiB", 3072), (.sandboxDisk, "0", 0),
            (.serverCPUs, "2", 200), (.serverCPUs, "0.5", 50), (.serverCPUs, "1.25", 125),
            (.serverCPUs, "0.05", 5), (.serverProcesses, "100", 100),
        ] as [(ResourceLimit, String, UInt64)])
    func read(_ limit: ResourceLimit, _ text: String, _ value: UInt64) {
        #expect(limit.value(of: text) == value)
    }

    @Test(
        "what is no value is none",
        arguments: [
            (ResourceLimit.serverMemory, ""), (.serverMemory, "GiB"), (.serverMemory, "-1"),
            (.serverMemory, "1.5GiB"),
            (.serverMemory, "2 GiB"), (.serverMemory, "18446744073709551616"),
            (.serverMemory, "99999999999TiB"),
            (.serverMemory, "1PiB"), (.serverCPUs, ""), (.serverCPUs, "."), (.serverCPUs, "1."),
            (.serverCPUs, ".5"),
            (.serverCPUs, "1.123"), (.serverCPUs, "1.-1"), (.serverCPUs, "1e3"),
            (.serverCPUs, "99999999999999999999"),
            (.serverProcesses, "+1"), (.serverProcesses, "1k"), (.serverProcesses, "1.0"),
            (.serverProcesses, "٣"),
        ] as [(ResourceLimit, String)])
    func noValue(_ limit: ResourceLimit, _ text: String) { #expect(limit.value(of: text) == nil) }

    @Test("a value is written as it is read", arguments: ResourceLimit.allCases)
    func text(_ limit: ResourceLimit) {
        for value: UInt64 in [limit.standard, 1, 5, 50, 99, 105, 110, 1000, 1024, 1025, 1 << 20, 3 << 24] {
            #expect(limit.value(of: limit.text(of: value)) == value, "\(limit.text(of: value))")
        }
        #expect(limit.range.contains(limit.standard))
    }

    @Test("no server has more than its sandbox")
    func consistent() {
        var limits = ResourceLimits()
        limits[.sandboxMemory] = 1 << 20
        limits[.sandboxProcesses] = 9
        #expect(limits.consistent[.serverMemory] == 1 << 20)
        #expect(limits.consistent[.serverProcesses] == 9)
        #expect(limits.consistent[.serverCPUs] == ResourceLimit.serverCPUs.standard)
        #expect(limits.consistent[.serverFileSize] == ResourceLimit.serverFileSize.standard)
    }

    @Test("counts of limits add up, and those that are gone stay")
    func hits() {
        var one = LimitHits()
        var two = LimitHits()
        #expect(one.isEmpty)
        one[.serverMemory] = 1
        two[.serverMemory] = 3
        two[.sandboxDisk] = 1
        #expect((one + two)[.serverMemory] == 4 && (one + two)[.sandboxDisk] == 1)
        #expect(two.atLeast(one) == two && one.atLeast(two) == two)
        #expect(LimitHits().atLeast(one) == one)
    }
}
