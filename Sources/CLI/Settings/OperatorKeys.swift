import Gateway
import System
import Telemetry

/// The keys of the control API: those of `api-key-file`, else the one that the first start made.
enum OperatorKeys {
    /// Bytes of a key file.
    static let bytesMax = 1 << 20
    /// Characters of a key; a shorter one can be guessed.
    static let keyCharactersMin = 16
    /// Who owns what the generated key creates.
    static let generatedName = "default"

    private struct LineMistake: Error {
        var line: Int
        var message: String
    }

    static func read(file: String) throws(FileMistakes) -> [GatewayConfiguration.APIKey] {
        do {
            return try parse(try Files.read(file, limit: bytesMax))
        } catch {
            let mistake = error as? LineMistake ?? LineMistake(line: 1, message: "\(error)")
            throw FileMistakes(mistakes: [
                FileMistake(file: file, line: mistake.line, key: "", message: mistake.message)
            ])
        }
    }

    private static func parse(_ bytes: [UInt8]) throws -> [GatewayConfiguration.APIKey] {
        do throws(APIKeys.Mistake) {
            _ = try APIKeys.parse(bytes)
        } catch {
            throw LineMistake(line: error.line, message: error.message)
        }
        var keys: [GatewayConfiguration.APIKey] = []
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let words = line.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
            guard words.count == 2, words[0].first != UInt8(ascii: "#") else { continue }
            guard words[1].count >= keyCharactersMin else {
                throw LineMistake(
                    line: index + 1, message: "a key has at least \(keyCharactersMin) characters")
            }
            keys.append(
                .init(
                    name: String(decoding: words[0], as: UTF8.self),
                    key: String(decoding: words[1], as: UTF8.self)))
        }
        guard !keys.isEmpty else { throw LineMistake(line: 1, message: "no key in it; a line is NAME KEY") }
        return keys
    }

    /// The key in the state directory; made on the first start. It is never shown, its path is.
    static func generated(in directory: String) throws -> GatewayConfiguration.APIKey {
        let file = StateDirectory.keyFile(directory)
        if Files.exists(file) {
            return .init(name: generatedName, key: try stored(file))
        }
        // Servers of other users read packages in there; what is secret has a mode of its own.
        try Files.makeDirectories(directory, mode: 0o755)
        let key = "e2b_" + Random.hex(20)
        try Files.writeAtomically(Array((key + "\n").utf8), to: file, mode: 0o600)
        Log.warning("made an API key, since none is configured", ["file": file])
        return .init(name: generatedName, key: key)
    }

    /// The key that a generated file holds.
    static func stored(_ file: String) throws -> String {
        let text = String(decoding: try Files.read(file, limit: bytesMax), as: UTF8.self)
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 1, words[0].utf8.count >= keyCharactersMin else {
            throw CommandFailure("\(file): holds no key; remove it and the next start makes one")
        }
        return String(words[0])
    }
}
