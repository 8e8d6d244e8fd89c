import CEpollShim
import Testing

@testable import System

@Suite("Descriptor")
struct DescriptorTests {
    /// The reading end sees the end of the pipe exactly when no writing end is open any more: unlike a look
    /// at the number, this cannot be fooled by other tests that open descriptors meanwhile.
    private func pipeEnds() throws -> (reader: Int32, writer: Int32) {
        var ends: [Int32] = [-1, -1]
        try Errno.check(ce_pipe(&ends), "making a pipe")
        ce_set_nonblocking(ends[0], 1)
        return (ends[0], ends[1])
    }

    private func hasEnded(_ reader: Int32) -> Bool {
        var byte: UInt8 = 0
        return ce_read(reader, &byte, 1) == 0
    }

    @Test("it is closed at the end of its scope")
    func scope() throws {
        let (reader, writer) = try pipeEnds()
        defer { ce_close(reader) }
        do {
            let descriptor = Descriptor(owning: writer)
            #expect(descriptor.raw == writer)
            #expect(!hasEnded(reader))
        }
        #expect(hasEnded(reader))
    }

    @Test("close() closes at once")
    func close() throws {
        let (reader, writer) = try pipeEnds()
        defer { ce_close(reader) }
        let descriptor = Descriptor(owning: writer)
        descriptor.close()
        #expect(hasEnded(reader))
    }

    @Test("one that was released stays open")
    func release() throws {
        let (reader, writer) = try pipeEnds()
        defer { ce_close(reader) }
        let raw = Descriptor(owning: writer).release()
        #expect(raw == writer)
        #expect(!hasEnded(reader))
        ce_close(raw)
        #expect(hasEnded(reader))
    }

    @Test("the CPUs of this process are known")
    func cpus() {
        let cpus = CPUSet.allowed
        #expect(!cpus.isEmpty)
        #expect(cpus == cpus.sorted())
        #expect(throws: Errno.self) { try CPUSet.pin(-1) }
    }
}
