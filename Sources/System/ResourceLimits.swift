/// What a sandbox, or one server of it, may use of the machine at the most: by the names that operators and callers
/// write.
public enum ResourceLimit: String, Sendable, CaseIterable {
    /// Memory of one server, with what it keeps in `/tmp`.
    case serverMemory = "server-memory"
    case serverCPUs = "server-cpus"
    /// Processes and threads.
    case serverProcesses = "server-processes"
    /// Descriptors of one process.
    case serverOpenFiles = "server-open-files"
    /// One file that a server writes.
    case serverFileSize = "server-file-size"
    /// All servers of a sandbox together.
    case sandboxMemory = "sandbox-memory"
    case sandboxCPUs = "sandbox-cpus"
    case sandboxProcesses = "sandbox-processes"
    /// The sandbox's `/workspace`, which lies in memory and counts as such. 0: on the disk of the state directory,
    /// without a limit of its own.
    case sandboxDisk = "sandbox-disk"

    /// Of one server; the others are of a sandbox as a whole.
    public var isOfServer: Bool {
        switch self {
        case .serverMemory, .serverCPUs, .serverProcesses, .serverOpenFiles, .serverFileSize: true
        case .sandboxMemory, .sandboxCPUs, .sandboxProcesses, .sandboxDisk: false
        }
    }

    public enum Unit: Sendable {
        case bytes
        /// Hundredths of a CPU.
        case cpuPercent
        case count
    }

    public var unit: Unit {
        switch self {
        case .serverMemory, .serverFileSize, .sandboxMemory, .sandboxDisk: .bytes
        case .serverCPUs, .sandboxCPUs: .cpuPercent
        case .serverProcesses, .serverOpenFiles, .sandboxProcesses: .count
        }
    }

    /// From the least that a small server starts with to more than any machine has.
    public var range: ClosedRange<UInt64> {
        switch self {
        case .serverMemory, .sandboxMemory: 16 << 20...1 << 46
        case .serverFileSize, .sandboxDisk: 1 << 20...1 << 46
        case .serverCPUs, .sandboxCPUs: 1...1024 * 100
        case .serverProcesses, .sandboxProcesses: 8...1 << 22
        case .serverOpenFiles: 16...1 << 20
        }
    }

    /// Where the operator says nothing.
    public var standard: UInt64 {
        switch self {
        // A browser with a few pages needs about 1 GiB.
        case .serverMemory: 2 << 30
        case .sandboxMemory: 4 << 30
        case .serverCPUs: 200
        case .sandboxCPUs: 400
        // Node has about 11, a browser 150.
        case .serverProcesses: 512
        case .sandboxProcesses: 1024
        case .serverOpenFiles: 4096
        case .serverFileSize: 4 << 30
        case .sandboxDisk: 1 << 30
        }
    }

    // MARK: Text

    /// What a value looks like, for messages.
    public var form: String {
        switch unit {
        case .bytes: "a size such as 512MiB or 2GiB"
        case .cpuPercent: "a number of CPUs such as 2 or 0.5"
        case .count: "a whole number"
        }
    }

    /// The value of `512MiB`, `0.5` or `100`; nil for any other text, and for what no `UInt64` holds.
    public func value(of text: String) -> UInt64? {
        switch unit {
        case .bytes:
            let digits = text.prefix { $0.isASCII && $0.isNumber }
            guard let number = UInt64(digits), let shift = Self.shift(text.dropFirst(digits.count)) else {
                return nil
            }
            let (bytes, overflows) = number.multipliedReportingOverflow(by: 1 << shift)
            return overflows ? nil : bytes
        case .cpuPercent: return Self.hundredths(text)
        case .count: return text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt64(text) : nil
        }
    }

    private static func shift(_ suffix: Substring) -> UInt64? {
        switch suffix.lowercased() {
        case "": 0
        case "k", "kib": 10
        case "m", "mib": 20
        case "g", "gib": 30
        case "t", "tib": 40
        default: nil
        }
    }

    /// Two digits after the point are enough for anybody.
    private static func hundredths(_ text: String) -> UInt64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let whole = UInt64(parts[0]), whole <= 1 << 20 else {
            return nil
        }
        guard parts.count == 2 else { return whole * 100 }
        let areDigits = parts[1].utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard (1...2).contains(parts[1].utf8.count), areDigits, let part = UInt64(parts[1]) else {
            return nil
        }
        return whole * 100 + (parts[1].utf8.count == 1 ? part * 10 : part)
    }

    /// As `value(of:)` reads it.
    public func text(of value: UInt64) -> String {
        switch unit {
        case .bytes:
            for (shift, suffix) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] as [(UInt64, String)]
            where value != 0 && value % (1 << shift) == 0 {
                return "\(value >> shift)\(suffix)"
            }
            return "\(value)"
        case .cpuPercent:
            let part = value % 100
            if part == 0 { return "\(value / 100)" }
            return part % 10 == 0
                ? "\(value / 100).\(part / 10)" : "\(value / 100).\(part < 10 ? "0" : "")\(part)"
        case .count: return "\(value)"
        }
    }
}

/// A value for each limit.
public struct ResourceLimits: Sendable, Equatable {
    private var values = ResourceLimit.allCases.map(\.standard)

    public init() {}

    public subscript(_ limit: ResourceLimit) -> UInt64 {
        get { values[Self.index(limit)] }
        set { values[Self.index(limit)] = newValue }
    }

    private static func index(_ limit: ResourceLimit) -> Int {
        switch limit {
        case .serverMemory: 0
        case .serverCPUs: 1
        case .serverProcesses: 2
        case .serverOpenFiles: 3
        case .serverFileSize: 4
        case .sandboxMemory: 5
        case .sandboxCPUs: 6
        case .sandboxProcesses: 7
        case .sandboxDisk: 8
        }
    }

    /// These, with what one server has of its own.
    public func with(_ own: [ResourceLimit: UInt64]) -> ResourceLimits {
        var limits = self
        for (limit, value) in own { limits[limit] = value }
        return limits
    }

    /// No server may use more than its whole sandbox.
    public var consistent: ResourceLimits {
        var limits = self
        for (server, sandbox) in [
            (.serverMemory, .sandboxMemory), (.serverCPUs, .sandboxCPUs),
            (.serverProcesses, .sandboxProcesses),
        ] as [(ResourceLimit, ResourceLimit)] {
            limits[server] = min(self[server], self[sandbox])
        }
        return limits
    }
}

/// What sandboxes get, and what their creators may ask for at the most.
public struct ResourcePolicy: Sendable, Equatable {
    public var standard = ResourceLimits()
    public var maximum = ResourceLimits()

    public init() {}

    /// Whether a caller may have `value`. On the disk of the state directory there is no limit.
    public func allows(_ value: UInt64, of limit: ResourceLimit) -> Bool {
        limit.range.contains(value) && (value <= maximum[limit] || isUnlimited(limit))
    }

    public func isUnlimited(_ limit: ResourceLimit) -> Bool { limit == .sandboxDisk && maximum[limit] == 0 }
}
