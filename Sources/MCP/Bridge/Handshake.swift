import Wire

/// The opening of a stdio child, whatever era it speaks.
///
/// A child whose era is not known is asked with `server/discover`. A modern server answers and has chosen its
/// era, the one that is preferred; a legacy server answers with an error and is then initialized; one that dies
/// of the question is started again and initialized at once; one that says nothing may only be slow to start,
/// so `initialize` follows after a while and whichever is answered well decides.
public struct Handshake: Sendable {
    /// What the driver does next. Requests carry ids of its own; the answers come back by `Question`.
    public enum Step: Sendable, Equatable {
        case wait
        case ask(Question)
        /// The child is legacy: send `notifications/initialized`, then it serves.
        case initialized(ChildProfile)
        /// The child is modern and serves.
        case discovered(ChildProfile)
        /// End this child and start one that is spoken to in `era` from the first byte.
        case replace(Era)
        /// A sentence for the server's state.
        case fail(String)
    }

    public enum Question: Sendable, Equatable { case discover, initialize }

    private enum State: Sendable, Equatable {
        case fresh, discovering, initializing
        /// Both questions are out.
        case doubting
        case settled
    }

    private let plan: EraPlan
    private var state = State.fresh
    /// What this child has shown; nil until it has shown anything.
    public private(set) var verdict: EraVerdict?

    /// `plan` is `.probe` or `.serve`; of `.both` each child is served in its own era.
    public init(_ plan: EraPlan) { self.plan = plan }

    public mutating func started() -> Step {
        switch plan {
        case .serve(.legacy): return move(to: .initializing, .ask(.initialize))
        case .serve(.modern), .probe, .both: return move(to: .discovering, .ask(.discover))
        }
    }

    /// `BridgeLimits.probeMilliseconds` have passed since `started` without an answer.
    public mutating func silent() -> Step {
        guard plan == .probe, state == .discovering else { return .wait }
        return move(to: .doubting, .ask(.initialize))
    }

    /// The child has ended before it served. Nil: as for any crash, start it again as before.
    public mutating func exited() -> Step? {
        defer { state = .settled }
        guard plan == .probe, state == .discovering else { return nil }
        verdict = .legacy
        return .replace(.legacy)
    }

    public mutating func answered(
        _ question: Question, _ envelope: Envelope, _ line: UnsafeRawBufferPointer
    ) -> Step {
        guard state != .settled, state != .fresh else { return .wait }
        switch question {
        case .discover: return discovered(envelope, line)
        case .initialize: return initialized(envelope, line)
        }
    }

    private mutating func discovered(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) -> Step {
        switch DiscoverAnswer(envelope, line) {
        case .modern(let profile):
            verdict = .modern
            return move(to: .settled, .discovered(profile))
        case .legacy(let revisionsNamed):
            if plan == .serve(.modern) {
                return move(
                    to: .settled, .fail("the server does not speak 2026-07-28, which `era: modern` asks for"))
            }
            // It has read a first message and refused its revision: a Python server has thereby chosen its era.
            if revisionsNamed { return move(to: .settled, .replace(.legacy), .legacy) }
            return state == .doubting ? .wait : move(to: .initializing, .ask(.initialize), .legacy)
        case .contradicts:
            return move(to: .settled, .fail(DiscoverAnswer.contradiction))
        case .unusable(let reason):
            return move(to: .settled, .fail(reason))
        }
    }

    private mutating func initialized(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) -> Step {
        guard envelope.kind == .response else {
            if envelope.errorCode == RPCCode.unsupportedVersion, plan != .serve(.legacy) {
                // Modern after all. When `server/discover` is still out, its answer is on the way.
                if state == .doubting { return move(to: .discovering, .wait, .modern) }
                return move(to: .settled, .replace(.modern), .modern)
            }
            // A modern server that saw both questions refuses the second one.
            if state == .doubting { return .wait }
            return move(
                to: .settled, .fail("it refused initialize: \(RPCFailure.quoted(envelope.error.of(line)))"))
        }
        do {
            let profile = try ChildProfile(result: envelope.result.of(line))
            return move(to: .settled, .initialized(profile), .legacy)
        } catch {
            return move(to: .settled, .fail(error.message))
        }
    }

    private mutating func move(to next: State, _ step: Step, _ learned: EraVerdict? = nil) -> Step {
        state = next
        if let learned { verdict = learned }
        return step
    }
}
