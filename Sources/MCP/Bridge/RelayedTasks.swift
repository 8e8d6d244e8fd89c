import Wire

/// Tasks of legacy sessions at legacy servers, which their clients follow themselves. What is not here any more can
/// still be asked for by its sealed id; it is neither listed nor told of.
public struct RelayedTasks: Sendable {
    /// A task as its server knows it.
    public struct Place: Sendable, Hashable {
        public var server: Int
        /// Which of the server's processes or connections has it.
        public var process: UInt32
        public var id: String

        public init(server: Int, process: UInt32, id: String) {
            self.server = server
            self.process = process
            self.id = id
        }
    }

    public struct Entry: Sendable, Equatable {
        public let place: Place
        /// The id as the client knows it: a raw JSON string.
        public let exposed: [UInt8]
        /// The session, as the driver names it.
        public let session: UInt64
        /// The call that began it, under whose id the server tells of its progress.
        public let call: UInt64
        /// What the client wants to be told of progress with, raw JSON; empty for not at all.
        public let token: [UInt8]
        public fileprivate(set) var isOver = false

        public init(place: Place, exposed: [UInt8], session: UInt64, call: UInt64, token: [UInt8] = []) {
            self.place = place
            self.exposed = exposed
            self.session = session
            self.call = call
            self.token = token
        }
    }

    /// The oldest first.
    private var entries: [Entry] = []

    public init() {}

    public var isEmpty: Bool { entries.isEmpty }

    /// One that is over makes room for another, or the oldest.
    public mutating func add(_ entry: Entry) {
        entries.removeAll { $0.place == entry.place }
        if entries.count(where: { $0.session == entry.session }) >= BridgeLimits.tasksPerSessionMax {
            makeRoom { $0.session == entry.session }
        }
        if entries.count >= BridgeLimits.tasksMax { makeRoom { _ in true } }
        entries.append(entry)
    }

    private mutating func makeRoom(_ isCandidate: (Entry) -> Bool) {
        let leaving =
            entries.firstIndex { $0.isOver && isCandidate($0) } ?? entries.firstIndex(where: isCandidate)
        if let leaving { entries.remove(at: leaving) }
    }

    public subscript(_ place: Place) -> Entry? { entries.first { $0.place == place } }

    public func of(call: UInt64) -> Entry? { entries.first { $0.call == call } }

    /// Those that a session may ask for, in the order in which they began.
    public func of(session: UInt64) -> [Entry] { entries.filter { $0.session == session } }

    /// What a server says of a task: `task` is the raw object.
    public mutating func told(_ place: Place, _ task: UnsafeRawBufferPointer) {
        guard let status = JSONMembers.value("status", in: task)?.insideQuotes,
            let at = entries.firstIndex(where: { $0.place == place })
        else { return }
        entries[at].isOver =
            status.equals("completed") || status.equals("failed") || status.equals("cancelled")
    }

    /// Its server knows it no more.
    public mutating func forget(_ place: Place) { entries.removeAll { $0.place == place } }

    /// The session has ended.
    public mutating func leave(session: UInt64) { entries.removeAll { $0.session == session } }

    /// The process has ended, and its tasks with it.
    public mutating func ended(server: Int, process: UInt32) {
        entries.removeAll { $0.place.server == server && $0.place.process == process }
    }
}
