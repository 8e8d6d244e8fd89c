import MCP
import System
import Wire

/// Changes that a server tells of, and resources of it that clients watch.
extension Backend {
    /// The link whose word counts: a server of both eras may tell of its resources in the older one alone.
    var watcher: ServerLink? {
        guard let mirror, mirror.isServing, mirror.profile?.offers.contains(.subscriptions) == true,
            main?.profile?.offers.contains(.subscriptions) != true
        else { return main }
        return mirror
    }

    /// Whether clients may subscribe to its resources, as far as is known.
    var mayWatch: Bool { watcher?.profile.map { $0.offers.contains(.subscriptions) } ?? !isSettledForGood }

    private var isSettledForGood: Bool {
        switch phase {
        case .failed, .needsAuth, .stopping, .stopped: true
        case .resolving, .starting, .ready, .idle, .backoff, .crashLoop: false
        }
    }

    /// Its word on a resource that is watched.
    func word(on uri: String) -> Hearing.Word { watcher?.hearing.word(on: uri) ?? .later }

    /// Each process hears of it: any of them may be the one in which the resource changes.
    func watch(_ uri: String) {
        guard watched.insert(uri).inserted else { return }
        for link in links where link.isServing { link.hearing.watch(uri) }
        wake()
    }

    func unwatch(_ uri: String) {
        guard watched.remove(uri) != nil else { return }
        for link in links where link.isServing { link.hearing.unwatch(uri) }
    }

    /// The server has said a word on a resource; nil: on all that are watched.
    func heard(_ uri: String?, _ word: Hearing.Word) {
        guard let uri else {
            for uri in watched { home.serverSaid(word, on: uri, of: self) }
            return
        }
        home.serverSaid(word, on: uri, of: self)
    }

    /// `notifications/resources/updated`; `uri` is a raw JSON string.
    func resourceUpdated(_ uri: UnsafeRawBufferPointer) {
        guard !watched.isEmpty, let text = uri.insideQuotes, text.count <= MCPLimits.resourceURIBytesMax
        else {
            return
        }
        let uri = JSONText.string(text)
        if TaskKey(uri) == nil { home.resourceUpdated(uri, of: self) }
    }

    /// Notifications may have been missed.
    func mayHaveChanged() {
        guard let main else { return }
        for kind in ListKind.allCases where main.profile?.offers.includes(kind) == true {
            listChanged(kind)
        }
        resourcesMayHaveChanged()
    }

    func resourcesMayHaveChanged() {
        for uri in watched where TaskKey(uri) == nil { home.resourceUpdated(uri, of: self) }
    }
}
