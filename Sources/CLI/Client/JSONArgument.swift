import ArgumentParser
import Glibc
import System
import Wire

/// `JSON`, `@FILE` or `@-` for standard input, as `--mcp` and `--arguments` take it.
enum JSONArgument {
    /// Bytes of a file; a request carries no more.
    private static let bytesMax = 4 << 20

    /// An object; what else it may be is a mistake that names `flag`.
    static func object(_ text: String, _ flag: String) throws -> JSONValue {
        let (bytes, source) = try content(text, flag)
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(bytes)
        } catch {
            throw CommandFailure("\(source) is not valid JSON: \(error)")
        }
        guard value.objectValue != nil else {
            throw CommandFailure("\(source) is \(value.kindName); it must be a JSON object, {…}")
        }
        return value
    }

    private static func content(_ text: String, _ flag: String) throws -> (bytes: [UInt8], source: String) {
        guard text.hasPrefix("@") else { return (Array(text.utf8), flag) }
        let path = text == "@-" ? "/dev/stdin" : String(text.dropFirst())
        do throws(Errno) {
            return (try Files.read(path, limit: bytesMax), path)
        } catch {
            throw CommandFailure("\(flag): \(path): \(error.reason)")
        }
    }
}
