import System

/// Things that are due at an instant, the earliest first: a binary heap whose entries know their place, so
/// that a cancelled alarm leaves at once. Without that, a client that keeps moving a timeout would grow it.
struct AlarmHeap<Payload> {
    struct ID: Hashable {
        fileprivate let ordinal: UInt64
    }

    private struct Entry {
        let due: Instant
        let id: ID
        let payload: Payload
    }

    private var entries: [Entry] = []
    private var places: [ID: Int] = [:]
    private var lastOrdinal: UInt64 = 0

    var count: Int { entries.count }
    var earliest: Instant? { entries.first?.due }

    mutating func add(_ payload: Payload, due: Instant) -> ID {
        lastOrdinal += 1
        let id = ID(ordinal: lastOrdinal)
        entries.append(Entry(due: due, id: id, payload: payload))
        places[id] = entries.count - 1
        rise(entries.count - 1)
        return id
    }

    /// Does nothing when the alarm has fired or was cancelled.
    mutating func cancel(_ id: ID) {
        guard let place = places[id] else { return }
        remove(place)
    }

    /// The earliest alarm that is due at `now`; nil when none is.
    mutating func popDue(_ now: Instant) -> Payload? {
        guard let first = entries.first, first.due <= now else { return nil }
        remove(0)
        return first.payload
    }

    private mutating func remove(_ place: Int) {
        let last = entries.count - 1
        if place != last { swap(place, last) }
        places[entries.removeLast().id] = nil
        guard place < entries.count else { return }
        sink(place)
        rise(place)
    }

    private func isEarlier(_ a: Int, _ b: Int) -> Bool {
        if entries[a].due == entries[b].due { return entries[a].id.ordinal < entries[b].id.ordinal }
        return entries[a].due < entries[b].due
    }

    private mutating func swap(_ a: Int, _ b: Int) {
        entries.swapAt(a, b)
        places[entries[a].id] = a
        places[entries[b].id] = b
    }

    private mutating func rise(_ start: Int) {
        var place = start
        while place > 0, isEarlier(place, (place - 1) / 2) {
            swap(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < entries.count {
                if isEarlier(child, least) { least = child }
            }
            if least == place { return }
            swap(place, least)
            place = least
        }
    }
}
