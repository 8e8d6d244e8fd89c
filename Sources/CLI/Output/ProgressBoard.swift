import Glibc
import Synchronization

/// Progress of several jobs on stderr. On a terminal each has a line that is written over; elsewhere each step is
/// a line of its own with the job's name in front.
final class ProgressBoard: Sendable {
    private struct Row {
        var name: String
        var text: String
    }

    private struct State {
        var rows: [Row]
        /// Lines of the board that are on the screen.
        var shown = 0
    }

    private let state: Mutex<State>
    private let isTerminal = isatty(STDERR_FILENO) == 1

    init(_ names: [String]) {
        state = Mutex(State(rows: names.map { Row(name: $0, text: "waiting") }))
    }

    /// What the job called `name` does now.
    func tell(_ name: String, _ text: String) {
        let line = Output.line(text)
        state.withLock { state in
            guard let at = state.rows.firstIndex(where: { $0.name == name }), state.rows[at].text != line
            else {
                return
            }
            state.rows[at].text = line
            isTerminal ? redraw(&state) : Output.note("\(name): \(line)")
        }
    }

    /// Under the lock, so that two threads do not draw into one another.
    private func redraw(_ state: inout State) {
        let width = state.rows.map(\.name.count).max() ?? 0
        var text = state.shown > 0 ? "\u{1B}[\(state.shown)A" : ""
        for row in state.rows {
            let name = row.name + String(repeating: " ", count: width - row.name.count + 2)
            text +=
                "\u{1B}[2K" + name + row.text.prefix(max((Output.terminalColumns ?? 80) - name.count, 10))
                + "\n"
        }
        state.shown = state.rows.count
        Output.write(text)
    }
}
