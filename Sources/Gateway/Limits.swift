/// Every number that bounds the data plane, with its unit and its reason.
/// The operator's configuration can lower or raise those that `GatewayConfiguration.limits` names.
public enum Limits {
    /// Seconds until a request's whole head must have arrived (slowloris).
    public static let headSeconds = 10
    /// Seconds until a request's whole body must have arrived: `bodySecondsBase` and one more for each
    /// `bodyBytesPerSecond`, so that a slow honest upload lives and a drip does not.
    public static let bodySecondsBase = 30
    public static let bodyBytesPerSecond = 16 * 1024
    /// Seconds an idle keep-alive connection is kept. E2B's SDK pools idle connections for 300 s and does
    /// not retry a request on one that was just closed, so we must outlast it.
    public static let idleSeconds = 620
    /// Seconds a peer may read nothing of an answer that waits for it.
    public static let stalledWriteSeconds = 30
    /// Seconds we keep reading after a refusal, so that the peer sees the answer and not a reset.
    public static let lingerSeconds = 2
    /// Bytes of a request body. MCP's Python servers refuse more than 4 MiB too.
    public static let requestBodyBytes = 4 * 1024 * 1024
    /// Bytes of further pipelined requests that wait while one is being answered.
    public static let pipelinedBytes = 64 * 1024
    /// Open client connections of one loop; descriptors are the scarce thing.
    public static let connectionsPerLoop = 16_000

    /// Bytes of one line from a child: larger results answer with an error, for that call alone.
    public static let childLineBytes = 32 * 1024 * 1024
    /// Bytes of long answers of one sandbox that may wait for clients which do not read them; a further one is answered
    /// with an error. A few of the longest lines, so that a sandbox cannot fill the memory of all.
    public static let outgoingBytes = 4 * childLineBytes
    /// Bytes from which on a line leaves by reference to its own memory: below, to copy it costs less.
    public static let lentLineBytes = 64 * 1024
    /// Bytes that may wait for a child which does not read its input, or that a remote server has not answered; more
    /// calls are refused as busy.
    public static let childInputBytes = 8 * 1024 * 1024
    /// The same with what is told to it besides calls: a server that asks and asks, and does not read the answers, is
    /// ended. Twice as much, so that calls alone cannot end it.
    static let childInputBytesMax = 2 * childInputBytes
    /// Messages a second that one server may send unasked, and that it may have saved up; a loop needs 1.6 us for the
    /// dearest of them, so 1 % of its time. And bytes that cost as much as a message.
    static let clamourUnits = 4000
    static let clamourUnitBytes = 4096
    /// Calls in flight at one server; more are refused as busy.
    public static let callsPerServer = 1024
    /// Milliseconds that calls wait for a connection of the older era to a server of the newer: many have none, and
    /// some do not say so.
    public static let mirrorMilliseconds = 5_000
    /// Calls that wait for a server that is starting or restarting.
    public static let heldCallsPerServer = 128
    /// Seconds such a call waits before it is told what state the server is in.
    public static let heldCallSeconds = 20
    /// Servers that are named to a client whose tool may be of one that is not there: a message is read by people.
    public static let absentServersTold = 3
    /// Seconds a call may take without an answer or progress.
    public static let callSeconds = 300
    /// Seconds of silence after which an uncommitted answer becomes an event stream with comments, so that
    /// proxies in between keep the connection.
    public static let commitSeconds = 15
    /// Seconds between comments on an open event stream.
    public static let keepAliveSeconds = 15
    /// Bytes that may wait on an event stream whose reader is slow; over it the stream is cut.
    public static let eventStreamBytes = 1024 * 1024
    /// Legacy sessions of one sandbox; the one idle for longest makes room.
    public static let sessionsPerSandbox = 1024
    /// Seconds a legacy session lives without a request or an open stream.
    public static let sessionIdleSeconds = 1800
    /// Seconds a client of the transport of 2024-11-05 has for its `initialize` once its stream is open.
    public static let oldSessionOpeningSeconds = 60
    /// Listen streams and GET streams of one sandbox.
    public static let streamsPerSandbox = 4096
    /// Bytes of events that the sessions of one sandbox keep for clients that come back.
    public static let replayBytesPerSandbox = 16 * 1024 * 1024
    /// Messages in one batch of revision 2025-03-26.
    public static let batchMessages = 64
    /// Bytes of the JSON-RPC id and of a progress token that a client may choose.
    public static let idBytes = 512

    /// Seconds a child may take from its start to its answer to `initialize`. Large Python servers need
    /// up to 9 s on an idle machine.
    public static let initializeSeconds = 60
    /// Milliseconds that a child may keep others from starting, of which only so many do at a time: one that takes
    /// longer waits for something else than its imports.
    public static let startSlotMilliseconds = 5000
    /// Seconds for each list that is read from a server.
    public static let listSeconds = 30
    /// Pages of one list, as the official SDKs cap them.
    public static let listPages = 100
    /// Items of one list of one server.
    public static let listItems = 5000
    /// Milliseconds before the first restart; doubled at each further one.
    public static let restartMilliseconds = 100
    /// Milliseconds between restarts at the most.
    public static let restartMillisecondsMax = 30_000
    /// Exits in a row, none of them after `steadySeconds` of service, that make a crash loop.
    public static let crashLoopExits = 4
    /// Seconds of service after which an exit counts as the first one again.
    public static let steadySeconds = 30
    /// Starts of a second process for clients of the other era, until it is taken that there can be none.
    public static let mirrorAttempts = 3
    /// Lines and bytes of a server's stderr that are kept.
    public static let stderrLines = 50
    public static let stderrLineBytes = 2000
    /// Milliseconds a child has between the close of its input and TERM, and between TERM and KILL.
    public static let stopGraceMilliseconds = 500
    /// Connections to one remote server: what is asked beyond waits for one of them.
    public static let remoteConnections = 64
    /// Seconds until a connection to a remote server must be made, and TLS with it; and the same while there are
    /// other addresses to try.
    public static let remoteConnectSeconds = 10
    public static let remoteNextAddressSeconds = 3
    /// Milliseconds an idle connection is used again. Python's servers close theirs after 5 s, and a call that
    /// meets the close cannot be repeated.
    public static let remoteIdleMilliseconds = 4000
    /// Milliseconds for what nobody waits for: the end of a stream after its answer, the end of a session.
    public static let remoteLingerMilliseconds = 3000
    /// Bytes of an answer that nobody reads, such as the page of an error.
    public static let remoteIgnoredBytes = 1024 * 1024
    /// Characters of a remote server's `WWW-Authenticate` that are shown.
    public static let challengeCharacters = 500
    /// Seconds that the addresses of a name are used without asking for them again.
    public static let routeSeconds = 30
    /// Names that are being resolved for all sandboxes.
    public static let resolutionsWaiting = 1024
    /// Times that each server of names is asked, and milliseconds that the first takes; a further one takes longer.
    public static let nameAttempts: Int32 = 2
    public static let nameAttemptMilliseconds: Int32 = 2000
    /// Milliseconds that the thread which resolves names sleeps when nothing happens: it is woken for everything.
    public static let nameTurnMilliseconds: Int32 = 1000
    /// Seconds a shutdown waits for calls in flight.
    public static let drainSeconds = 10

    /// The port at which a sandbox finds its own endpoint, as E2B has it, and how many of its connections are
    /// served at a time.
    static let insidePort = 50005
    static let insideConnections = 64

    // Egress

    /// The port at which a sandbox finds the HTTP proxy, where it has one.
    static let insideProxyPort = 50006
    /// Entries of the list of what one sandbox may reach, and names that have an address inside or are remembered
    /// with theirs. A listener each, which is a descriptor.
    static let egressHosts = 256
    static let egressNames = 256
    /// Connections of one sandbox to hosts, and how many it may open in a second: a browser has a hundred, a pool of
    /// a database client ten. Each costs the gateway two descriptors.
    static let egressConnections = 256
    static let egressOpensPerSecond = 256
    /// Names of one sandbox that are resolved at a time: a share of `resolutionsWaiting`.
    static let egressResolutions = 16
    /// Seconds until a host's name must be resolved, and the same until its last address must have answered.
    static let egressConnectSeconds = 10
    /// Bytes that wait for a side that reads slowly before the other one is not read any more.
    static let egressBufferBytes = 128 * 1024
    /// Seconds without a byte after which a connection ends of which one direction has.
    static let egressHalfOpenSeconds = 300
    /// Lines of the log about the egress of one sandbox, in a second; the rest is counted.
    static let egressLinesPerSecond = 20

    /// Where the proxy leads besides the hosts of the list: web servers and whatever lies above the ports of system
    /// services, so that no mail is sent and no name server asked.
    static func isProxiedPort(_ port: UInt16) -> Bool { port == 80 || port == 443 || port >= 1024 }
}
