/// Rows in columns as wide as their widest cell. On a terminal the last column is cut to what fits.
struct Table {
    private static let gap = 2

    private var rows: [[String]]

    init(_ headings: String...) { rows = [headings] }

    mutating func add(_ cells: String...) { rows.append(cells.map(Output.line)) }

    var isEmpty: Bool { rows.count < 2 }

    func show() {
        for line in lines(columns: Output.terminalColumns) { print(line) }
    }

    /// `columns`: the room for a line; nil for no end.
    func lines(columns: Int?) -> [String] {
        let last = (rows.first?.count ?? 1) - 1
        let widths = (0..<max(last, 0)).map { column in
            rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
        }
        let room = columns.map { max($0 - widths.reduce(0) { $0 + $1 + Self.gap }, 10) }
        return rows.map { row in
            var line = ""
            for (cell, width) in zip(row, widths) {
                line += cell + String(repeating: " ", count: width - cell.count + Self.gap)
            }
            if row.count > last { line += Self.cut(row[last], to: room) }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    private static func cut(_ text: String, to room: Int?) -> String {
        guard let room, text.count > room else { return text }
        return text.prefix(room - 1) + "…"
    }
}
