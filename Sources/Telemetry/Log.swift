import Glibc
import Synchronization
import System

/// The gateway's log on standard error: callable from any thread, and no caller waits for the reader.
public enum Log {
    public typealias Fields = KeyValuePairs<String, any CustomStringConvertible & Sendable>

    private struct Settings: Sendable {
        var level = LogLevel.info
        var format = LogFormat.text
        var isRunning = false
    }

    private static let settings = Mutex(Settings())
    private static let ring = LogRing(capacity: TelemetryLimits.waitingLines)

    /// Applies to every line from here on.
    public static func configure(level: LogLevel, format: LogFormat) {
        settings.withLock {
            $0.level = level
            $0.format = format
        }
    }

    public static func error(_ message: String, _ fields: Fields = [:]) { write(.error, message, fields) }
    public static func warning(_ message: String, _ fields: Fields = [:]) { write(.warning, message, fields) }
    public static func info(_ message: String, _ fields: Fields = [:]) { write(.info, message, fields) }
    public static func debug(_ message: String, _ fields: Fields = [:]) { write(.debug, message, fields) }
    public static func trace(_ message: String, _ fields: Fields = [:]) { write(.trace, message, fields) }

    /// True when lines of this level are written: ask before computing something dear.
    public static func isEnabled(_ level: LogLevel) -> Bool { settings.withLock { level <= $0.level } }

    /// Waits, for a bounded time, until what was logged is written. For the end of the process.
    public static func flush() { ring.drain(seconds: TelemetryLimits.flushSeconds) }

    private static func write(_ level: LogLevel, _ message: String, _ fields: Fields) {
        let (isWanted, isFirst) = settings.withLock { settings in
            guard level <= settings.level else { return (false, false) }
            defer { settings.isRunning = true }
            return (true, !settings.isRunning)
        }
        guard isWanted else { return }
        ring.put(
            LogLine(
                unixMilliseconds: WallClock.unixMilliseconds(), level: level, message: message,
                fields: fields.map { ($0.key, $0.value.description) }))
        if isFirst { startWriter() }
    }

    private static func startWriter() {
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { _ in
                Log.writeForever()
                return nil
            }, nil)
        if failure == 0 { pthread_detach(thread) }
    }

    private static func writeForever() {
        while true {
            let (lines, dropped) = ring.take()
            let format = settings.withLock { $0.format }
            var batch: [UInt8] = []
            for line in lines { batch += line.bytes(format) }
            if dropped > 0 {
                let notice = LogLine(
                    unixMilliseconds: WallClock.unixMilliseconds(), level: .warning,
                    message: "log lines were dropped: standard error is not read fast enough",
                    fields: [("count", "\(dropped)")])
                batch += notice.bytes(format)
            }
            batch.withUnsafeBytes { writeAll($0) }
        }
    }

    /// Errors but "try again" lose the rest: there is nobody left to tell.
    private static func writeAll(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while let base = rest.baseAddress, rest.count > 0 {
            let put = Glibc.write(STDERR_FILENO, base, rest.count)
            if put > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[put...])
            } else if errno == EAGAIN {
                var set = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
                poll(&set, 1, -1)
            } else if errno != EINTR {
                return
            }
        }
    }
}
