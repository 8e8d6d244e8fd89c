import CEpollShim

/// Where the first byte of a class is; `end` when none is before it. Sixteen bytes a step (`ce_scan.h`).
/// `end` is at most the count of `bytes`, and nothing from there on is read.
enum Scan {
    /// Below 0x20, or 0x7F.
    @inline(__always) static func control(_ bytes: UnsafeRawBufferPointer, from: Int, end: Int) -> Int {
        first(bytes, from, end, ce_find_control)
    }

    /// Anything but visible ASCII.
    @inline(__always) static func hidden(_ bytes: UnsafeRawBufferPointer, from: Int, end: Int) -> Int {
        first(bytes, from, end, ce_find_hidden)
    }

    /// Anything but letters, digits and `-`: where the common part of a field name ends.
    @inline(__always) static func notName(_ bytes: UnsafeRawBufferPointer, from: Int, end: Int) -> Int {
        first(bytes, from, end, ce_find_not_name)
    }

    /// Anything but letters, digits, `-`, `.` and `/`: where the common part of a path ends.
    @inline(__always) static func notPath(_ bytes: UnsafeRawBufferPointer, from: Int, end: Int) -> Int {
        first(bytes, from, end, ce_find_not_path)
    }

    @inline(__always) private static func first(
        _ bytes: UnsafeRawBufferPointer, _ from: Int, _ end: Int,
        _ find: (UnsafePointer<UInt8>, Int, Int) -> Int
    ) -> Int {
        guard let base = bytes.baseAddress, from < end else { return end }
        return find(base.assumingMemoryBound(to: UInt8.self), from, end)
    }
}
