import CEpollShim
import Glibc

/// Jobs in the order of their coming, on a few threads that live as long as the process: a child's death signal
/// is bound to the thread that started it.
///
/// `@unchecked Sendable`: every access to `waiting` is under `mutex`.
final class JobQueue: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var waiting: [@Sendable () -> Void] = []

    init(name: String, threads: Int) {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(arrived, nil)
        for number in 0..<threads {
            // The thread keeps the queue alive, for ever.
            let boot = Boot(queue: self, name: "\(name)-\(number)")
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, nil,
                { raw in
                    guard let raw else { return nil }
                    let boot = Unmanaged<Boot>.fromOpaque(raw).takeRetainedValue()
                    ce_name_thread(boot.name)
                    boot.queue.runForever()
                }, Unmanaged.passRetained(boot).toOpaque())
            guard failure == 0 else { fatalError("starting thread \(name)-\(number): error \(failure)") }
            pthread_detach(thread)
        }
    }

    private final class Boot: Sendable {
        let queue: JobQueue
        let name: String

        init(queue: JobQueue, name: String) {
            self.queue = queue
            self.name = name
        }
    }

    func submit(_ job: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        waiting.append(job)
        pthread_cond_signal(arrived)
        pthread_mutex_unlock(mutex)
    }

    private func runForever() -> Never {
        while true {
            pthread_mutex_lock(mutex)
            while waiting.isEmpty { pthread_cond_wait(arrived, mutex) }
            let job = waiting.removeFirst()
            pthread_mutex_unlock(mutex)
            job()
        }
    }
}
