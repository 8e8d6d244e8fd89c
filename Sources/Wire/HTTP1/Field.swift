/// The request fields that something in the gateway reads. All others are checked for syntax and passed over.
public enum Field: UInt8, Sendable, CaseIterable {
    case host, contentLength, transferEncoding, connection, expect, upgrade
    case authorization, contentType, contentEncoding, accept, acceptEncoding, origin, userAgent
    /// `X-API-Key` and `X-Access-Token`, as the E2B SDKs send them.
    case apiKey, accessToken
    case mcpSessionID, mcpProtocolVersion, mcpMethod, mcpName, lastEventID
    case e2bSandboxID, e2bSandboxPort
    case idempotencyKey, requestID, traceparent
    case corsRequestMethod, corsRequestHeaders
    case forwarded, forwardedFor, forwardedProto, forwardedHost

    /// The name in lower case.
    public var name: StaticString {
        switch self {
        case .host: "host"
        case .contentLength: "content-length"
        case .transferEncoding: "transfer-encoding"
        case .connection: "connection"
        case .expect: "expect"
        case .upgrade: "upgrade"
        case .authorization: "authorization"
        case .contentType: "content-type"
        case .contentEncoding: "content-encoding"
        case .accept: "accept"
        case .acceptEncoding: "accept-encoding"
        case .origin: "origin"
        case .userAgent: "user-agent"
        case .apiKey: "x-api-key"
        case .accessToken: "x-access-token"
        case .mcpSessionID: "mcp-session-id"
        case .mcpProtocolVersion: "mcp-protocol-version"
        case .mcpMethod: "mcp-method"
        case .mcpName: "mcp-name"
        case .lastEventID: "last-event-id"
        case .e2bSandboxID: "e2b-sandbox-id"
        case .e2bSandboxPort: "e2b-sandbox-port"
        case .idempotencyKey: "idempotency-key"
        case .requestID: "x-request-id"
        case .traceparent: "traceparent"
        case .corsRequestMethod: "access-control-request-method"
        case .corsRequestHeaders: "access-control-request-headers"
        case .forwarded: "forwarded"
        case .forwardedFor: "x-forwarded-for"
        case .forwardedProto: "x-forwarded-proto"
        case .forwardedHost: "x-forwarded-host"
        }
    }

    /// The field called `name` (a token, letter case free), or nil. The length leaves at most five candidates.
    @inline(__always) static func named(_ name: UnsafeRawBufferPointer) -> Field? {
        switch name.count {
        case 4: pick(name, .host)
        case 6: pick(name, .accept) ?? pick(name, .origin) ?? pick(name, .expect)
        case 7: pick(name, .upgrade)
        case 8: pick(name, .mcpName)
        case 9: pick(name, .apiKey) ?? pick(name, .forwarded)
        case 10: pick(name, .connection) ?? pick(name, .userAgent) ?? pick(name, .mcpMethod)
        case 11: pick(name, .traceparent)
        case 12: pick(name, .contentType) ?? pick(name, .requestID)
        case 13: pick(name, .authorization) ?? pick(name, .lastEventID)
        case 14:
            pick(name, .contentLength) ?? pick(name, .mcpSessionID) ?? pick(name, .accessToken)
                ?? pick(name, .e2bSandboxID)
        case 15: pick(name, .acceptEncoding) ?? pick(name, .idempotencyKey) ?? pick(name, .forwardedFor)
        case 16:
            pick(name, .contentEncoding) ?? pick(name, .e2bSandboxPort) ?? pick(name, .forwardedHost)
        case 17: pick(name, .transferEncoding) ?? pick(name, .forwardedProto)
        case 20: pick(name, .mcpProtocolVersion)
        case 29: pick(name, .corsRequestMethod)
        case 30: pick(name, .corsRequestHeaders)
        default: nil
        }
    }

    @inline(__always) private static func pick(_ name: UnsafeRawBufferPointer, _ field: Field) -> Field? {
        ASCII.matches(name, field.name) ? field : nil
    }
}
