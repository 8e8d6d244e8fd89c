import System
import Wire

/// What is said of a server's rest: `"idleSeconds": 600` or `"keepWarm": true`, of one server or of all of a sandbox.
public struct IdleChoice: Sendable, Equatable {
    /// 0 is never; nil where nothing is said.
    public private(set) var seconds: Int?

    init() {}

    static let members = ["idleSeconds", "keepWarm"]

    /// - Parameter property: of the member that is read, within `$gateway`.
    mutating func read(
        _ member: JSONObject.Member, _ property: String, _ policy: IdlePolicy,
        _ mistakes: inout [ConfigurationError]
    ) {
        func mistake(_ reason: String) {
            mistakes.append(.init(GatewayOptions.member, property, reason: reason))
        }
        if seconds != nil { return mistake("idleSeconds and keepWarm exclude each other") }
        switch (member.name, member.value) {
        case ("keepWarm", .bool(false)): return
        case ("keepWarm", .bool(true)):
            guard policy.allows(0) else {
                return mistake(
                    "this gateway's operator stops every server that was idle for \(policy.maximumSeconds) s")
            }
            seconds = 0
        case ("keepWarm", _): mistake("must be true or false")
        default:
            let most = policy.isBounded ? policy.maximumSeconds : IdlePolicy.range.upperBound
            guard let wanted = member.value.intValue, wanted >= IdlePolicy.range.lowerBound, wanted <= most
            else { return mistake("must be a whole number of seconds from 1 to \(most)") }
            seconds = wanted
        }
    }
}
