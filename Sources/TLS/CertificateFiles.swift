/// Where a certificate lies: the chain, leaf first, and the key of the leaf. Both may be the same file.
public struct CertificateFiles: Hashable, Sendable {
    public let chain: String
    public let key: String

    public init(chain: String, key: String) {
        self.chain = chain
        self.key = key
    }
}
