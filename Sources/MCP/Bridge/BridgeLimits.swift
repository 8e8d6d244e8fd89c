/// Every bound of the bridge between the eras, with its unit and its reason.
public enum BridgeLimits {
    // Eras

    /// Seconds a legacy verdict is believed: servers learn the new protocol with an update, rarely sooner.
    public static let legacyVerdictSeconds = 7 * 86_400
    /// Verdicts remembered: several times the servers of the catalog.
    public static let verdictsMax = 4096
    /// Milliseconds of silence after `server/discover` until `initialize` is sent as well. The official Python
    /// client waits as long.
    public static let probeMilliseconds = 10_000
    /// Seconds `initialize` and `server/discover` of a remote server may take.
    public static let remoteHandshakeSeconds = 15

    // What a server asks of its client

    /// Milliseconds a call waits for further requests of its server after one: several are asked at once.
    public static let gatherMilliseconds = 10
    /// Requests of one call that are open at a time.
    public static let asksMax = 16
    /// Bytes of all open requests of one call; they travel to the client as one message.
    public static let askBytesMax = 1 << 20
    /// Bytes of one answer to a server's request. Images from a model fit.
    public static let answerBytesMax = 4 << 20
    /// Seconds a parked call waits for its client, as long as the SDKs keep such state.
    public static let parkSeconds = 600
    /// Parked calls of one sandbox: each holds a process of a server.
    public static let parkedMax = 256
    /// Bytes of results that wait for clients of one sandbox.
    public static let parkedBytesMax = 32 << 20
    /// Times that one call may ask. The official SDKs stop at 8 and 10.
    public static let roundsMax = 10
    /// Milliseconds before a call that was told only to try again is tried again, doubled up to the second.
    public static let stateOnlyMilliseconds = 50
    public static let stateOnlyMillisecondsMax = 250
    /// Bytes of a server's own `requestState`.
    public static let requestStateBytesMax = 64 << 10
    /// Requests to one session's client that are open at a time.
    public static let pushesMax = 64
    /// Bytes of the capabilities extensions that pass to a server.
    public static let extensionBytesMax = 4096

    /// Sessions at one remote server of the older era besides the main one, each for clients of other abilities.
    public static let remoteSessionsMax = 4

    // Children that ask

    /// Children of one server that may ask, besides the one that may not.
    public static let interactiveChildrenMax = 8
    /// Calls that wait for such a child.
    public static let leaseQueueMax = 128
    /// Milliseconds they wait.
    public static let leaseMilliseconds = 30_000
    /// Milliseconds that a client that was asked may stay away while others wait for the child that its call holds.
    /// Programs are back sooner; a person's turn is taken only when all children wait for persons.
    public static let forsakenMilliseconds = 5_000

    /// Tools, prompts and resources of one server that are remembered for having asked.
    public static let askersMax = 256
    /// Such that have been called once; what is called first after that is not tried.
    public static let triedMax = 1024
    /// Milliseconds that calls wait until it is known whether what they call asks. Once for each tool: longer, and the
    /// first calls of slow tools that ask nothing are held up.
    public static let trialMilliseconds = 10_000
    /// Milliseconds that they wait for the trial of another thing: most that ask do so soon.
    public static let trialAloneMilliseconds = 3_000
    /// Milliseconds that they wait for trials of others, one after the other.
    public static let trialPatienceMilliseconds = 6_000

    /// Requests of one child of which it is not known whose they are.
    public static let doubtsMax = 64
    /// Milliseconds they wait for the calls that they are not of to end.
    public static let doubtMilliseconds = 30_000
    /// Milliseconds until it is believed that all calls which could have asked wait for answers themselves.
    public static let deadlockMilliseconds = 5_000

    /// Milliseconds after which a child asks no more for a call that was called off: it has been told, and most
    /// stop at once. Longer, and a call that is made anew is not served.
    public static let ghostMilliseconds = 2_000
    /// Such calls of one child that are remembered.
    public static let ghostsMax = 256

    // Subscriptions and streams

    /// Resource URIs that one client watches.
    public static let watchedPerClientMax = 256
    /// Resource URIs that the clients of one sandbox watch.
    public static let watchedMax = 4096
    /// Milliseconds after the last watcher until a server is told: clients come back.
    public static let unsubscribeMilliseconds = 5_000
    /// Milliseconds between two listen requests that replace one another: changes of a filter are gathered.
    public static let listenDebounceMilliseconds = 100
    /// Milliseconds until a listen request must be acknowledged.
    public static let listenAckMilliseconds = 10_000
    /// Milliseconds that a client waits for its server's word on what it subscribes to: on a listen stream, whose
    /// acknowledgement must not be late, and in a session.
    public static let listenWordMilliseconds = 1_000
    public static let subscribeWordMilliseconds = 10_000
    /// Milliseconds that changes are gathered before clients are told: while one listen request replaces another, a
    /// server tells each change twice.
    public static let changeMilliseconds = 10
    /// Bytes that may wait on a client's stream before changes are held back, each once, until it reads on.
    public static let slowStreamBytes = 256 << 10
    /// Milliseconds until such a stream is looked at again.
    public static let slowStreamMilliseconds = 20
    /// Changes that wait on one stream; more end a listen stream in good order.
    public static let pendingChangesMax = 1024
    /// So many are told without gathering more.
    public static let gatheredChangesMax = 256
    /// Events and bytes of one session that are kept for a client that comes back.
    public static let replayEventsMax = 256
    public static let replayBytesMax = 1 << 20
    /// Seconds they are kept.
    public static let replaySeconds = 300
    /// Milliseconds that a client is told to wait before it opens a stream again.
    public static let retryMilliseconds = 1_000

    // Remote servers

    /// Bytes of a URL.
    public static let urlBytesMax = 4096
    /// Redirects that are followed, each to the same origin.
    public static let redirectsMax = 3
    /// Milliseconds before the first new attempt; doubled, halved at random.
    public static let retryFirstMilliseconds = 200
    public static let retryLastMilliseconds = 30_000
    /// Attempts of a request that may be repeated.
    public static let attemptsMax = 3
    /// Bytes of a remote server's answer in JSON.
    public static let remoteBodyBytesMax = 32 << 20
    /// Bytes of a session id that a remote server hands out.
    public static let remoteSessionBytesMax = 1024
    /// Reopenings of a broken stream without an event in between.
    public static let resumptionsMax = 5

    // Headers that mirror arguments

    /// Annotated properties of one tool, and how deep they are looked for.
    public static let mirroredMax = 32
    public static let mirroredDepthMax = 16

    // Tasks

    /// Milliseconds between two looks at a task, whatever the server says.
    public static let pollMillisecondsMin = 100
    public static let pollMillisecondsMax = 30_000
    public static let pollMillisecondsDefault = 1_000
    /// Milliseconds a task is kept by its server, as asked.
    public static let taskMilliseconds = 600_000
    /// Bytes of a task's id as its server wrote it; sealed, it travels in headers.
    public static let taskIDBytesMax = 1024
    /// Tasks of one session, and of one sandbox, that can be listed and are told of.
    public static let tasksPerSessionMax = 64
    public static let tasksMax = 1024
    /// Statuses of one server that are kept until the answer which names their task has come, and bytes of each: the two
    /// are moments apart.
    public static let earlyStatusesMax = 8
    public static let earlyStatusBytes = 8 * 1024
    /// Questions about a task in a row that may stay without an answer.
    public static let taskFailuresMax = 3

    /// Milliseconds after the last wish for log messages until a server may be told to be quieter.
    public static let logLingerMilliseconds = 30_000
    /// Milliseconds for which what is asked of a remote server waits for its answer to `logging/setLevel`, so that
    /// the first messages are not missed.
    public static let logLevelMilliseconds = 2000
    /// Milliseconds for which what is asked in a fresh session of a remote server waits for the head of its GET stream,
    /// on which log messages and the states of tasks come: what is said before that is lost. Some servers send the
    /// head with the first message alone.
    public static let streamMilliseconds = 1000
}
