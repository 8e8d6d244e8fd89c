/// Every number that bounds what this module accepts from outside.
public enum CatalogLimits {
    // A caller's `mcp` object

    /// Servers of one sandbox. E2B's whole list has 265 keys; a model loses its way in the tools of ten.
    public static let serversMax = 128
    /// Bytes of a name that a caller gives a server of its own: it becomes a prefix of tool names, which
    /// clients cut or refuse past 64 bytes.
    public static let customNameBytesMax = 48
    /// Bytes of a setting, an argument or an environment variable: Linux takes 128 KiB a string
    /// (MAX_ARG_STRLEN), half of it leaves room for the template around it.
    public static let valueBytesMax = 64 * 1024
    /// Bytes of all settings, arguments and variables of one server: `execve` takes 2 MiB of them together.
    public static let launchBytesMax = 512 * 1024
    /// Settings of one server, nested ones counted one by one; the longest entry has 34 properties.
    public static let settingsMax = 256
    /// Items of an array setting or words of a command.
    public static let itemsMax = 256
    /// Environment variables or headers of a server of the caller's own.
    public static let variablesMax = 256
    /// Patterns of one include or exclude list; as many as the tool filter looks at.
    public static let patternsMax = 256
    /// Bytes of one such pattern. Tool names have at most 128 characters.
    public static let patternBytesMax = 256

    /// Hosts that one server's settings, or a sandbox's options, may name; each is a listener of the sandbox's.
    public static let hostsMax = 64

    // Messages

    /// Mistakes told about one `mcp` object or one file; the rest is counted.
    public static let mistakesMax = 100
    /// Characters shown of a name that is not known.
    public static let shownCharactersMax = 60
    /// Unknown names that get suggestions: each costs a comparison with every name there is.
    public static let suggestionsMax = 16
    /// Bytes of a name that is compared for a suggestion.
    public static let comparedBytesMax = 64

    // Catalog files

    /// Bytes of a catalog file. The built-in one has 360 KiB.
    public static let fileBytesMax = 16 * 1024 * 1024
    /// Entries of a catalog; Docker's and the MCP registry's have hundreds to thousands.
    public static let entriesMax = 20_000
    /// Bytes of a key or an alias. The MCP registry allows 200 characters.
    public static let nameBytesMax = 200
}
