/// Every number that bounds the control API, with its unit and its reason.
public struct ControlLimits: Sendable {
    /// Sandboxes of one API key: one tenant cannot use up the machine.
    public var sandboxesPerKey = 500
    /// Sandboxes of this gateway. Each holds at least a hub and, when used, a handful of processes.
    public var sandboxes = 4000
    /// Creations of all keys whose answer is still out: starting servers is what costs the most.
    public var creations = 128
    /// Creations of one API key whose answer is still out, so that others find room too.
    public var creationsPerKey = 64
    /// Seconds a sandbox may be asked to live from now. A day, as E2B's largest plan.
    public var timeoutSeconds = 86_400

    public init() {}

    /// Seconds a sandbox lives when its creator says nothing (E2B's default).
    public static let defaultTimeoutSeconds = 300
    /// Bytes of a request body. A configuration is a few KiB; as one argument it could not pass 128 KiB.
    public static let bodyBytes = 1024 * 1024
    /// Seconds after which a create or a change of servers is answered although servers still start.
    public static let readyWaitSeconds = 20
    /// Seconds after which the SDK's start command is acknowledged. It gives up after 60.
    public static let startWaitSeconds = 45
    /// Seconds after which a DELETE whose processes will not die is answered with an error.
    public static let endWaitSeconds = 30
    /// Requests that may wait for one sandbox at a time.
    public static let waitsPerSandbox = 64
    /// Seconds a client is told to wait when sandboxes are used up, and when creations are.
    public static let retryAfterSandboxes = 10
    public static let retryAfterCreations = 2

    /// Requests, and bytes of their bodies, that may wait for the control thread.
    public static let queuedRequests = 4096
    public static let queuedBytes = 64 * 1024 * 1024

    /// Seconds an `Idempotency-Key` is remembered.
    public static let idempotencySeconds = 600
    /// Keys remembered, of all callers. The oldest makes room.
    public static let idempotencyKeys = 4096
    /// Bytes of an `Idempotency-Key` (E2B: 1 to 255).
    public static let idempotencyKeyBytes = 255

    /// Bytes of a template id; it names nothing here and is only handed back.
    public static let templateIDBytes = 128
    /// Metadata: entries, and bytes of a key and of a value.
    public static let metadataEntries = 64
    public static let metadataKeyBytes = 256
    public static let metadataValueBytes = 2048
    /// Environment variables: entries, and bytes of a name and of a value.
    public static let variables = 128
    public static let variableNameBytes = 256
    public static let variableValueBytes = 32 * 1024

    /// Sandboxes of one page, and of one page unless the caller says so (E2B's default).
    public static let pageItems = 1000
    public static let defaultPageItems = 100
    /// Bytes of a list's query string, and its parameters.
    public static let queryBytes = 16 * 1024
    public static let queryParameters = 64

    /// Bytes of the token that the SDK's start command brings (it sends a UUID).
    public static let tokenBytesMin = 16
    public static let tokenBytesMax = 256
    /// Bytes of an API key, and entries of the key file.
    public static let apiKeyBytes = 512
    public static let apiKeys = 10_000
    /// Mistakes of one configuration that an error message lists.
    public static let mistakesShown = 8
    /// Words of a start command.
    public static let commandWords = 64
}
