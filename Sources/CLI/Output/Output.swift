import CEpollShim
import Glibc
import Wire

/// What commands print on stdout.
enum Output {
    static func json(_ value: JSONValue) {
        print(String(decoding: value.serialized(pretty: true), as: UTF8.self))
    }

    /// Names in one column, values in the next; what has no value is left out.
    static func pairs(_ pairs: [(name: String, value: String)]) {
        let pairs = pairs.filter { !$0.value.isEmpty }
        let width = pairs.map(\.name.count).max() ?? 0
        for (name, value) in pairs {
            print(name + String(repeating: " ", count: width - name.count + 2) + printable(value))
        }
    }

    /// A line on stderr, where progress and warnings go.
    static func note(_ text: String) { write(printable(text) + "\n") }

    /// On stderr as it is, control characters too.
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        ce_write_all(STDERR_FILENO, bytes, bytes.count)
    }

    /// Text of others as it may reach a terminal: control characters but line breaks and tabs, which could move
    /// the cursor or rename the window, become U+FFFD.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var clean = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { clean.append(isControl(scalar) ? "\u{FFFD}" : scalar) }
        return String(clean)
    }

    /// `text` with a full stop at its end, so that another sentence can follow.
    static func sentence(_ text: String) -> String {
        guard let last = text.last, !".!?".contains(last) else { return text }
        return text + "."
    }

    /// `printable` on one line.
    static func line(_ text: String) -> String {
        printable(text.split(whereSeparator: \.isNewline).joined(separator: " ").replacing("\t", with: " "))
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A: false
        case 0..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    /// Columns of the terminal; nil when stdout is none.
    static let terminalColumns: Int? = {
        guard isatty(STDOUT_FILENO) == 1 else { return nil }
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 40 else { return 80 }
        return Int(size.ws_col)
    }()
}
