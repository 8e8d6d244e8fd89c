import System
import Wire

/// Who watches which resource, over all clients of a sandbox and both eras, and what its servers have to be told
/// about it: each resource once, however many watch it.
public struct Watches: Sendable {
    /// A change of what a server is watched for.
    public enum Upstream: Sendable, Equatable {
        case subscribe(server: Int, uri: String)
        case unsubscribe(server: Int, uri: String)
    }

    public enum Outcome: Sendable, Equatable {
        /// Watched; tell the server when `upstream` is not nil.
        case watching(Upstream?)
        /// The client, or the sandbox, watches too much already.
        case full
    }

    /// A client that is to hear of a change.
    public struct Hearer: Sendable, Equatable {
        public var client: UInt64
        /// The URI as the client knows the resource.
        public var uri: String
    }

    private struct Place: Hashable {
        var server: Int
        var uri: String
    }

    /// Clients with the URI under which each knows the resource.
    private var watchers: [Place: [UInt64: String]] = [:]
    private var byClient: [UInt64: Set<Place>] = [:]
    /// Nobody watches these any more, but the server does not know yet.
    private var lingering: [Place: Instant] = [:]

    public init() {}

    public var isEmpty: Bool { watchers.isEmpty && lingering.isEmpty }
    public var nextTick: Instant? { lingering.values.min() }

    /// - Parameters:
    ///   - client: a legacy session or a listen stream, as the driver names it.
    ///   - uri: the server's own.
    ///   - exposed: the client's.
    public mutating func watch(_ client: UInt64, server: Int, uri: String, exposed: String) -> Outcome {
        let place = Place(server: server, uri: uri)
        let known = byClient[client]?.contains(place) ?? false
        if !known {
            guard (byClient[client]?.count ?? 0) < BridgeLimits.watchedPerClientMax,
                watchers[place] != nil || watchers.count < BridgeLimits.watchedMax
            else { return .full }
        }
        let isFirst = watchers[place] == nil && lingering.removeValue(forKey: place) == nil
        watchers[place, default: [:]][client] = exposed
        byClient[client, default: []].insert(place)
        return .watching(isFirst ? .subscribe(server: server, uri: uri) : nil)
    }

    /// Whether a client watches anything.
    public func has(_ client: UInt64) -> Bool { byClient[client]?.isEmpty == false }

    public mutating func unwatch(_ client: UInt64, server: Int, uri: String, now: Instant) {
        drop(client, Place(server: server, uri: uri), now)
    }

    /// The session or stream has ended.
    public mutating func leave(_ client: UInt64, now: Instant) {
        for place in byClient[client] ?? [] { drop(client, place, now) }
    }

    private mutating func drop(_ client: UInt64, _ place: Place, _ now: Instant) {
        guard byClient[client]?.remove(place) != nil else { return }
        if byClient[client]?.isEmpty == true { byClient[client] = nil }
        watchers[place]?[client] = nil
        guard watchers[place]?.isEmpty == true else { return }
        watchers[place] = nil
        lingering[place] = now.advanced(milliseconds: BridgeLimits.unsubscribeMilliseconds)
    }

    /// What nobody has come back to.
    public mutating func tick(now: Instant) -> [Upstream] {
        let due = lingering.filter { now >= $0.value }.keys
        for place in due { lingering[place] = nil }
        return due.map { .unsubscribe(server: $0.server, uri: $0.uri) }
            .sorted { Self.order($0) < Self.order($1) }
    }

    /// What a server that has started anew must be told; of one that never will, pass the same and ignore it.
    public func uris(of server: Int) -> [String] {
        watchers.keys.filter { $0.server == server }.map(\.uri).sorted()
    }

    /// The server is gone from the sandbox.
    public mutating func remove(server: Int) {
        for place in watchers.keys where place.server == server {
            for client in watchers[place]?.keys.map({ $0 }) ?? [] { byClient[client]?.remove(place) }
            watchers[place] = nil
        }
        lingering = lingering.filter { $0.key.server != server }
    }

    /// Who hears of a change at `uri`: those who watch it, or something that it lies in.
    public func hearers(server: Int, uri: String) -> [Hearer] {
        var found: [UInt64: String] = [:]
        for candidate in Self.ancestors(uri) {
            for (client, exposed) in watchers[Place(server: server, uri: candidate)] ?? [:]
            where found[client] == nil {
                // A part of a watched resource is told by its own URI, unless the client knows another.
                found[client] = exposed == candidate ? uri : exposed
            }
        }
        return found.map { Hearer(client: $0.key, uri: $0.value) }.sorted { $0.client < $1.client }
    }

    /// The URI itself, then what it lies in, the nearest first: cut at each `/`, with it and without.
    private static func ancestors(_ uri: String) -> [String] {
        var found = [uri]
        let bytes = Array(uri.utf8)
        var end = bytes.count
        while found.count < 64, let slash = bytes[..<end].lastIndex(of: UInt8(ascii: "/")) {
            if slash + 1 < bytes.count { found.append(String(decoding: bytes[...slash], as: UTF8.self)) }
            found.append(String(decoding: bytes[..<slash], as: UTF8.self))
            end = slash
        }
        return found
    }

    private static func order(_ change: Upstream) -> String {
        switch change {
        case .subscribe(let server, let uri), .unsubscribe(let server, let uri): "\(server) \(uri)"
        }
    }
}

/// What is to be heard: `params.notifications` of `subscriptions/listen`, and of its acknowledgement.
public struct ListenWish: Sendable, Equatable {
    public var lists: ListenFilter
    /// Decoded, in order, each once; cut at `urisMax`.
    public var uris: [String]
    /// The same of `taskIds`, of the extension for tasks.
    public var tasks: [String]

    /// `object` is the raw value.
    public init(object: UnsafeRawBufferPointer, urisMax: Int = BridgeLimits.watchedPerClientMax) {
        lists = ListenFilter(object: object)
        uris = Self.texts("resourceSubscriptions", in: object, max: urisMax)
        tasks = Self.texts("taskIds", in: object, max: urisMax)
    }

    private static func texts(_ name: StaticString, in object: UnsafeRawBufferPointer, max: Int) -> [String] {
        guard let list = JSONMembers.value(name, in: object) else { return [] }
        var found: [String] = []
        var seen: Set<String> = []
        var walker = ArrayWalker(list)
        while let element = walker.next(), found.count < max {
            guard let inside = element.of(list).insideQuotes, inside.count <= MCPLimits.resourceURIBytesMax
            else { continue }
            let text = JSONText.string(inside)
            if seen.insert(text).inserted { found.append(text) }
        }
        return found
    }
}
