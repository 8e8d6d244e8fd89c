import CEpollShim

/// The CPUs of this process.
public enum CPUSet {
    /// Numbers of the CPUs that the calling thread may use, ascending: what the container or the unit allows.
    public static var allowed: [Int] {
        let numbers = [Int32](unsafeUninitializedCapacity: SystemLimits.cpusMax) { room, count in
            count = Int(max(ce_cpus_allowed(room.baseAddress, Int32(SystemLimits.cpusMax)), 0))
        }
        return numbers.map { Int($0) }
    }

    /// Binds the calling thread to one CPU.
    public static func pin(_ cpu: Int) throws(Errno) {
        try Errno.check(ce_pin_thread(Int32(clamping: cpu)), "pinning a thread to CPU \(cpu)")
    }
}
