import Wire

/// How long an answer may be kept, and by whom (2026-07-28 §Caching).
public struct CacheHints: Sendable, Equatable {
    public var ttlMilliseconds: Int
    /// Anyone may be given the kept answer; else only whom it was made for.
    public var isPublic: Bool

    public init(ttlMilliseconds: Int, isPublic: Bool) {
        self.ttlMilliseconds = max(0, ttlMilliseconds)
        self.isPublic = isPublic
    }

    /// Of a response. What is missing, negative or no number is the most careful value.
    public init(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        let ttl = envelope.resultTTL.of(line)
        var value = 0
        if !ttl.isEmpty, ttl.count <= 12 {
            for byte in ttl {
                guard byte >= 48, byte <= 57 else {
                    value = 0
                    break
                }
                value = value * 10 + Int(byte - 48)
            }
        }
        self.init(
            ttlMilliseconds: value, isPublic: envelope.resultCacheScope.of(line).equals("\"public\""))
    }

    /// Of a list that a legacy server gave, which says nothing about it.
    public static func legacy(announcesChanges: Bool) -> CacheHints {
        CacheHints(ttlMilliseconds: announcesChanges ? 60_000 : 5_000, isPublic: false)
    }

    /// Of both answers in one: the shorter time, the narrower circle.
    public func merged(with other: CacheHints) -> CacheHints {
        CacheHints(
            ttlMilliseconds: min(ttlMilliseconds, other.ttlMilliseconds), isPublic: isPublic && other.isPublic
        )
    }
}
