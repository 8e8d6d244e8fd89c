import System
import Wire

/// Lists as sessions of a revision get them: without what it does not know, and for 2025-11-25 with what it alone
/// knows, tools that can be called as tasks. Each is made when it is first asked for, and kept until the lists change.
public struct OlderLists {
    private struct Key: Hashable {
        var kind: ListKind
        var revision: Revision
    }

    private var tails: [Key: OwnedBytes] = [:]

    public init() {}

    /// The lists have changed.
    public mutating func removeAll() { tails.removeAll() }

    mutating func tail(_ kind: ListKind, _ revision: Revision, of lists: MergedLists) -> OwnedBytes {
        let key = Key(kind: kind, revision: revision)
        if let known = tails[key] { return known }
        let tail = OlderItems(kind, revision).tail(lists[kind]) ?? lists.tail(kind)
        tails[key] = tail
        return tail
    }
}

extension ListCatalog {
    /// The whole response for a session.
    public func write(
        _ kind: ListKind, for revision: Revision, _ older: inout OlderLists, id: UnsafeRawBufferPointer,
        into outbox: inout Outbox
    ) {
        write(older.tail(kind, revision, of: lists), isModern: false, id: id, into: &outbox)
    }
}

/// What of the members of a list's items a revision has.
struct OlderItems {
    private let kind: ListKind
    private let revision: Revision

    init(_ kind: ListKind, _ revision: Revision) {
        self.kind = kind
        self.revision = revision
    }

    /// Nil when every item is as the revision has it.
    func tail(_ list: MergedList) -> OwnedBytes? {
        let all = list.tail.bytes
        let start = kind.member.utf8CodeUnitCount + 3
        let items = all.piece(start, all.count - 1)
        var out = ByteCollector()
        out.append(all.piece(0, start))
        var isChanged = false
        var walker = ArrayWalker(items)
        var index = 0
        while let range = walker.next() {
            out.append(index == 0 ? "[" : ",")
            let adding = revision == .v2025_11_25 && list.taskItems.contains(index)
            if write(range.of(items), asTask: adding, into: &out) { isChanged = true }
            index += 1
        }
        guard isChanged else { return nil }
        out.append("]}")
        return OwnedBytes(out.bytes)
    }

    /// Whether the item had to be changed.
    private func write(
        _ item: UnsafeRawBufferPointer, asTask: Bool, into out: inout ByteCollector
    ) -> Bool {
        var isChanged = asTask
        var isFirst = true
        var walker = ObjectWalker(item)
        out.append("{")
        while let member = walker.next() {
            let (key, value) = (JSONKey(member, in: item), member.value.of(item))
            if isUnknown(key, value) {
                isChanged = true
                continue
            }
            if !isFirst { out.append(",") }
            isFirst = false
            if kind == .prompts, revision < .v2025_06_18, key.equals("arguments"), hasTitles(value) {
                isChanged = true
                writeArguments(value, into: &out)
            } else {
                out.append(member.whole.of(item))
            }
        }
        if asTask { out.append(",\"execution\":{\"taskSupport\":\"optional\"}") }
        out.append("}")
        return isChanged
    }

    private func isUnknown(_ key: JSONKey, _ value: UnsafeRawBufferPointer) -> Bool {
        if key.equals("icons") { return revision < .v2025_11_25 }
        if key.equals("title") || key.equals("_meta") { return revision < .v2025_06_18 }
        guard kind == .tools else { return false }
        if key.equals("annotations") { return revision < .v2025_03_26 }
        // Before 2026-07-28 structured content is an object.
        return key.equals("outputSchema") && (revision < .v2025_06_18 || !isOfObject(value))
    }

    private func isOfObject(_ schema: UnsafeRawBufferPointer) -> Bool {
        JSONMembers.value("type", in: schema)?.equals("\"object\"") ?? false
    }

    private func hasTitles(_ arguments: UnsafeRawBufferPointer) -> Bool {
        var walker = ArrayWalker(arguments)
        while let range = walker.next() {
            if JSONMembers.has("title", in: range.of(arguments)) { return true }
        }
        return false
    }

    private func writeArguments(_ arguments: UnsafeRawBufferPointer, into out: inout ByteCollector) {
        out.append("\"arguments\":[")
        var isFirst = true
        var walker = ArrayWalker(arguments)
        while let range = walker.next() {
            if !isFirst { out.append(",") }
            isFirst = false
            MemberFilter.write(range.of(arguments), without: ["title"], into: &out)
        }
        out.append("]")
    }
}
