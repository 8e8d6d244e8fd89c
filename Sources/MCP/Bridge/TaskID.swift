import System
import Wire

/// The id of a task as the client of the call that began it knows it: sealed, so that it leads to one process of one
/// server and is worth nothing in another sandbox or session.
public struct TaskID: Sendable, Equatable {
    /// Whose it is: what the driver knows a session by. Tasks of 2026-07-28, which has no sessions, are all clients'
    /// of the sandbox.
    public struct Owner: Sendable, Hashable {
        public var high: UInt64
        public var low: UInt64

        public init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }

        public static let anyClient = Owner(high: 0, low: 0)
    }

    public var place: RelayedTasks.Place
    public var owner: Owner

    public init(place: RelayedTasks.Place, owner: Owner) {
        self.place = place
        self.owner = owner
    }

    private static let prefix: StaticString = "t1."
    private static let layout: UInt8 = 1
    /// Layout, server, process, owner.
    private static let fixedBytes = 1 + 8 + 4 + 16

    /// A raw JSON string: visible ASCII that needs no escapes. Each call gives another text for the same task.
    public func sealed(_ seal: StateSeal) -> [UInt8] {
        var plain = [Self.layout]
        plain.append(number: UInt64(truncatingIfNeeded: place.server))
        plain.append(number: place.process)
        plain.append(number: owner.high)
        plain.append(number: owner.low)
        plain += Array(place.id.utf8)
        let box = seal.seal(plain)
        var text = Array("\"\(Self.prefix)".utf8)
        text += [UInt8](unsafeUninitializedCapacity: Base64.encodedCount(box.count, .url)) { room, count in
            count = box.withUnsafeBytes { Base64.encode($0, .url, into: UnsafeMutableRawBufferPointer(room)) }
        }
        text.append(UInt8(ascii: "\""))
        return text
    }

    /// Opens a raw JSON string of a client; nil for all that was not sealed here, for this sandbox.
    public init?(opening text: UnsafeRawBufferPointer, _ seal: StateSeal) {
        guard let inside = text.insideQuotes, inside.hasPrefix(Self.prefix),
            inside.count <= BridgeLimits.taskIDBytesMax * 2
        else { return nil }
        let digits = inside.piece(Self.prefix.utf8CodeUnitCount, inside.count)
        var box = [UInt8](repeating: 0, count: digits.count * 3 / 4 + 1)
        guard let count = box.withUnsafeMutableBytes({ Base64.decode(digits, .url, into: $0) }) else {
            return nil
        }
        box.removeLast(box.count - count)
        guard let plain = seal.open(box), plain.count >= Self.fixedBytes, plain[0] == Self.layout else {
            return nil
        }
        (place, owner) = plain.withUnsafeBytes { bytes in
            func word(_ at: Int) -> UInt64 {
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            }
            let process = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 9, as: UInt32.self))
            return (
                RelayedTasks.Place(
                    server: Int(truncatingIfNeeded: word(1)), process: process,
                    id: String(decoding: bytes[Self.fixedBytes...], as: UTF8.self)),
                Owner(high: word(13), low: word(21))
            )
        }
    }
}

extension RPCFailure {
    /// A task id that is another session's or sandbox's, was never given, or is no longer known.
    public static func unknownTask(isModern: Bool) -> RPCFailure {
        .invalidParams(
            "params.taskId names no task of this "
                + (isModern ? "sandbox" : "session, and tasks of another one cannot be asked for"),
            isModern: isModern)
    }

    /// The process that ran the task is no more.
    public static func lostTask(server: String) -> RPCFailure {
        RPCFailure(
            httpStatus: 200, code: RPCCode.invalidParams,
            message: "the task is lost: the process of the server \(server) that ran it has ended")
    }

    /// What 2026-07-28 wants of a client that asks about tasks.
    public static let tasksUndeclared = RPCFailure(
        httpStatus: 400, code: RPCCode.missingCapability,
        message: "the client did not declare the extension io.modelcontextprotocol/tasks",
        data: Array(#"{"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}"#.utf8))
}
