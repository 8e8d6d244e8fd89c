import System

/// What the control thread knows of a sandbox. Its processes and sessions live on the home loop.
final class SandboxRecord {
    enum Phase {
        /// Answers requests. Servers may still be starting.
        case running
        /// Being killed: gone for every request but DELETE, and still counted, for its processes may live.
        case ending
    }

    /// A request that is answered when the servers have settled, or at `alarm` at the latest.
    struct Wait {
        enum Kind: Equatable {
            /// A create. The sandbox's time begins with its answer.
            case create
            case replaceServers
            /// The SDK's start command.
            case start(pid: Int)
        }
        let ordinal: UInt64
        let exchange: ExchangeID
        let kind: Kind
        let alarm: AlarmHeap<Alarm>.ID
    }

    let id: String
    let home: Int
    let owner: String
    let templateID: String
    let metadata: [(String, String)]
    let envdToken: String
    let createdMilliseconds: Int

    var phase = Phase.running
    var startedMilliseconds: Int
    var endMilliseconds: Int
    var deadline: Instant
    var expiryAlarm: AlarmHeap<Alarm>.ID?
    /// True from the first moment that somebody set the time, so that the create's answer does not reset it.
    var hasOwnDeadline = false
    let timeoutSeconds: Int

    /// The MCP token itself, in memory only: its owner may read it back (`GET /files` of the token file), so
    /// a digest would not do. Never logged; the loops
    /// compare digests, and hand the token to the processes of its own sandbox.
    var mcpToken: String
    /// SHA-256 of the configuration that runs; nil while the sandbox has no MCP servers. The configuration is
    /// not kept, because it holds secrets.
    var configurationDigest: [UInt8]?

    /// What its servers may use, and what they reach.
    var resources = ResourceLimits()
    var network = NetworkChoice.host
    /// Counts sets of servers, so that a late `ready` of an older set settles nothing.
    var epoch = 0
    /// True when every server of the current set is ready or has failed.
    var isSettled = false
    var waits: [Wait] = []
    /// True until the create is answered.
    var isBeingCreated = true
    /// DELETEs that wait for the last process.
    var enders: [ExchangeID] = []
    var endAlarm: AlarmHeap<Alarm>.ID?
    var endCause = ControlEvent.Cause.killed

    init(
        id: String, home: Int, owner: String, body: CreateBody, mcpToken: String, envdToken: String,
        createdMilliseconds: Int, deadline: Instant
    ) {
        self.id = id
        self.home = home
        self.owner = owner
        templateID = body.templateID
        metadata = body.metadata
        timeoutSeconds = body.timeoutSeconds
        self.mcpToken = mcpToken
        self.envdToken = envdToken
        self.createdMilliseconds = createdMilliseconds
        self.deadline = deadline
        startedMilliseconds = createdMilliseconds
        endMilliseconds = createdMilliseconds + body.timeoutSeconds * 1000
    }
}

/// What the control thread is to do at an instant.
enum Alarm: Equatable {
    case expiry(sandbox: String)
    case wait(sandbox: String, ordinal: UInt64)
    case ending(sandbox: String)
    case forgetKeys
}
