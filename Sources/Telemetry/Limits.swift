/// The numbers of this module.
enum TelemetryLimits {
    /// Log lines that wait for the writer; further ones are dropped and counted. A second of a very talkative
    /// gateway.
    static let waitingLines = 4096
    /// Bytes of one field's value in a log line: a value from outside must not fill the disk.
    static let fieldBytes = 4096
    /// Seconds that `Log.flush` waits for whoever reads standard error.
    static let flushSeconds = 2
    /// Secrets shorter than this are hidden as whole words only: `id` or `1` would blot out half of a text.
    static let wordSecretBytes = 6
    /// Base64 cores shorter than this are not looked for: they would match by chance.
    static let base64CoreBytes = 8
}
