import Wire

/// Why a catalog cannot be taken. Each mistake names the file, the entry and the field.
public struct CatalogError: Error, Sendable, Equatable, CustomStringConvertible {
    public var mistakes: [String]

    public init(_ mistakes: [String]) { self.mistakes = mistakes }

    public var description: String { mistakes.joined(separator: "\n") }

    /// `file:line:column: reason`, from the text that `error` is about. Columns count bytes from 1.
    init(_ error: JSONError, in text: [UInt8], file: String) {
        let offset = min(max(error.offset, 0), text.count)
        let before = text[..<offset]
        let line = before.count { $0 == 0x0A } + 1
        let column = offset - (before.lastIndex(of: 0x0A) ?? -1)
        var reason = error.reason.description
        if reason == "duplicate member name" {
            let name = text[offset...].prefix { $0 != 0x22 }
            reason += " \"\(shown(String(decoding: name, as: UTF8.self)))\""
        }
        self.init(["\(file):\(line):\(column): \(reason)"])
    }
}

/// Collects what is wrong with a file, and what is only odd, while it is read to its end.
final class Findings {
    let file: String
    private(set) var mistakes: [String] = []
    private(set) var warnings: [String] = []
    private var untold = 0

    init(file: String) { self.file = file }

    var isClean: Bool { mistakes.isEmpty }

    func mistake(_ place: String, _ reason: String) {
        guard mistakes.count < CatalogLimits.mistakesMax else {
            untold += 1
            return
        }
        mistakes.append(line(place, reason))
    }

    func warning(_ place: String, _ reason: String) {
        if warnings.count < CatalogLimits.mistakesMax { warnings.append(line(place, reason)) }
    }

    /// Every mistake, and how many more there are.
    var error: CatalogError { CatalogError(mistakes + (untold > 0 ? ["\(file): and \(untold) more"] : [])) }

    private func line(_ place: String, _ reason: String) -> String {
        place.isEmpty ? "\(file): \(reason)" : "\(file): \(place): \(reason)"
    }
}
