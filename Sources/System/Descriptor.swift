import CEpollShim

/// A descriptor that is closed exactly once: by `close()`, or when its owner lets it go.
@frozen public struct Descriptor: ~Copyable {
    public let raw: Int32

    /// Takes ownership of `owning`; a negative value owns nothing.
    @inlinable public init(owning: Int32) { raw = owning }

    /// Gives the descriptor away: the caller closes it.
    @inlinable public consuming func release() -> Int32 {
        let raw = raw
        discard self
        return raw
    }

    /// Closes it now rather than at the end of the scope.
    @inlinable public consuming func close() {}

    @inlinable deinit {
        if raw >= 0 { ce_close(raw) }
    }
}
