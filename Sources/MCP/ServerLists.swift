import Wire

/// The four lists of one server while they are read and read again. What was read last stays in force until its
/// successor is complete, so a server that restarts or is slow to list loses nothing in the meantime.
public struct ServerLists: Sendable {
    public enum Step: Sendable, Equatable {
        case done
        /// Ask for the next page; the raw JSON string of its cursor.
        case more(cursor: [UInt8])
    }

    private var current: InlineArray<4, ItemList?> = .init(repeating: nil)
    private var reading: InlineArray<4, ItemList?> = .init(repeating: nil)

    public init() {}

    /// A list that is in force; nil when it was never read to its end.
    public subscript(_ kind: ListKind) -> ItemList? { current[Int(kind.rawValue)] }

    public func count(_ kind: ListKind) -> Int { current[Int(kind.rawValue)]?.count ?? 0 }

    /// Whether a client would see no difference between what is in force here and there.
    public func isSame(as other: ServerLists) -> Bool {
        ListKind.allCases.allSatisfy { kind in
            switch (self[kind], other[kind]) {
            case (nil, nil): true
            case (let mine?, let its?): mine.isSame(as: its)
            default: false
            }
        }
    }

    public func isRefreshing(_ kind: ListKind) -> Bool { reading[Int(kind.rawValue)] != nil }

    /// Starts a list from its first page; pages of an unfinished reading are dropped.
    public mutating func beginRefresh(_ kind: ListKind) { reading[Int(kind.rawValue)] = ItemList(kind) }

    /// The process is a new one: what the last one was telling is dropped, what it told stays.
    public mutating func restart() { reading = .init(repeating: nil) }

    /// Takes a page; `result` is the result object of the server's answer.
    ///
    /// - Parameter mirrors: as `ItemList.add` has it.
    public mutating func add(_ kind: ListKind, result: UnsafeRawBufferPointer, mirrors: Bool = false) -> Step
    {
        var list = reading[Int(kind.rawValue)] ?? ItemList(kind)
        reading[Int(kind.rawValue)] = nil
        let next = list.add(page: result, mirrors: mirrors)
        reading[Int(kind.rawValue)] = list
        if case .page(let cursor) = next { return .more(cursor: cursor) }
        return .done
    }

    /// The list is read to its end, or the server does not have it: what was read comes into force.
    public mutating func complete(_ kind: ListKind) {
        current[Int(kind.rawValue)] = reading[Int(kind.rawValue)] ?? ItemList(kind)
        reading[Int(kind.rawValue)] = nil
    }

    /// The server failed to answer: what was in force stays.
    public mutating func abandon(_ kind: ListKind) { reading[Int(kind.rawValue)] = nil }

    /// As a catalog takes it. `name` is the server's as the caller of the gateway wrote it.
    public func snapshot(name: String, runsTasks: Bool = false) -> ListCatalog.Server {
        ListCatalog.Server(
            name: name, tools: self[.tools], prompts: self[.prompts], resources: self[.resources],
            templates: self[.templates], runsTasks: runsTasks)
    }
}
