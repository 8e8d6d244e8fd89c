import Glibc
import Synchronization

/// Works on several things at once, each on a thread, for commands that wait for the network and for disks.
enum Parallel {
    /// Calls `work` for each item, on up to `threads` threads; returns when all are done.
    static func each<Item: Sendable>(
        _ items: [Item], threads: Int, _ work: @escaping @Sendable (Item) -> Void
    ) {
        let next = Shelf(items)
        let started = (0..<min(threads, items.count)).compactMap { _ in
            start { while let item = next.take() { work(item) } }
        }
        // Should no thread start, this one does the work.
        while let item = next.take() { work(item) }
        for thread in started { pthread_join(thread, nil) }
    }

    private static func start(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
        let job = Unmanaged.passRetained(Job(body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, job.toOpaque())
        if result == 0 { return thread }
        job.release()
        return nil
    }

    private final class Job: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private final class Shelf<Item: Sendable>: Sendable {
        private let items: Mutex<ArraySlice<Item>>
        init(_ items: [Item]) { self.items = Mutex(items[...]) }
        func take() -> Item? { items.withLock { $0.popFirst() } }
    }
}
