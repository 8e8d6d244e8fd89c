import CEpollShim
import Glibc

/// An error of the system: the errno value and what was being done.
public struct Errno: Error, Equatable, Sendable, CustomStringConvertible {
    /// A positive errno value.
    public let code: Int32
    /// What was attempted, such as `reading config.yaml`.
    public let action: String

    /// - Parameter code: an errno value; the negative results of the C shim are taken as well.
    public init(_ code: Int32, _ action: String) {
        self.code = code < 0 ? 0 &- code : code
        self.action = action
    }

    /// The system's words for the code, such as `No such file or directory`.
    public var reason: String { String(cString: ce_error_text(code)) }

    public var description: String { "\(action): \(reason)" }
}

extension Errno {
    /// Passes a result of the C shim on, or throws when it is `-errno`.
    @inlinable @discardableResult
    public static func check(_ result: Int32, _ action: @autoclosure () -> String) throws(Errno) -> Int32 {
        guard result >= 0 else { throw Errno(result, action()) }
        return result
    }
}
