import Wire

/// `process.Process/Start` as the E2B SDK sends it, reduced to the one command this host knows:
/// `mcp-gateway --config JSON`, with the sandbox's token in GATEWAY_ACCESS_TOKEN.
struct StartCommand {
    enum Meaning {
        /// Serve this configuration.
        case gateway(JSONValue)
        /// `mcp-gateway` called in a way it cannot be; the text says why.
        case misused(String)
        /// Anything else.
        case other
    }

    let meaning: Meaning
    /// GATEWAY_ACCESS_TOKEN, if it is set.
    let token: String?

    init(_ message: JSONObject) throws(ConnectFrames.Mistake) {
        guard case .object(let process) = message["process"], case .string(let program) = process["cmd"]
        else {
            throw ConnectFrames.Mistake(code: "invalid_argument", message: "process.cmd is missing")
        }
        var arguments: [String] = []
        if case .array(let values) = process["args"] {
            for value in values {
                guard case .string(let text) = value else {
                    throw ConnectFrames.Mistake(
                        code: "invalid_argument", message: "process.args must hold strings")
                }
                arguments.append(text)
            }
        }
        token = Self.token(process)
        meaning = Self.meaning(program, arguments)
    }

    private static func token(_ process: JSONObject) -> String? {
        guard case .object(let variables) = process["envs"],
            case .string(let text) = variables["GATEWAY_ACCESS_TOKEN"]
        else { return nil }
        return text
    }

    private static func meaning(_ program: String, _ arguments: [String]) -> Meaning {
        let name = program.split(separator: "/").last.map(String.init) ?? ""
        guard name == "bash" || name == "sh" else { return meaning(words: [name] + arguments) }
        guard let flag = arguments.firstIndex(of: "-c"), flag + 1 < arguments.count else { return .other }
        return meaning(commandLine: arguments[flag + 1])
    }

    /// Reads a shell's command line without a shell.
    ///
    /// SDKs before 2026-04 put the JSON between single quotes without escaping those within. So what stands
    /// between the first and the last quote is tried first: when that is JSON, it is what was meant, because
    /// an escaped quote (`'"'"'` or `'\''`) is never valid JSON.
    private static func meaning(commandLine text: String) -> Meaning {
        guard let command = text.split(whereSeparator: { $0 == " " || $0 == "\t" }).first,
            command == "mcp-gateway"
        else { return .other }
        if let value = unescaped(text) { return .gateway(value) }
        do {
            return meaning(words: try ShellWords.split(text, wordsMax: ControlLimits.commandWords))
        } catch {
            return .misused("the command line has \(error.reason); put the JSON between single quotes")
        }
    }

    private static func unescaped(_ text: String) -> JSONValue? {
        let bytes = Array(text.utf8)
        let quote = UInt8(ascii: "'")
        guard let first = bytes.firstIndex(of: quote), let last = bytes.lastIndex(of: quote), first < last,
            bytes[(last + 1)...].allSatisfy({ $0 == 0x20 }),
            bytes[..<first].split(separator: 0x20) == [
                Array("mcp-gateway".utf8)[...], Array("--config".utf8)[...],
            ]
        else { return nil }
        return try? JSONValue.parse(Array(bytes[(first + 1)..<last]))
    }

    private static func meaning(words: [String]) -> Meaning {
        guard words.first == "mcp-gateway" else { return .other }
        guard words.count == 3, words[1] == "--config" else {
            return .misused("this host runs it as: mcp-gateway --config JSON")
        }
        guard let value = try? JSONValue.parse(Array(words[2].utf8)) else {
            return .misused("the value of --config is not valid JSON")
        }
        return .gateway(value)
    }

    // MARK: Answers

    /// The command began and ended well. Its servers keep running: they belong to the sandbox.
    static func succeeded(pid: Int) -> ControlResponse {
        ConnectFrames.stream([started(pid), ended(0)])
    }

    /// The command began, wrote `text` to its standard error, and ended with `code`. The SDK shows the text.
    static func failed(pid: Int, _ text: String, code: Int) -> ControlResponse {
        let data = JSONValue.string(Base64Text.padded(Array((text + "\n").utf8)))
        return ConnectFrames.stream([started(pid), event("data", ["stderr": data]), ended(code)])
    }

    private static func started(_ pid: Int) -> JSONValue {
        event("start", ["pid": .integer(pid)])
    }

    private static func ended(_ code: Int) -> JSONValue {
        event(
            "end", ["exitCode": .integer(code), "exited": true, "status": .string("exit status \(code)")])
    }

    private static func event(_ name: String, _ content: JSONValue) -> JSONValue {
        var event = JSONObject()
        event[name] = content
        return ["event": .object(event)]
    }
}
