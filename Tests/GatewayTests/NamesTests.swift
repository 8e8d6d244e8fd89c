import CEpollShim
import Glibc
import MCP
import Synchronization
import System
import Testing

@testable import Gateway

/// A server of names on loopback: `silent…` gets no answer, `none…` does not exist, any other name is 192.0.2.7.
private final class NameServer: Sendable {
    let port: UInt16
    private let descriptor: Int32
    let questions = Mutex<[String]>([])

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = descriptor
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        try #require(bound)
        port = UInt16(bigEndian: address.sin_port)
        var thread = pthread_t()
        let this = Unmanaged.passRetained(self)
        pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<NameServer>.fromOpaque(raw).takeRetainedValue().serve() }
                return nil
            }, this.toOpaque())
        pthread_detach(thread)
    }

    /// Makes `serve` end: a datagram of one byte.
    func stop() {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let own = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        withUnsafePointer(to: &address) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(own, "x", 1, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        close(own)
    }

    private func serve() {
        var bytes = [UInt8](repeating: 0, count: 512)
        while true {
            var from = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &from) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, &bytes, bytes.count, 0, $0, &length)
                }
            }
            guard count > 12 else { break }
            guard let answer = answer(Array(bytes[..<count])) else { continue }
            withUnsafePointer(to: &from) {
                _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, answer, answer.count, 0, $0, length)
                }
            }
        }
        close(descriptor)
    }

    /// RFC 1035 §4.1: the header, the question as it came, and at most one address.
    private func answer(_ query: [UInt8]) -> [UInt8]? {
        var at = 12
        var labels: [String] = []
        while at < query.count, query[at] > 0 {
            let end = at + 1 + Int(query[at])
            labels.append(String(decoding: query[(at + 1)..<end], as: UTF8.self))
            at = end
        }
        let name = labels.joined(separator: ".").lowercased()
        questions.withLock { $0.append(name) }
        if name.hasPrefix("silent") { return nil }
        let question = Array(query[12..<(at + 5)])
        let isAddress = query[at + 2] == 1
        let exists = !name.hasPrefix("none")
        let record: [UInt8] =
            exists && isAddress ? [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7] : []
        let header: [UInt8] = [
            query[0], query[1], 0x81, exists ? 0x80 : 0x83, 0, 1, 0, record.isEmpty ? 0 : 1, 0, 0, 0, 0,
        ]
        return header + question + record
    }
}

/// What has ended, in order.
private final class Tally: Sendable {
    private let ended = Mutex<[String]>([])

    func add(_ what: String) { ended.withLock { $0.append(what) } }
    var all: [String] { ended.withLock { $0 } }
}

@Suite struct NamesTests {
    private func resolve(_ names: Names, _ host: String) async -> Names.Answer {
        await withCheckedContinuation { waiting in names.resolve(host) { waiting.resume(returning: $0) } }
    }

    @Test("a name that nobody answers holds up no other, and ends with an error")
    func silent() async throws {
        let server = try NameServer()
        defer { server.stop() }
        let names = Names(servers: "127.0.0.1:\(server.port)", attemptMilliseconds: 1000)
        let ended = Tally()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let host = "silent\(number).example."
                    guard case .failure(let failure) = await self.resolve(names, host) else {
                        Issue.record("\(host) has an address")
                        return
                    }
                    #expect(failure.reason.contains(host))
                    ended.add("silent")
                }
            }
            group.addTask {
                while !server.questions.withLock({ $0.contains { $0.hasPrefix("silent") } }) {
                    await Task.yield()
                }
                for number in 0..<20 {
                    let found = try? await self.resolve(names, "good\(number).example.").get()
                    #expect(found == [IPAddress("192.0.2.7")].compactMap { $0 })
                }
                ended.add("good")
            }
        }
        // All good ones, one after the other, were through before the first silent one was given up.
        #expect(ended.all.first == "good")
        #expect(ended.all.count == 201)
    }

    @Test("a name that does not exist is told")
    func none() async throws {
        let server = try NameServer()
        defer { server.stop() }
        let names = Names(servers: "127.0.0.1:\(server.port)")
        guard case .failure(let failure) = await resolve(names, "none.example.") else {
            Issue.record("it has an address")
            return
        }
        #expect(failure.reason.hasPrefix("its name none.example. cannot be resolved: "))
    }

    @Test("more names than may wait are refused at once")
    func tooMany() async throws {
        let server = try NameServer()
        defer { server.stop() }
        let names = Names(servers: "127.0.0.1:\(server.port)", attemptMilliseconds: 50)
        var refused = 0
        let answered = Tally()
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<(Limits.resolutionsWaiting + 100) {
                group.addTask {
                    guard case .failure(let failure) = await self.resolve(names, "silent\(number).example.")
                    else {
                        return false
                    }
                    answered.add("failed")
                    return failure.reason.contains("too many names")
                }
            }
            for await isRefused in group where isRefused { refused += 1 }
        }
        #expect(refused > 0)
        #expect(answered.all.count == Limits.resolutionsWaiting + 100)
        #expect(try await resolve(names, "good.example.").get().count == 1)
    }

    @Test("names that are asked for one after the other get a thread each time")
    func again() async throws {
        let server = try NameServer()
        defer { server.stop() }
        let names = Names(servers: "127.0.0.1:\(server.port)")
        for _ in 0..<20 { #expect(try await resolve(names, "good.example.").get().count == 1) }
    }
}
