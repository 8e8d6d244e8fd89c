import CEpollShim
import Glibc
import System
import Testing

@testable import Sandbox

@Suite("Workshop")
struct WorkshopTests {
    static let both: [IsolationChoice] = [.bubblewrap, .none]

    @Test("a server talks through its three pipes", arguments: both)
    func pipes(isolation: IsolationChoice) throws {
        let scene = try Scene(isolation)
        let server = try scene.shell("read line; echo \"got $line\"; echo oops >&2; exit 3")
        server.write("hello\n")
        #expect(server.output == "got hello\n")
        #expect(server.errors == "oops\n")
        #expect(server.exit()?.description == "exit code 3")
    }

    @Test("a server has the descriptors 0, 1 and 2 and no other", arguments: both)
    func descriptors(isolation: IsolationChoice) throws {
        let scene = try Scene(isolation)
        let stray = open("/dev/null", O_RDONLY)
        defer { close(stray) }
        let server = try scene.python("import os; print(sorted(os.listdir('/proc/self/fd')))")
        // The fourth one is the directory that is being listed.
        #expect(server.output == "['0', '1', '2', '3']\n")
    }

    @Test("a server's environment is what it was given", arguments: both)
    func environment(isolation: IsolationChoice) throws {
        setenv("SECRET_OF_THE_GATEWAY", "do not pass on", 1)
        let scene = try Scene(isolation)
        let id = Scene.newID()
        let server = try scene.launch(
            .command(["/usr/bin/env"]), sandbox: id, environment: [("A", "1"), ("B", "a b=c ž"), ("A", "2")])
        let lines = Set(server.output.split(separator: "\n").map(String.init))
        let home = isolation == .none ? scene.workshop.state.workspace(id) : "/workspace"
        var expected: Set = [
            "A=2", "B=a b=c ž", "LANG=C.UTF-8", "HOME=\(home)", "PATH=\(Executable.systemPath)",
            "E2B_SANDBOX_ID=\(id)",
        ]
        // bubblewrap tells where it has gone to.
        if isolation == .bubblewrap { expected.insert("PWD=/workspace") }
        #expect(lines == expected)
    }

    @Test("variables for the loader do not reach the jail's own process")
    func loaderVariables() throws {
        let scene = try Scene(.bubblewrap)
        let server = try scene.shell(
            "echo; read line", environment: [("LD_PRELOAD", "/nonexistent-library.so")])
        _ = server.line()
        let variables = ProcessTable.environment(of: server.child.pid)
        #expect(variables.map { $0.prefix { $0 != "=" } } == ["PATH", "E2B_SANDBOX_ID"])
        let command = try Files.read("/proc/\(server.child.pid)/cmdline", limit: 1 << 20)
        #expect(!String(decoding: command, as: UTF8.self).contains("LD_PRELOAD"))
    }

    @Test("signals and their mask are as a program expects them", arguments: both)
    func signals(isolation: IsolationChoice) throws {
        signal(SIGPIPE, SIG_IGN)
        let scene = try Scene(isolation)
        let server = try scene.shell("grep -E 'Sig(Blk|Ign)' /proc/self/status")
        #expect(server.output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
    }

    @Test(
        "an exit is told in words",
        arguments: [
            ("exit 0", "exit code 0"), ("exit 7", "exit code 7"), ("kill -ABRT $$", "killed by SIGABRT"),
            ("kill -KILL $$", "killed by SIGKILL"), ("kill -SEGV $$", "killed by SIGSEGV"),
        ])
    func exits(script: String, words: String) throws {
        for isolation in Self.both {
            let server = try Scene(isolation).shell(script)
            #expect(server.exit()?.description == words)
        }
    }

    @Test("TERM reaches the server itself", arguments: both)
    func terminate(isolation: IsolationChoice) throws {
        let scene = try Scene(isolation)
        let server = try scene.shell("trap 'echo asked; exit 5' TERM; echo ready; while :; do read x; done")
        #expect(server.line() == "ready")
        server.child.signal(SIGTERM)
        #expect(server.line() == "asked")
        #expect(server.exit()?.description == "exit code 5")
    }

    @Test("a server without a handler ends by TERM", arguments: both)
    func terminateByDefault(isolation: IsolationChoice) throws {
        let server = try Scene(isolation).shell("echo ready; read x; read y")
        #expect(server.line() == "ready")
        server.child.signal(SIGTERM)
        #expect(server.exit()?.description == "killed by SIGTERM")
    }

    /// Leaves its session, its group and its parent.
    static func daemon(_ mark: String) -> String {
        "import os,time\nif os.fork()==0:\n os.setsid()\n if os.fork()==0:\n  os.execve('/bin/sleep',['sleep','\(mark)'],{})\n"
            + " os._exit(0)\nos.wait()\nprint('ready',flush=True)\ntime.sleep(1000)"
    }

    @Test("killing a server kills what it has started, in another session too", arguments: both)
    func wholeTree(isolation: IsolationChoice) throws {
        let scene = try Scene(isolation)
        let mark = "8765\(UInt32.random(in: 10_000...99_999))"
        let server = try scene.python(Self.daemon(mark))
        #expect(server.line() == "ready")
        #expect(processes(with: mark).count >= 2)
        server.child.kill()
        #expect(server.exit()?.description == "killed by SIGKILL")
        #expect(processes(with: mark).isEmpty)
    }

    @Test("what a server has started ends when it exits by itself", arguments: both)
    func treeAfterExit(isolation: IsolationChoice) throws {
        let scene = try Scene(isolation)
        let mark = "8766\(UInt32.random(in: 10_000...99_999))"
        let server = try scene.python(Self.daemon(mark).replacing("time.sleep(1000)", with: "os._exit(4)"))
        #expect(server.line() == "ready")
        #expect(server.exit()?.description == "exit code 4")
        #expect(processes(with: mark).isEmpty)
    }

    @Test(
        "a command that cannot run is a failure that says why",
        arguments: [
            (["/no/such/program"], "no program"), (["/etc/passwd"], "no program"),
            (["no-such-program-anywhere"], "no-such-program-anywhere"), (["/"], "no program"), ([], "empty"),
            (["relative/program"], "absolute"),
        ])
    func commandsThatCannotRun(command: [String], words: String) throws {
        for isolation in Self.both {
            let failure = #expect(throws: LaunchFailure.self) {
                try Scene(isolation).launch(.command(command))
            }
            #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
    }

    @Test("a cancelled launch starts nothing and does not report")
    func cancelled() throws {
        let scene = try Scene(.none)
        let token = LaunchToken()
        #expect(token.cancel())
        let request = LaunchRequest(
            program: .command(["/bin/true"]), arguments: [], environment: [], sandboxID: Scene.newID(),
            serverName: "test", cpu: nil)
        scene.workshop.launch(
            request, token: token, installed: { Issue.record("installed") },
            done: { _ in Issue.record("done") })
        // What was submitted before has been looked at when this is done.
        for _ in 0..<SandboxLimits.launchThreads * 2 { scene.remove(Scene.newID()) }
        #expect(token.cancel())
    }

    @Test("a launch that has been committed cannot be cancelled")
    func committed() {
        let token = LaunchToken()
        #expect(token.commit())
        #expect(!token.cancel())
    }

    @Test("a sandbox's files go with it, also those that were made unreadable", arguments: both)
    func removal(isolation: IsolationChoice) throws {
        let scene = try Scene(isolation)
        let server = try scene.shell("mkdir -p a/b; echo x > a/b/c; chmod 0 a/b a; echo done")
        #expect(server.line() == "done")
        _ = server.exit()
        let directory = scene.workshop.state.sandbox(server.sandbox)
        #expect(Files.isDirectory(directory))
        scene.remove(server.sandbox)
        #expect(!Files.exists(directory))
    }

    @Test("the next gateway sweeps what the last one left: files and processes")
    func leftovers() throws {
        let scene = try Scene(.none)
        let server = try scene.shell("echo ready; read x")
        #expect(server.line() == "ready")
        let state = scene.workshop.state
        // As if the gateway had been killed: nothing has been removed.
        Leftovers.sweep(state)
        #expect(!Files.exists(state.sandbox(server.sandbox)))
        #expect(server.exit()?.signal == SIGKILL)
    }
}
