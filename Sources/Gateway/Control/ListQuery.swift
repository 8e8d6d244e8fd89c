/// What a list of sandboxes is asked for, and where its next page begins.
struct ListQuery {
    /// A place in the order of creation. Ids make it exact when two were created in one millisecond.
    struct Cursor: Equatable {
        let createdMilliseconds: Int
        let id: String

        var text: String { "\(createdMilliseconds)_\(id)" }
    }

    var isAscending = false
    var showsRunning = true
    var metadata: [(name: String, value: String)] = []
    var template: String?
    var startedAfterMilliseconds: Int?
    var limit: Int
    var cursor: Cursor?

    /// Unknown parameters are ignored; E2B adds some from time to time.
    init(_ query: String, defaultLimit: Int) throws(ControlRefusal) {
        limit = defaultLimit
        var states: [String] = []
        for (name, value) in try QueryString.pairs(query) {
            switch name {
            case "limit": limit = try Self.limit(value)
            case "nextToken": cursor = value.isEmpty ? nil : try Self.cursor(value)
            case "order": isAscending = try Self.isAscending(value)
            case "state": states += value.split(separator: ",").map(String.init)
            case "metadata": metadata += try QueryString.metadata(value)
            case "template": template = value
            case "startedAfter":
                guard let time = Timestamp.unixMilliseconds(value) else {
                    throw .bad("startedAfter must be a date-time such as 2026-01-02T03:04:05Z")
                }
                startedAfterMilliseconds = time
            default: continue
            }
        }
        if let unknown = states.first(where: { $0 != "running" && $0 != "paused" }) {
            throw .bad("state is \"\(unknown)\"; it must be running or paused")
        }
        showsRunning = states.isEmpty || states.contains("running")
    }

    /// Whether `record` passes every filter; paging is not looked at.
    func matches(_ record: SandboxRecord) -> Bool {
        guard showsRunning, template == nil || template == record.templateID else { return false }
        if let after = startedAfterMilliseconds, record.startedMilliseconds <= after { return false }
        return metadata.allSatisfy { wanted in
            record.metadata.contains { $0.0 == wanted.name && $0.1 == wanted.value }
        }
    }

    /// Whether `record` comes after the page that the cursor ended.
    func isPastCursor(_ record: SandboxRecord) -> Bool {
        guard let cursor else { return true }
        let place = (record.createdMilliseconds, record.id)
        let end = (cursor.createdMilliseconds, cursor.id)
        return isAscending ? place > end : place < end
    }

    private static func limit(_ text: String) throws(ControlRefusal) -> Int {
        guard let limit = Int(text), (1...ControlLimits.pageItems).contains(limit) else {
            throw .bad("limit must be a whole number from 1 to \(ControlLimits.pageItems)")
        }
        return limit
    }

    private static func isAscending(_ text: String) throws(ControlRefusal) -> Bool {
        switch text {
        case "asc": return true
        case "desc": return false
        default: throw .bad("order must be asc or desc")
        }
    }

    private static func cursor(_ text: String) throws(ControlRefusal) -> Cursor {
        let halves = text.split(separator: "_", omittingEmptySubsequences: false)
        guard halves.count == 2, let created = Int(halves[0]), SandboxID.isWellFormed(String(halves[1]))
        else { throw .bad("nextToken is not one that this gateway gave out; start without it") }
        return Cursor(createdMilliseconds: created, id: String(halves[1]))
    }
}
