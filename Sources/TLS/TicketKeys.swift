import CEpollShim
import Synchronization
import System

/// The keys of session tickets, shared by all loops and kept over reloads. The current one makes tickets for
/// `periodSeconds` and then, as the previous one, only opens them for as long again. They rotate when used,
/// so that no timer is needed, and never leave the process.
public final class TicketKeys: Sendable {
    public enum Answer: Equatable, Sendable {
        case current
        case previous
        case unknown
    }

    private struct Key {
        let name: [UInt8]
        var secret: [UInt8]
        let made: Instant

        init(_ now: Instant) {
            name = Random.bytes(Int(CE_TLS_TICKET_NAME_BYTES))
            secret = Random.bytes(Int(CE_TLS_TICKET_SECRET_BYTES))
            made = now
        }

        mutating func forget() {
            for i in secret.indices { secret[i] = 0 }
        }
    }

    private struct Keys {
        var current: Key
        var previous: Key?
    }

    public let periodSeconds: Int
    private let now: @Sendable () -> Instant
    private let keys: Mutex<Keys>

    /// - Parameters:
    ///   - periodSeconds: 1 to one week, the longest life of a ticket (RFC 8446 §4.6.1).
    ///   - now: the clock; tests step their own.
    public init(
        periodSeconds: Int = TLSLimits.ticketKeySeconds, now: @escaping @Sendable () -> Instant = { .now() }
    ) {
        self.periodSeconds = min(max(periodSeconds, 1), 7 * 86_400)
        self.now = now
        keys = Mutex(Keys(current: Key(now()), previous: nil))
    }

    /// Makes a new key now, as when the period is over.
    public func rotate() {
        let time = now()
        keys.withLock { Self.rotate(&$0, time) }
    }

    /// Writes name and secret of the key for new tickets.
    func seal(_ name: UnsafeMutablePointer<UInt8>, _ secret: UnsafeMutablePointer<UInt8>) {
        let time = now()
        keys.withLock { keys in
            refresh(&keys, time)
            name.update(from: keys.current.name, count: keys.current.name.count)
            secret.update(from: keys.current.secret, count: keys.current.secret.count)
        }
    }

    /// Writes the secret of the key with this name, if it is still good.
    func open(_ name: UnsafePointer<UInt8>, _ secret: UnsafeMutablePointer<UInt8>) -> Answer {
        let time = now()
        return keys.withLock { keys in
            refresh(&keys, time)
            let asked = UnsafeBufferPointer(start: name, count: Int(CE_TLS_TICKET_NAME_BYTES))
            if asked.elementsEqual(keys.current.name) {
                secret.update(from: keys.current.secret, count: keys.current.secret.count)
                return .current
            }
            guard let previous = keys.previous, asked.elementsEqual(previous.name) else { return .unknown }
            secret.update(from: previous.secret, count: previous.secret.count)
            return .previous
        }
    }

    private func refresh(_ keys: inout Keys, _ time: Instant) {
        let period = periodSeconds * 1000
        if time.milliseconds(since: keys.current.made) >= period { Self.rotate(&keys, time) }
        // A current key that nobody used for two periods is too old to be a previous one.
        if let previous = keys.previous, time.milliseconds(since: previous.made) >= 2 * period {
            keys.previous?.forget()
            keys.previous = nil
        }
    }

    private static func rotate(_ keys: inout Keys, _ time: Instant) {
        keys.previous?.forget()
        keys.previous = keys.current
        keys.current = Key(time)
    }
}
