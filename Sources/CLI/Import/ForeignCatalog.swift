import Catalog
import Wire

/// A file of another catalog, JSON or YAML, as the value that `CatalogImport` reads.
enum ForeignCatalog {
    /// Bytes of a catalog; Docker's has two megabytes.
    static let bytesMax = 64 << 20

    static func read(_ file: String) throws -> CatalogImport {
        let bytes = try SettingSources.contents(file, limit: bytesMax)
        let value = try tree(bytes, file)
        do throws(CatalogError) {
            return try CatalogImport.read(value)
        } catch {
            throw CommandFailure(error.mistakes.map { "\(file): \($0)" }.joined(separator: "\n"))
        }
    }

    static func tree(_ bytes: [UInt8], _ file: String) throws -> JSONValue {
        if let value = try? JSONValue.parse(bytes) { return value }
        do throws(YAMLError) {
            return try YAMLDocument.parse(bytes)?.json() ?? .null
        } catch {
            throw FileMistakes(mistakes: [
                FileMistake(file: file, line: error.line, key: "", message: error.message)
            ])
        }
    }
}
