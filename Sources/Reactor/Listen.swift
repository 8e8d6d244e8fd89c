import CEpollShim
import Glibc
import System

/// A non-blocking TCP listener.
/// - Parameters:
///   - host: an IPv4 or IPv6 literal (brackets allowed), or `localhost`, which is 127.0.0.1. Other names are
///     refused: which of their addresses to serve is a decision for the operator.
///   - port: 0 lets the kernel choose; `localPort` tells.
///   - reusePort: several listeners may share the address, each with its part of the connections.
/// - Throws: `Errno`, whose action names the address.
public func listen(host: String, port: Int, backlog: Int, reusePort: Bool) throws(Errno) -> Int32 {
    let action = "listening on \(host):\(port)"
    guard (0...65535).contains(port), !host.utf8.contains(0) else { throw Errno(EINVAL, action) }
    var address = host
    if host == "localhost" { address = "127.0.0.1" }
    if host.hasPrefix("["), host.hasSuffix("]") { address = String(host.dropFirst().dropLast()) }
    return try Errno.check(
        ce_listen_tcp(address, Int32(port), Int32(clamping: backlog), reusePort ? 1 : 0), action)
}

/// The port that a listener got.
public func localPort(of descriptor: Int32) throws(Errno) -> Int {
    Int(try Errno.check(ce_local_port(descriptor), "reading the port of a listener"))
}
