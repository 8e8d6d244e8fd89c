/// Every bound of this module, with its unit and its reason.
public enum MCPLimits {
    /// Bytes of a progress token as a client wrote it. Clients use small integers and UUIDs; the gateway keeps
    /// a copy for as long as the call runs. `WireLimits.idBytesMax` bounds ids.
    public static let progressTokenBytesMax = 1024

    /// Elements of a 2025-03-26 batch: more than any client sends, few enough to hold one answer for each.
    public static let batchElementsMax = 100

    /// Bytes of an exposed tool or prompt name. The specification allows 128, model APIs and the official
    /// conformance suite 64.
    public static let exposedNameBytesMax = 64

    /// Bytes of a tool or prompt name as its server wrote it; it travels in headers and log lines.
    public static let originalNameBytesMax = 1024

    /// Bytes of a resource URI or URI template; it travels in a header, and header blocks end at 8 to 16 KiB.
    public static let resourceURIBytesMax = 8192

    /// Literal pieces of a URI template that are compared; bounds the work of one look-up.
    public static let templatePiecesMax = 32

    /// Templates of one sandbox that an unlisted URI is compared with; bounds the same work.
    public static let templatesMax = 2000

    /// Pages read of one list of one server: the SDKs stop at the same number.
    public static let listPagesMax = 100

    /// Items taken of one list of one server.
    public static let listItemsMax = 10_000

    /// Bytes of items taken of one list of one server: 16 MiB, twice the largest list seen in practice.
    public static let listBytesMax = 16 << 20

    /// Bytes of a pagination cursor that a server hands out.
    public static let cursorBytesMax = 4096

    /// Bytes of a base64-wrapped header value after decoding: a resource URI fits.
    public static let headerValueBytesMax = 8192

    /// Bytes of hostile text quoted in an error message: enough to recognise it, too few to amplify.
    public static let quotedBytesMax = 120

    /// Patterns of one include or exclude list.
    public static let patternsMax = 256

    /// Resource contents of one answer whose mapped URI is written back.
    public static let mappedContentsMax = 4

    /// Bytes of instructions sent with `initialize` and `server/discover`.
    public static let instructionsBytesMax = 16 << 10
}
