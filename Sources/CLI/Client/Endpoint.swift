/// Where a gateway is: what `--url` names.
struct Endpoint: Sendable, Equatable {
    var isTLS: Bool
    var host: String
    var port: Int

    /// `http://HOST[:PORT]` or `https://…`; a path is refused, since every route is the gateway's own.
    init(_ url: String) throws(CommandFailure) {
        let origin: String
        do throws(SettingMistake) {
            origin = try SettingValue.origin(url)
        } catch {
            throw CommandFailure("--url: \(error.message)")
        }
        isTLS = origin.hasPrefix("https://")
        let authority = origin.dropFirst(isTLS ? 8 : 7)
        let end = authority.lastIndex(of: "]") ?? authority.startIndex
        let colon = authority[end...].lastIndex(of: ":")
        host = String(authority[..<(colon ?? authority.endIndex)].filter { $0 != "[" && $0 != "]" })
        port = isTLS ? 443 : 80
        if let colon {
            guard let number = Int(authority[authority.index(after: colon)...]), (1...65535).contains(number)
            else {
                throw CommandFailure("--url: the port of \(url) must be a number from 1 to 65535")
            }
            port = number
        }
        guard !host.isEmpty else { throw CommandFailure("--url: \(url) names no host") }
    }

    var authority: String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }
    var url: String { (isTLS ? "https://" : "http://") + authority }
}
