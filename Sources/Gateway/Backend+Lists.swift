import Catalog
import MCP
import Reactor
import Sandbox
import System
import Telemetry
import Wire

/// What the server has, read when it is ready and when it says that it has changed.
extension Backend {
    /// What clients of `era` can run at it as tasks; what it said last, while it is away.
    func taskOffer(_ era: Era) -> TaskOffer {
        guard let (spoken, offers) = lastOffers, spoken == era, offers.contains(.tasks) else { return .none }
        return .running(isCancellable: offers.contains(.taskCancellation))
    }

    /// Reads every list anew; then the server is ready.
    func readLists() {
        lastOffers = main?.profile.map { (main?.era ?? .legacy, $0.offers) }
        hasLists = false
        lists.restart()
        refreshNext(after: nil)
    }

    /// Asks for the next list that the server says it has; when all are there, it is ready.
    func refreshNext(after previous: ListKind?) {
        let start = previous.map { Int($0.rawValue) + 1 } ?? 0
        for kind in ListKind.allCases.dropFirst(start) {
            if main?.profile?.offers.includes(kind) == true {
                lists.beginRefresh(kind)
                main?.askList(kind, cursor: nil)
                return
            }
            lists.complete(kind)
        }
        (main as? ChildLink)?.settled()
        hasLists = true
        becomeReady()
    }

    /// The answer to one of the gateway's own requests.
    func answered(
        _ link: ServerLink, _ kind: Call.Kind, _ envelope: Envelope, _ line: UnsafeRawBufferPointer
    ) {
        switch kind {
        case .open(let question): (link as? ChildLink)?.opened(question, envelope, line)
        case .list(let list): if link === main { listed(list, envelope, line) }
        case .task(let question, let call): link.taskAnswered(question, of: call, envelope, line)
        case .taskLook(let look): home.looked(look, envelope, line)
        case .call, .get, .read, .complete, .rest, .level, .watch, .ofTask: return
        }
    }

    func listed(_ kind: ListKind, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        if envelope.kind == .response {
            let mirrors = main is RemoteLink && main?.era == .modern
            if case .more(let cursor) = lists.add(kind, result: envelope.result.of(line), mirrors: mirrors) {
                cursor.withUnsafeBytes { main?.askList(kind, cursor: $0) }
                return
            }
            lists.complete(kind)
        } else {
            // Many servers that have resources know no templates; every other failure is worth telling.
            if kind != .templates {
                lastError = "\(kind.method.text) failed: \(String(decoding: line.prefix(300), as: UTF8.self))"
            }
            lists.abandon(kind)
        }
        listSettled(kind)
    }

    func listSettled(_ kind: ListKind) {
        if kind == .tools {
            taskTools = lists[.tools]?.taskTools ?? [:]
            mirrors = lists[.tools].map { MirrorTable($0) } ?? MirrorTable()
        }
        if phase == .ready { return home.listsChanged(kind) }
        refreshNext(after: kind)
    }

    /// When its lists are there, and its mirror if it is to have one.
    func becomeReady() {
        guard phase == .starting, hasLists, main?.isServing == true else { return }
        // Nobody waits for a process that is wanted only as of late, or for a connection that may never come.
        if plan.options.era == .mirror, let mirror = mirror as? ChildLink, !mirror.isServing, !hasNoMirror {
            return
        }
        phase = .ready
        readySince = state.loop.now
        if rest.ended(state.loop.now, lists) { home.serverIsBack() } else { home.serverReady(self) }
        dispatchHeldCalls()
    }

    /// `notifications/…/list_changed` from any of its processes. What has changed for one of them mostly has for all;
    /// the lists are those of the main one.
    func listChanged(_ kind: ListKind) {
        guard let main, phase == .ready, !lists.isRefreshing(kind) else { return }
        lists.beginRefresh(kind)
        main.askList(kind, cursor: nil)
        if kind == .resources, !lists.isRefreshing(.templates) {
            lists.beginRefresh(.templates)
            main.askList(.templates, cursor: nil)
        }
    }

}
