import CEpollShim
import Glibc
import System

@testable import Sandbox

/// A workshop in a directory of its own, and sandboxes in it.
final class Scene {
    let directory: String
    let workshop: Workshop

    init(
        _ isolation: IsolationChoice, directory: String = Scene.newDirectory(),
        _ adjust: (inout WorkshopConfiguration) -> Void = { _ in }
    ) throws {
        self.directory = directory
        var configuration = WorkshopConfiguration(stateDirectory: "\(directory)/state", isolation: isolation)
        adjust(&configuration)
        workshop = try Workshop(configuration)
    }

    deinit {
        workshop.groups?.removeAll()
        try? Files.removeTree(directory)
    }

    /// Where other users may pass: the first of these that this machine has.
    static func newDirectory() -> String {
        let path = "/var/tmp/mcp-gateway-test-\(Random.base36(10))"
        mkdir(path, 0o755)
        chmod(path, 0o755)
        return path
    }

    static func newID() -> String { Random.base36(20) }

    func launch(
        _ program: LaunchRequest.Program, sandbox: String = Scene.newID(), arguments: [String] = [],
        environment: [(String, String)] = [], resources: ResourceLimits? = nil
    ) throws -> Running {
        let answer = Answer<Result<SpawnedChild, LaunchFailure>>()
        var request = LaunchRequest(
            program: program, arguments: arguments, environment: environment, sandboxID: sandbox,
            serverName: "test", cpu: nil)
        request.resources = resources
        workshop.launch(request, token: LaunchToken(), installed: {}, done: { answer.give($0) })
        return Running(try answer.wait().get(), sandbox: sandbox, scene: self)
    }

    func shell(
        _ script: String, sandbox: String = Scene.newID(), environment: [(String, String)] = []
    ) throws -> Running {
        try launch(.command(["/bin/sh", "-c", script]), sandbox: sandbox, environment: environment)
    }

    func python(_ script: String, sandbox: String = Scene.newID()) throws -> Running {
        try launch(.command(["/usr/bin/python3", "-I", "-c", script]), sandbox: sandbox)
    }

    func remove(_ sandbox: String) {
        let answer = Answer<Bool>()
        workshop.removeSandbox(sandbox) { answer.give(true) }
        _ = answer.wait()
    }
}

/// A started process; its end is awaited with a limit that only a failure reaches.
final class Running {
    static let limitMilliseconds: Int32 = 20_000
    let child: SpawnedChild
    let sandbox: String
    /// Its directories are there as long as it runs.
    private let scene: Scene
    private var isReaped = false

    init(_ child: SpawnedChild, sandbox: String, scene: Scene) {
        self.scene = scene
        self.child = child
        self.sandbox = sandbox
    }

    deinit { if !isReaped { child.killAndReap() } }

    /// The next line of its standard output, or what is there at its end.
    func line() -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while ce_wait_readable(child.stdout, -1, Self.limitMilliseconds) > 0 {
            guard ce_read(child.stdout, &byte, 1) == 1, byte != 10 else { break }
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }

    func all(_ descriptor: Int32) -> String {
        var tail = OutputTail(limit: 1 << 20)
        while ce_wait_readable(descriptor, -1, Self.limitMilliseconds) > 0 {
            if !tail.read(descriptor) { break }
        }
        return String(decoding: tail.bytes, as: UTF8.self)
    }

    var output: String { all(child.stdout) }
    var errors: String { all(child.stderr) }

    func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = ce_write_all(child.stdin, bytes, bytes.count)
    }

    /// Waits for its end.
    func exit() -> ChildExitStatus? {
        guard ce_wait_readable(child.pidfd, -1, Self.limitMilliseconds) > 0 else { return nil }
        isReaped = true
        defer {
            for descriptor in [child.stdin, child.stdout, child.stderr, child.pidfd] { ce_close(descriptor) }
        }
        return child.reap()
    }
}

/// Living processes whose command line has `text` in it.
func processes(with text: String) -> [Int32] {
    ProcessTable.all.filter { pid in
        guard let bytes = try? Files.read("/proc/\(pid)/cmdline", limit: 1 << 20) else { return false }
        return pid != getpid() && String(decoding: bytes, as: UTF8.self).contains(text)
    }
}
