import Wire

/// The body of a create, checked before anything starts: every refusal names the field and what would be
/// right. Fields of E2B's schema that change nothing here are ignored; those that ask for protection or
/// persistence this gateway cannot give are refused, because ignoring them would be a lie.
struct CreateBody {
    var templateID: String
    var timeoutSeconds: Int
    var metadata: [(String, String)]
    var environment: [(String, String)]
    /// Nil when the sandbox has no MCP servers.
    var mcp: JSONValue?
    /// The name of the field that says that the sandbox is to reach nothing of the world.
    var deniesInternet: String?

    init(_ body: JSONObject, limits: ControlLimits) throws(ControlRefusal) {
        mcp = try Self.servers(body)
        templateID = try Self.template(body, hasServers: mcp != nil)
        timeoutSeconds =
            try Self.timeout(body, least: 1, limits: limits) ?? ControlLimits.defaultTimeoutSeconds
        metadata = try Self.texts(
            body, "metadata", entriesMax: ControlLimits.metadataEntries,
            keyBytesMax: ControlLimits.metadataKeyBytes, valueBytesMax: ControlLimits.metadataValueBytes)
        environment = try Self.texts(
            body, "envVars", entriesMax: ControlLimits.variables,
            keyBytesMax: ControlLimits.variableNameBytes, valueBytesMax: ControlLimits.variableValueBytes)
        try Self.checkVariables(environment)
        deniesInternet = ["allow_internet_access", "allowInternetAccess"].first { body[$0] == .bool(false) }
        try Self.refuseUnsupported(body)
    }

    private static func servers(_ body: JSONObject) throws(ControlRefusal) -> JSONValue? {
        switch body["mcp"] {
        case nil, .null: return nil
        case .object(let object): return .object(object)
        case .some(let other):
            throw .bad("mcp is \(other.kindName); it must be an object of server name to configuration")
        }
    }

    /// E2B's templates do not exist here; the id is handed back as it came.
    private static func template(_ body: JSONObject, hasServers: Bool) throws(ControlRefusal) -> String {
        switch body["templateID"] {
        case nil, .null: return hasServers ? "mcp-gateway" : "base"
        case .string(let text):
            let isPrintable = text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
            guard !text.isEmpty, isPrintable, text.utf8.count <= ControlLimits.templateIDBytes else {
                throw .bad(
                    "templateID must be 1 to \(ControlLimits.templateIDBytes) visible ASCII characters")
            }
            return text
        case .some(let other): throw .bad("templateID is \(other.kindName); it must be a string")
        }
    }

    /// Seconds from now; nil when the body has none.
    static func timeout(
        _ body: JSONObject, least: Int, limits: ControlLimits
    ) throws(ControlRefusal) -> Int? {
        switch body["timeout"] {
        case nil, .null: return nil
        case .integer(let seconds):
            guard seconds >= least, seconds <= limits.timeoutSeconds else {
                throw .bad("timeout is \(seconds); it must be \(least) to \(limits.timeoutSeconds) seconds")
            }
            return seconds
        case .some(let other):
            throw .bad("timeout is \(other.kindName); it must be a whole number of seconds")
        }
    }

    private static func texts(
        _ body: JSONObject, _ field: String, entriesMax: Int, keyBytesMax: Int, valueBytesMax: Int
    ) throws(ControlRefusal) -> [(String, String)] {
        let object: JSONObject
        switch body[field] {
        case nil, .null: return []
        case .object(let found): object = found
        case .some(let other): throw .bad("\(field) is \(other.kindName); it must be an object of strings")
        }
        guard object.count <= entriesMax else {
            throw .bad("\(field) has \(object.count) entries; the limit is \(entriesMax)")
        }
        var texts: [(String, String)] = []
        for member in object {
            let (key, value) = (member.name, member.value)
            guard !key.isEmpty, key.utf8.count <= keyBytesMax else {
                throw .bad("\(field) has a key of \(key.utf8.count) bytes; allowed are 1 to \(keyBytesMax)")
            }
            guard case .string(let text) = value else {
                throw .bad("\(field).\(key) is \(value.kindName); it must be a string")
            }
            guard text.utf8.count <= valueBytesMax else {
                throw .bad("\(field).\(key) has \(text.utf8.count) bytes; the limit is \(valueBytesMax)")
            }
            texts.append((key, text))
        }
        return texts
    }

    /// Names as POSIX has them (XBD 8.1), and no NUL: both end up in a process's environment block.
    private static func checkVariables(_ variables: [(String, String)]) throws(ControlRefusal) {
        for (name, value) in variables {
            let isName = name.utf8.enumerated().allSatisfy { index, byte in
                switch byte {
                case 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "_"): true
                case 0x30...0x39: index > 0
                default: false
                }
            }
            guard isName else {
                throw .bad("envVars.\(name) is not a variable's name: letters, digits and _, no digit first")
            }
            guard !value.utf8.contains(0) else { throw .bad("envVars.\(name) holds a NUL character") }
        }
    }

    private static func refuseUnsupported(_ body: JSONObject) throws(ControlRefusal) {
        if case .bool(true) = body["autoPause"] {
            throw .bad(
                "autoPause is not offered by this gateway: a sandbox ends at its timeout. Leave it out")
        }
        for field in ["network", "iam", "volumeMounts"] {
            switch body[field] {
            case nil, .null: continue
            case .object(let object) where object.isEmpty: continue
            case .array(let items) where items.isEmpty: continue
            default: throw .bad("\(field) is not offered by this gateway. Leave it out")
            }
        }
    }
}
