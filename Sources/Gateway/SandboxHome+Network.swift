import CEpollShim
import Sandbox
import System
import Telemetry

/// What a sandbox waits for before its servers start: they are to find the listeners in its network.
struct NetworkOpening {
    /// Listeners are being opened on a thread of the workshop.
    var isUnderWay = false
    /// The servers changed meanwhile.
    var isStale = false
    /// Not started yet.
    var unstarted: [Backend] = []
    /// Closes the sandbox.
    var whenOver: (@Sendable () -> Void)?
}

extension SandboxHome {
    /// Opens the listeners that its servers need and that are not there yet, then starts those that wait.
    func openNetwork() {
        guard let egress, !isClosing else { return startWaiting() }
        guard !opening.isUnderWay else { return opening.isStale = true }
        let missing = egress.adopt(backends.map(\.plan), options)
        launchContext.usesProxy = egress.servesProxy
        var places = Array(missing.keys)
        if inside == nil { places.append(.endpoint) }
        guard !places.isEmpty else { return startWaiting() }
        opening.isUnderWay = true
        let (shared, index, key, wanted) = (state.shared, state.loop.index, key, places)
        shared.workshop.openInside(id, wanted, hosts: egress.hosts) { result in
            shared.post(index) { state in
                guard let home = state.homes[key] else { return Self.discard(result) }
                home.opened(wanted, missing, result)
            }
        }
    }

    private static func discard(_ result: Result<[Result<Int32, Errno>], LaunchFailure>) {
        guard case .success(let listeners) = result else { return }
        for case .success(let descriptor) in listeners { ce_close(descriptor) }
    }

    private func opened(
        _ places: [InsideAddress], _ targets: [InsideAddress: HostPort?],
        _ result: Result<[Result<Int32, Errno>], LaunchFailure>
    ) {
        opening.isUnderWay = false
        switch result {
        case .success(let listeners):
            for (place, listener) in zip(places, listeners) { adopt(place, targets[place] ?? nil, listener) }
        case .failure(let failure):
            // Each launch meets the same failure, and tells the sandbox's owner.
            Log.error("no network for a sandbox", ["sandbox": id, "reason": failure.message])
        }
        if let whenOver = opening.whenOver {
            opening.whenOver = nil
            return stopAll(whenOver)
        }
        if opening.isStale {
            opening.isStale = false
            return openNetwork()
        }
        startWaiting()
    }

    private func adopt(_ place: InsideAddress, _ target: HostPort?, _ listener: Result<Int32, Errno>) {
        switch listener {
        case .failure(let error):
            Log.error("a listener inside a sandbox is missing", ["sandbox": id, "reason": "\(error)"])
        case .success(let descriptor) where place == .endpoint:
            do { inside = try state.listenInside(descriptor, key) } catch { ce_close(descriptor) }
        case .success(let descriptor): egress?.open(place, target, descriptor)
        }
    }

    private func startWaiting() {
        let waiting = opening.unstarted
        opening.unstarted = []
        for backend in waiting { backend.start() }
    }
}
