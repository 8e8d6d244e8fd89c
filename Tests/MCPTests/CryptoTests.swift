import CEpollShim
import Testing

@testable import MCP

private func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

@Test(
    "SHA-256 agrees with FIPS 180-4",
    arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
func sha256(_ text: String, _ expected: String) {
    #expect(hex(text.raw { Digest.sha256($0) }) == expected)
}

@Test("HMAC-SHA-256 agrees with RFC 4231, and takes an empty key")
func hmac() {
    var out = [UInt8](repeating: 0, count: 32)
    let key = Array("Jefe".utf8)
    let data = Array("what do ya want for nothing?".utf8)
    #expect(ce_hmac_sha256(key, key.count, data, data.count, &out) == 0)
    #expect(hex(out) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    #expect(ce_hmac_sha256(nil, 0, nil, 0, &out) == 0)
    #expect(hex(out) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
}

@Test("a sealed message opens only whole, under its key and its associated data")
func gcm() {
    let key = [UInt8](repeating: 7, count: 32)
    let plain = Array("hello".utf8)
    let bound = Array("sandbox".utf8)
    var sealed = [UInt8](repeating: 0, count: 64)
    let written = ce_gcm_seal(key, bound, bound.count, plain, plain.count, &sealed, sealed.count)
    #expect(Int(written) == plain.count + Int(CE_GCM_OVERHEAD_BYTES))
    let box = Array(sealed.prefix(Int(written)))
    var out = [UInt8](repeating: 0, count: 64)
    #expect(ce_gcm_open(key, bound, bound.count, box, box.count, &out, out.count) == 5)
    #expect(Array(out.prefix(5)) == plain)

    for i in box.indices {
        var changed = box
        changed[i] ^= 1
        #expect(ce_gcm_open(key, bound, bound.count, changed, changed.count, &out, out.count) < 0)
    }
    for count in 0..<box.count {
        #expect(ce_gcm_open(key, bound, bound.count, box, count, &out, out.count) < 0)
    }
    #expect(ce_gcm_open(key, bound, bound.count - 1, box, box.count, &out, out.count) < 0)
    var other = key
    other[31] ^= 1
    #expect(ce_gcm_open(other, bound, bound.count, box, box.count, &out, out.count) < 0)
    #expect(ce_gcm_open(key, bound, bound.count, box, box.count, &out, 4) < 0)
    #expect(ce_gcm_seal(key, bound, bound.count, plain, plain.count, &sealed, 32) < 0)
}

@Test("an empty message can be sealed too")
func gcmEmpty() {
    let key = [UInt8](repeating: 1, count: 32)
    var sealed = [UInt8](repeating: 0, count: 28)
    #expect(ce_gcm_seal(key, nil, 0, nil, 0, &sealed, sealed.count) == 28)
    var out = [UInt8](repeating: 0, count: 1)
    #expect(ce_gcm_open(key, nil, 0, sealed, sealed.count, &out, 0) == 0)
    sealed[27] ^= 1
    #expect(ce_gcm_open(key, nil, 0, sealed, sealed.count, &out, 0) < 0)
}

@Test("a digest matches its own text alone")
func digestMatches() {
    let digest = "token".raw { Digest.sha256($0) }
    #expect("token".raw { Digest.matches($0, digest: digest) })
    #expect(!"Token".raw { Digest.matches($0, digest: digest) })
    #expect(!"token".raw { Digest.matches($0, digest: Array(digest.dropLast())) })
    #expect(ce_equal(nil, nil, 0) == 1)
}

@Test(
    "base64 agrees with RFC 4648",
    arguments: [
        ("", "", ""), ("f", "Zg==", "Zg"), ("fo", "Zm8=", "Zm8"), ("foo", "Zm9v", "Zm9v"),
        ("foob", "Zm9vYg==", "Zm9vYg"), ("fooba", "Zm9vYmE=", "Zm9vYmE"), ("??>", "Pz8+", "Pz8-"),
    ])
func base64(_ plain: String, _ standard: String, _ url: String) {
    for (alphabet, encoded) in [(Base64.Alphabet.standard, standard), (.url, url)] {
        var room = [UInt8](repeating: 0, count: 32)
        let written = room.withUnsafeMutableBytes { out in
            plain.raw { Base64.encode($0, alphabet, into: out) }
        }
        #expect(String(decoding: room.prefix(written), as: UTF8.self) == encoded)
        let read = room.withUnsafeMutableBytes { out in encoded.raw { Base64.decode($0, alphabet, into: out) }
        }
        #expect(read == plain.utf8.count)
        #expect(String(decoding: room.prefix(read ?? 0), as: UTF8.self) == plain)
    }
}

@Test(
    "base64 that is not canonical is refused",
    arguments: [
        "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8", "Zm9v=", "====", "=", "Zm 9v", "Zm9v\n", "Zg=A",
        "Pz8-",
        "=g==", "Z===",
    ])
func base64Refused(_ text: String) {
    var room = [UInt8](repeating: 0, count: 32)
    #expect(
        room.withUnsafeMutableBytes { out in text.raw { Base64.decode($0, .standard, into: out) } } == nil)
}

@Test("base64 that does not fit its target is refused")
func base64Room() {
    var room = [UInt8](repeating: 0, count: 2)
    #expect(room.withUnsafeMutableBytes { out in "Zm9v".raw { Base64.decode($0, .url, into: out) } } == nil)
}
