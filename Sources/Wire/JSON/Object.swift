/// The members of a JSON object in the order in which they came.
public struct JSONObject: Sendable, Equatable, Sequence {
    public struct Member: Sendable, Equatable {
        public var name: String
        public var value: JSONValue

        public init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Up to this many members a search from the front is faster than a table.
    private static let linearMax = 12

    public private(set) var members: [Member] = []
    /// Name to position; empty while there are at most `linearMax` members.
    private var positions: [String: Int] = [:]

    public init() {}

    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }
    public var names: [String] { members.map(\.name) }

    /// Assigning nil removes the member; a new one goes to the end.
    public subscript(_ name: String) -> JSONValue? {
        get { position(of: name).map { members[$0].value } }
        set {
            switch (position(of: name), newValue) {
            case (let at?, let value?): members[at].value = value
            case (let at?, nil):
                members.remove(at: at)
                reindex()
            case (nil, let value?): append(Member(name: name, value: value))
            case (nil, nil): break
            }
        }
    }

    /// False, and unchanged, when the name is there.
    mutating func insert(_ member: Member) -> Bool {
        guard position(of: member.name) == nil else { return false }
        append(member)
        return true
    }

    public func makeIterator() -> IndexingIterator<[Member]> { members.makeIterator() }

    /// Same members in the same order.
    public static func == (a: JSONObject, b: JSONObject) -> Bool { a.members == b.members }

    private func position(of name: String) -> Int? {
        if members.count <= Self.linearMax { return members.firstIndex { $0.name == name } }
        return positions[name]
    }

    private mutating func append(_ member: Member) {
        members.append(member)
        if members.count == Self.linearMax + 1 {
            reindex()
        } else if members.count > Self.linearMax {
            positions[member.name] = members.count - 1
        }
    }

    private mutating func reindex() {
        positions.removeAll()
        guard members.count > Self.linearMax else { return }
        for (at, member) in members.enumerated() { positions[member.name] = at }
    }
}
