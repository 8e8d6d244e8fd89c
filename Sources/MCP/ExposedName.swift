import CEpollShim

/// How tools and prompts of several servers share one name space.
public enum PrefixMode: String, Sendable, CaseIterable {
    /// `<server>_<tool>` for all.
    case always
    /// Only for names that more than one server has.
    case onCollision = "on-collision"
    /// Names as their servers wrote them; the first of two equal ones keeps it.
    case none
}

/// The name under which clients see a tool or prompt. It is looked up whole, never split: tool names contain
/// `_` themselves.
public enum ExposedName {
    /// Bytes kept of a name that gets a digest, and the digest's own characters.
    private static let keptBytes = 55
    private static let digestCharacters = 8

    /// One name of one server, decoded.
    public struct Original: Sendable, Hashable {
        public var server: Int
        public var name: [UInt8]

        public init(server: Int, name: [UInt8]) {
            self.server = server
            self.name = name
        }
    }

    /// The exposed name of each of `originals`, or nil for one that had to give way: the same server listed
    /// the same name twice. Earlier ones win, so the order has to be the configured one. `servers` holds the
    /// servers' names as the caller of the gateway wrote them.
    public static func assign(_ originals: [Original], servers: [[UInt8]], mode: PrefixMode) -> [[UInt8]?] {
        let shared = mode == .onCollision ? namesOfSeveralServers(originals) : []
        var seen = Set<Original>()
        var taken = Set<[UInt8]>()
        return originals.map { original in
            guard !original.name.isEmpty, servers.indices.contains(original.server),
                seen.insert(original).inserted
            else { return nil }
            let server = servers[original.server]
            var exposed =
                switch mode {
                case .none: original.name
                case .always: prefixed(original.name, server: server)
                case .onCollision:
                    shared.contains(legal(original.name))
                        ? prefixed(original.name, server: server) : legal(original.name)
                }
            // `none` is transparent: whoever asks for it knows the names.
            if mode != .none, exposed.count > MCPLimits.exposedNameBytesMax {
                exposed = shortened(exposed, original.name, server: server)
            }
            if taken.contains(exposed) { exposed = shortened(exposed, original.name, server: server) }
            return taken.insert(exposed).inserted ? exposed : nil
        }
    }

    /// `<server>_<name>` in legal characters; a name that begins so already stays as it is.
    static func prefixed(_ name: [UInt8], server: [UInt8]) -> [UInt8] {
        let plain = legal(name)
        let prefix = prefix(of: server)
        return plain.starts(with: prefix) ? plain : prefix + plain
    }

    /// With what the names of a server's tools and prompts begin, where they have a prefix.
    public static func prefix(of server: [UInt8]) -> [UInt8] { legal(server) + [UInt8(ascii: "_")] }

    /// `[A-Za-z0-9_.-]`, the alphabet of tool names: every other character becomes one `_`.
    static func legal(_ name: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(name.count)
        for byte in name {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "-"):
                out.append(byte)
            case 0x80...0xBF:
                continue  // The rest of a character whose first byte is already a `_`.
            default:
                out.append(UInt8(ascii: "_"))
            }
        }
        return out
    }

    /// 55 bytes of the name, `_`, and 8 base32 characters of SHA-256(server NUL name): the same after every
    /// restart, and different for any two originals that would look alike.
    static func shortened(_ exposed: [UInt8], _ original: [UInt8], server: [UInt8]) -> [UInt8] {
        let kept = legal(exposed).prefix(keptBytes)
        return kept + [UInt8(ascii: "_")] + digest(of: server + [0] + original)
    }

    static func digest(of bytes: [UInt8]) -> [UInt8] {
        let digest = bytes.withUnsafeBytes { Digest.sha256($0) }
        let alphabet: [UInt8] = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        var bits = digest.prefix(5).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        var out: [UInt8] = []
        for _ in 0..<digestCharacters {
            out.append(alphabet[Int(bits >> 35 & 31)])
            bits <<= 5
        }
        return out
    }

    private static func namesOfSeveralServers(_ originals: [Original]) -> Set<[UInt8]> {
        var owner: [[UInt8]: Int] = [:]
        var shared = Set<[UInt8]>()
        for original in originals {
            let name = legal(original.name)
            if let first = owner[name], first != original.server { shared.insert(name) }
            owner[name] = owner[name] ?? original.server
        }
        return shared
    }
}
