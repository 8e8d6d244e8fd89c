import Wire

/// One list of one server as it was read, page by page: the items' own bytes, each checked for what clients
/// need of it. An item that would make clients refuse the whole merged list is left out and named in
/// `problems`.
public struct ItemList: Sendable {
    struct Item: Sendable {
        /// The whole object, in `bytes`.
        var whole: ByteRange
        /// The raw JSON string of its name or URI, in `bytes`.
        var key: ByteRange
    }

    public enum Next: Sendable, Equatable {
        case done
        /// The raw JSON string to ask the next page with.
        case page(cursor: [UInt8])
    }

    public let kind: ListKind
    private(set) var bytes: [UInt8] = []
    private(set) var items: [Item] = []
    /// Sentences for the operator, hostile text in them cut short.
    public private(set) var problems: [String] = []
    /// Tools that can be called as tasks (2025-11-25), by their server's names.
    public private(set) var taskTools: [String: TaskSupport] = [:]
    private var cursors = Set<[UInt8]>()

    public init(_ kind: ListKind) { self.kind = kind }

    public var count: Int { items.count }

    /// Whether a client would see no difference.
    func isSame(as other: ItemList) -> Bool { bytes == other.bytes && items.count == other.items.count }

    /// Whether the tool of that name can be called as a task.
    func runsAsTask(_ name: [UInt8]) -> Bool {
        !taskTools.isEmpty && taskTools[String(decoding: name, as: UTF8.self)] != nil
    }

    /// Calls `body` with each item: the inside of the string that it is addressed by, and the whole object.
    func forEach(_ body: (_ key: UnsafeRawBufferPointer, _ item: UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { bytes in
            for item in items {
                guard let key = item.key.of(bytes).insideQuotes else { continue }
                body(key, item.whole.of(bytes))
            }
        }
    }

    /// Takes the items of a page. `result` is the result object of the server's answer, validated JSON.
    ///
    /// - Parameter mirrors: arguments go into headers, and a tool that says so wrongly must not be called (2026-07-28,
    ///   Streamable HTTP).
    public mutating func add(page result: UnsafeRawBufferPointer, mirrors: Bool = false) -> Next {
        guard let member = JSONMembers.value(kind.member, in: result), JSONKind(member) == .array else {
            note("the result of \(kind.method.text) has no array \(kind.member)")
            return .done
        }
        var walker = ArrayWalker(member)
        while let range = walker.next() {
            let item = range.of(member)
            guard items.count < MCPLimits.listItemsMax, bytes.count + item.count < MCPLimits.listBytesMax
            else {
                note(
                    "\(kind.method.text): more than \(MCPLimits.listItemsMax) items or "
                        + "\(MCPLimits.listBytesMax >> 20) MiB; the rest is left out")
                return .done
            }
            if mirrors, kind == .tools, case .invalid(let fault) = Mirrors.read(tool: item) {
                note("tools/list, item \(items.count + 1): \(fault); it is left out")
                continue
            }
            add(item)
        }
        return next(JSONMembers.value("nextCursor", in: result))
    }

    private mutating func next(_ cursor: UnsafeRawBufferPointer?) -> Next {
        guard let cursor, JSONKind(cursor) == .string else { return .done }
        guard cursor.count <= MCPLimits.cursorBytesMax else {
            note("\(kind.method.text): nextCursor is longer than \(MCPLimits.cursorBytesMax) bytes")
            return .done
        }
        guard cursors.count + 1 < MCPLimits.listPagesMax else {
            note("\(kind.method.text): more than \(MCPLimits.listPagesMax) pages; the rest is left out")
            return .done
        }
        guard cursors.insert(Array(cursor)).inserted else {
            note("\(kind.method.text): nextCursor \(RPCFailure.quoted(cursor)) came twice")
            return .done
        }
        return .page(cursor: Array(cursor))
    }

    /// How a tool can be called is between the gateway and its server: to clients it is a tool like any, which those
    /// of 2025-11-25 may call as a task, whether their server lets them choose or not.
    private mutating func add(_ item: UnsafeRawBufferPointer) {
        guard kind == .tools, JSONMembers.has("execution", in: item) else { return keep(item) }
        if let support = TaskSupport(tool: item), let name = JSONMembers.value("name", in: item)?.insideQuotes
        {
            taskTools[JSONText.string(name)] = support
        }
        var plain = ByteCollector()
        var splice = Splice(item, hasLineBreaks: false)
        splice.remove(["execution"], from: ByteRange(start: 0, count: UInt32(truncatingIfNeeded: item.count)))
        splice.write(into: &plain)
        plain.bytes.withUnsafeBytes { keep($0) }
    }

    private mutating func keep(_ item: UnsafeRawBufferPointer) {
        let checked: ItemCheck
        switch ItemCheck.check(item, kind) {
        case .success(let found): checked = found
        case .failure(let fault):
            note("\(kind.method.text), item \(items.count + 1): \(fault.reason); it is left out")
            return
        }
        let start = UInt32(truncatingIfNeeded: bytes.count)
        var out = ByteCollector()
        swap(&out.bytes, &bytes)
        // Names and URIs are short of the schema, so the repair comes after or before the key: two cases.
        var key = checked.key
        if let repair = checked.repair {
            out.append(onOneLine: item.piece(0, repair.offset))
            out.append(repair.text)
            out.append(onOneLine: item.piece(repair.offset, item.count))
            if repair.offset <= Int(key.start) { key.start += UInt32(repair.text.utf8CodeUnitCount) }
        } else {
            out.append(onOneLine: item)
        }
        swap(&out.bytes, &bytes)
        let count = UInt32(truncatingIfNeeded: bytes.count) - start
        items.append(Item(whole: ByteRange(start: start, count: count), key: key.shifted(by: start)))
    }

    private mutating func note(_ problem: String) {
        // One faulty server must not fill the log: the first few tell the story.
        if problems.count < 20 { problems.append(problem) }
    }
}

/// What the members of one list item must be.
struct ItemCheck {
    struct Fault: Error { var reason: String }

    /// The raw JSON string the item is addressed by.
    var key: ByteRange
    /// Text to put into the item before that offset.
    var repair: (offset: Int, text: StaticString)?

    static func check(_ item: UnsafeRawBufferPointer, _ kind: ListKind) -> Result<ItemCheck, Fault> {
        guard JSONKind(item) == .object else { return .failure(Fault(reason: "is not an object")) }
        var key: ByteRange?
        var name: ByteRange?
        var schema: ByteRange?
        var walker = ObjectWalker(item)
        while let member = walker.next() {
            let label = JSONKey(member, in: item)
            // A second one of the same name could be the one that another reader takes.
            if label.equals(kind.key) {
                guard key == nil else { return .failure(Fault(reason: "\(kind.key) comes twice")) }
                key = member.value
            }
            if label.equals("name") { name = member.value }
            if kind == .tools, label.equals("inputSchema") {
                guard schema == nil else { return .failure(Fault(reason: "inputSchema comes twice")) }
                schema = member.value
            }
        }
        guard let key, let text = key.of(item).insideQuotes, !text.isEmpty else {
            return .failure(Fault(reason: "\(kind.key) must be a non-empty string"))
        }
        guard text.count <= kind.keyBytesMax else {
            return .failure(Fault(reason: "\(kind.key) is longer than \(kind.keyBytesMax) bytes"))
        }
        guard let name, JSONKind(name.of(item)) == .string else {
            return .failure(Fault(reason: "\(RPCFailure.quoted(text)): name must be a string"))
        }
        guard kind == .tools else { return .success(ItemCheck(key: key, repair: nil)) }
        guard let schema, JSONKind(schema.of(item)) == .object else {
            return .failure(Fault(reason: "\(RPCFailure.quoted(text)): inputSchema must be an object"))
        }
        return checkSchema(schema.of(item), at: Int(schema.start), key, text)
    }

    /// Every revision fixes `inputSchema.type` to "object", and strict clients drop the whole list otherwise.
    /// Servers that leave it out mean nothing else, so it is put in.
    private static func checkSchema(
        _ schema: UnsafeRawBufferPointer, at offset: Int, _ key: ByteRange, _ text: UnsafeRawBufferPointer
    ) -> Result<ItemCheck, Fault> {
        guard let type = JSONMembers.value("type", in: schema) else {
            var walker = ObjectWalker(schema)
            let isEmpty = walker.next() == nil
            return .success(
                ItemCheck(
                    key: key,
                    repair: (offset + 1, isEmpty ? "\"type\":\"object\"" : "\"type\":\"object\",")))
        }
        guard let inside = type.insideQuotes, JSONText.equals(inside, StaticString("object").bytes) else {
            return .failure(
                Fault(reason: "\(RPCFailure.quoted(text)): inputSchema.type must be \"object\""))
        }
        return .success(ItemCheck(key: key, repair: nil))
    }
}

/// `execution.taskSupport` of a tool that can be called as a task (2025-11-25).
public enum TaskSupport: Sendable, Equatable {
    case optional, required

    init?(tool: UnsafeRawBufferPointer) {
        guard let execution = JSONMembers.value("execution", in: tool),
            let support = JSONMembers.value("taskSupport", in: execution)
        else { return nil }
        if support.equals("\"optional\"") {
            self = .optional
        } else if support.equals("\"required\"") {
            self = .required
        } else {
            return nil
        }
    }
}
