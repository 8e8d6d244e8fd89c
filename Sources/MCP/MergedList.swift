import System
import Wire

/// Who serves something, and what that server calls it.
struct Owner: Sendable, Equatable {
    /// Index into the servers that the catalog was built from.
    var server: Int
    var form: Form

    enum Form: Sendable, Equatable {
        case same
        /// A raw JSON string in the list's `originals`.
        case renamed(ListKind, ByteRange)
        /// The first bytes of the client's URI are the gateway's.
        case prefixed(bytes: Int)
    }
}

/// One kind of item of all servers: the bytes clients get and the table they are found by.
struct MergedList: Sendable {
    /// `"tools":[…]}`
    let tail: OwnedBytes
    /// Exposed names or URIs to indices of `owners`.
    let table: NameTable
    let owners: [Owner]
    /// Raw JSON strings, one after the other. Stays where it is for as long as the catalog lives.
    let originals: OwnedBytes
    let countsByServer: [Int]
    /// Those that clients of 2025-11-25 may call as tasks, by their positions.
    let taskItems: Set<Int>
    let problems: [String]

    var count: Int { owners.count }

    func owner(_ name: UnsafeRawBufferPointer) -> Owner? {
        guard let index = table.value(of: name), owners.indices.contains(Int(index)) else { return nil }
        return owners[Int(index)]
    }

    /// Collects items in the order in which clients see them.
    struct Builder {
        private let kind: ListKind
        private var tail = ByteCollector()
        private var table = NameTable()
        private var owners: [Owner] = []
        private var originals = ByteCollector()
        private var countsByServer: [Int]
        private var taskItems: Set<Int> = []
        var problems: [String] = []

        init(_ kind: ListKind, servers: Int) {
            self.kind = kind
            countsByServer = Array(repeating: 0, count: servers)
            tail.append("\"")
            tail.append(kind.member)
            tail.append("\":[")
        }

        /// False, and nothing is added, when `exposed` is taken.
        mutating func add(_ item: Candidate, exposed: [UInt8], form: (ByteRange) -> Owner.Form) -> Bool {
            let index = Int32(truncatingIfNeeded: owners.count)
            guard exposed.withUnsafeBytes({ table.insert($0, index) }) else { return false }
            if !owners.isEmpty { tail.append(",") }
            item.list.bytesOf(item.index) { whole, key in
                if exposed == item.key {
                    // Byte for byte, also where the server chose other escapes than we would.
                    tail.append(whole)
                } else {
                    tail.append(whole.piece(0, Int(key.start)))
                    exposed.withUnsafeBytes { JSONText.appendString($0, into: &tail) }
                    tail.append(whole.piece(key.end, whole.count))
                }
                let start = originals.bytes.count
                originals.append(key.of(whole))
                let range = ByteRange(start: UInt32(start), count: key.count)
                owners.append(Owner(server: item.server, form: exposed == item.key ? .same : form(range)))
            }
            countsByServer[item.server] += 1
            if item.mayBeTask { taskItems.insert(owners.count - 1) }
            return true
        }

        consuming func finish() -> MergedList {
            tail.append("]}")
            return MergedList(
                tail: OwnedBytes(tail.bytes), table: table, owners: owners,
                originals: OwnedBytes(originals.bytes), countsByServer: countsByServer, taskItems: taskItems,
                problems: problems)
        }
    }

    /// An item on its way into the merged list.
    struct Candidate {
        var server: Int
        var list: ItemList
        var index: Int
        /// Its name or URI, decoded.
        var key: [UInt8]
        var mayBeTask: Bool
    }
}

extension ItemList {
    /// The item's bytes and where in them its key is.
    func bytesOf(_ index: Int, _ body: (UnsafeRawBufferPointer, ByteRange) -> Void) {
        let item = items[index]
        let key = ByteRange(start: item.key.start - item.whole.start, count: item.key.count)
        bytes.withUnsafeBytes { body(item.whole.of($0), key) }
    }

    /// The decoded names or URIs in order.
    var keys: [[UInt8]] {
        bytes.withUnsafeBytes { all in
            items.map { item in
                guard let inside = item.key.of(all).insideQuotes else { return [] }
                return withDecodedText(inside, limit: inside.count) { Array($0) } ?? []
            }
        }
    }
}
