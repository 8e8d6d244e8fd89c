/// The members of a JSON object in order, without building anything. Over bytes that are not a JSON object it
/// yields what it can and ends; it never reads outside them.
public struct ObjectWalker {
    public struct Member: Sendable {
        /// Inside the quotes, escapes as they are.
        public let key: ByteRange
        /// The whole value.
        public let value: ByteRange
        public let keyHasEscapes: Bool
        /// From the opening quote of the name to the end of the value: what is cut to remove the member.
        public var whole: ByteRange { ByteRange(from: Int(key.start) - 1, to: value.end) }
    }

    private var scanner: JSONScanner?
    private var isFirst = true

    /// - Parameter bytes: a JSON object, blanks around it allowed. Ranges count from its first byte.
    public init(_ bytes: UnsafeRawBufferPointer) {
        guard var scanner = JSONScanner(bytes) else { return }
        scanner.skipBlanks()
        guard scanner.at < scanner.count, scanner.base[scanner.at] == 0x7B else { return }
        self.scanner = scanner
    }

    public mutating func next() -> Member? {
        guard var scanner else { return nil }
        let key = isFirst ? try? scanner.firstKey() : try? scanner.nextKey()
        isFirst = false
        let start = scanner.at
        guard let key, (try? scanner.value(depth: 1)) != nil else {
            self.scanner = nil
            return nil
        }
        self.scanner = scanner
        return Member(
            key: key.range, value: ByteRange(from: start, to: scanner.at), keyHasEscapes: key.hasEscapes)
    }
}

/// The elements of a JSON array in order; otherwise as `ObjectWalker`. Also walks JSON-RPC batches.
public struct ArrayWalker {
    private var scanner: JSONScanner?
    private var isFirst = true

    /// - Parameter bytes: a JSON array, blanks around it allowed. Ranges count from its first byte.
    public init(_ bytes: UnsafeRawBufferPointer) {
        guard var scanner = JSONScanner(bytes) else { return }
        scanner.skipBlanks()
        guard scanner.at < scanner.count, scanner.base[scanner.at] == 0x5B else { return }
        self.scanner = scanner
    }

    /// The range of the next element.
    public mutating func next() -> ByteRange? {
        guard var scanner else { return nil }
        let hasNext = isFirst ? try? scanner.firstElement() : try? scanner.nextElement()
        isFirst = false
        let start = scanner.at
        guard hasNext == true, (try? scanner.value(depth: 1)) != nil else {
            self.scanner = nil
            return nil
        }
        self.scanner = scanner
        return ByteRange(from: start, to: scanner.at)
    }
}

/// The messages of a JSON-RPC batch (`Envelope.Kind.batch`).
public typealias BatchWalker = ArrayWalker
