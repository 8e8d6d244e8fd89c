import CEpollShim

/// Bytes of the kernel's CSPRNG (getrandom(2)).
public enum Random {
    public static func fill(_ bytes: UnsafeMutableRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        // ENOSYS and EFAULT only: no kernel that runs the rest of the gateway answers so.
        precondition(ce_random(base, bytes.count) == 0, "getrandom(2) failed")
    }

    public static func bytes(_ n: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: n) { room, count in
            fill(UnsafeMutableRawBufferPointer(start: room.baseAddress, count: n))
            count = n
        }
    }

    /// `n` characters of `[0-9a-z]`, each equally likely.
    public static func base36(_ n: Int) -> String {
        let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(n)
        while text.count < n {
            // 252 is the largest multiple of 36 in a byte; what lies above would favour the first four.
            for byte in bytes(n - text.count + 8) where byte < 252 && text.count < n {
                text.append(alphabet[Int(byte % 36)])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `bytesCount` bytes as lower-case hexadecimal, two characters each.
    public static func hex(_ bytesCount: Int) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytesCount * 2)
        for byte in bytes(bytesCount) {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
