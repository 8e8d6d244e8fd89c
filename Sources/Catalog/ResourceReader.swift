import System
import Wire

/// Reads `{"server-memory": "1GiB", …}`: the names of the operator's settings, each up to the operator's maximum.
struct ResourceReader {
    let policy: ResourcePolicy
    /// Of the member that is read, within `$gateway`.
    let property: String
    /// True: limits of a sandbox as a whole are mistakes.
    var isOfServer = false

    func read(_ value: JSONValue, _ mistakes: inout [ConfigurationError]) -> [ResourceLimit: UInt64] {
        guard let object = value.objectValue else {
            mistakes.append(
                .init(GatewayOptions.member, property, reason: "must be an object, not \(value.kindName)"))
            return [:]
        }
        var limits: [ResourceLimit: UInt64] = [:]
        for member in object {
            switch read(member.name, member.value) {
            case .success(let (limit, wanted)): limits[limit] = wanted
            case .failure(let mistake): mistakes.append(mistake)
            }
        }
        return limits
    }

    private func read(
        _ name: String, _ value: JSONValue
    ) -> Result<(ResourceLimit, UInt64), ConfigurationError> {
        func mistake(_ reason: String) -> Result<(ResourceLimit, UInt64), ConfigurationError> {
            .failure(.init(GatewayOptions.member, "\(property).\(name)", reason: reason))
        }
        let known = ResourceLimit.allCases.filter { !isOfServer || $0.isOfServer }
        guard let limit = ResourceLimit(rawValue: name) else {
            return mistake(
                "unknown limit" + Nearest.question(Nearest.of(name, in: known.map(\.rawValue), limit: 1)))
        }
        guard known.contains(limit) else {
            return mistake("is of the sandbox as a whole: it belongs to \(GatewayOptions.member).limits")
        }
        let wanted = quantity(value, limit)
        guard let wanted, policy.allows(wanted, of: limit) else { return mistake(refusal(wanted, limit)) }
        return .success((limit, wanted))
    }

    /// A text, or a plain number.
    private func quantity(_ value: JSONValue, _ limit: ResourceLimit) -> UInt64? {
        if let text = value.stringValue { return limit.value(of: text) }
        if let whole = value.intValue { return limit.value(of: "\(whole)") }
        return value.doubleValue.flatMap { limit.value(of: "\($0)") }
    }

    private func refusal(_ wanted: UInt64?, _ limit: ResourceLimit) -> String {
        guard let wanted else { return "must be \(limit.form)" }
        if wanted < limit.range.lowerBound {
            return "must be at least \(limit.text(of: limit.range.lowerBound))"
        }
        let most = policy.isUnlimited(limit) ? limit.range.upperBound : policy.maximum[limit]
        return "is more than this gateway's operator allows, which is \(limit.text(of: most))"
    }
}
