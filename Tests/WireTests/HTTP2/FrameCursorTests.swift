import Testing

@testable import Wire

@Suite struct FrameCursorTests {
    private let input: [UInt8] =
        HTTP2Peer.preface + WireFrame.settings([(3, 5)]).bytes
        + WireFrame.headers(1, [1, 2, 3], whole: false).bytes
        + WireFrame.continuation(1, []).bytes + WireFrame.priority(3, on: 5).bytes + WireFrame.data(1).bytes
        + WireFrame(type: 2, stream: 7, payload: [1]).bytes + WireFrame.ping().bytes

    @Test("the same frames are found however the bytes are cut")
    func cuts() {
        let kinds: [UInt8] = [4, 1, 9, 2, 0, 2, 6]
        for step in [1, 2, 3, 7, 9, 13, 1000] {
            var cursor = FrameCursor()
            var found: [FrameCursor.Frame] = []
            var at = 0
            while at < input.count {
                let piece = Array(input[at..<min(at + step, input.count)])
                withExactBytes(piece) { bytes in
                    var i = 0
                    var start = 0
                    while i < bytes.count {
                        let before = i
                        if let frame = cursor.next(bytes, at: &i, start: &start) { found.append(frame) }
                        #expect(start >= before && start <= i)
                    }
                }
                at += step
            }
            #expect(found.map(\.type) == kinds)
            #expect(found.map(\.length) == [6, 3, 0, 5, 0, 1, 8])
            #expect(found.map(\.stream) == [0, 1, 1, 3, 1, 7, 0])
            #expect(found.map(\.dependency) == [nil, nil, nil, 5, nil, nil, nil])
        }
    }

    @Test("it knows whether a field section is open")
    func fieldSection() {
        var cursor = FrameCursor()
        var open: [Bool] = []
        for byte in input.prefix(input.count - 40) {
            withExactBytes([byte]) { bytes in
                var i = 0
                var start = 0
                _ = cursor.next(bytes, at: &i, start: &start)
            }
            open.append(cursor.isInFieldSection)
        }
        // From the end of the HEADERS frame's header to that of the CONTINUATION with END_HEADERS.
        let begin = 24 + 15 + 9 - 1
        let end = begin + 3 + 9
        #expect(open.enumerated().allSatisfy { $0.element == ($0.offset >= begin && $0.offset < end) })
    }
}
