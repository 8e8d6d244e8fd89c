import Glibc
import System
import Testing

@testable import Sandbox

/// What an engine is told. That it works is for the end-to-end tests: they have an engine.
struct ContainerTests {
    private static let podman = ContainerEngine(
        kind: .podman, path: "/usr/bin/podman", version: "4", runtime: "runc", runtimePath: "/usr/sbin/runc")
    private static let docker = ContainerEngine(kind: .docker, path: "/usr/bin/docker", version: "27")

    private func run(
        _ program: ContainerProgram = ContainerProgram(image: "mcp/thing"),
        engine: ContainerEngine = ContainerTests.podman, imageUser: String = "", user: UInt32? = 200_007,
        environment: [(String, String)] = [], resources: ResourceLimits = ResourceLimits()
    ) throws -> ContainerRun {
        let scene = try Scene(.none)
        let request = LaunchRequest(
            program: .oci(program), arguments: ["--flag"], environment: environment, sandboxID: "sandbox1",
            serverName: "thing", cpu: nil)
        let package = InstalledPackage(
            kind: .image, programs: ["docker.io/mcp/thing@sha256:1", "user \(imageUser)"])
        return ContainerRun(
            engine: engine, program: program, request: request, package: package, user: user,
            resources: resources, state: scene.workshop.state, number: 1,
            WorkshopConfiguration(stateDirectory: scene.directory))
    }

    private func words(_ run: ContainerRun) throws -> [String] { try run.command(HostPaths(hiding: [])) }

    private func value(_ option: String, _ words: [String]) -> [String] {
        words.indices.filter { words[$0] == option && $0 + 1 < words.count }.map { words[$0 + 1] }
    }

    @Test("an image without a registry is Docker Hub's, and one without a tag the latest")
    func names() {
        #expect(ImageRecipe.fullName("thing") == "docker.io/library/thing:latest")
        #expect(ImageRecipe.fullName("mcp/thing") == "docker.io/mcp/thing:latest")
        #expect(ImageRecipe.fullName("mcp/thing:2") == "docker.io/mcp/thing:2")
        #expect(ImageRecipe.fullName("ghcr.io/a/b") == "ghcr.io/a/b:latest")
        #expect(ImageRecipe.fullName("localhost:5000/b") == "localhost:5000/b:latest")
        #expect(ImageRecipe.fullName("localhost/b:1") == "localhost/b:1")
        #expect(ImageRecipe.fullName("a/b@sha256:12") == "docker.io/a/b@sha256:12")
        #expect(ImageRecipe.repository("localhost:5000/b:1@sha256:12") == "localhost:5000/b")
    }

    @Test("the recorded digest is what runs, with the arguments behind it")
    func reference() throws {
        #expect(try words(run()).suffix(2) == ["docker.io/mcp/thing@sha256:1", "--flag"])
    }

    @Test("values of the environment are in the file and not in the command line")
    func secrets() throws {
        let run = try run(environment: [
            ("TOKEN", "a b#=c"), ("TOKEN", "second"), ("E2B_SANDBOX_ID", "forged"),
        ])
        #expect(try !words(run).contains { $0.contains("second") || $0.contains("a b#=c") })
        let file = String(decoding: try run.environmentFile(), as: UTF8.self)
        #expect(file == "HOME=/workspace\nTOKEN=second\nE2B_SANDBOX_ID=sandbox1\n")
    }

    @Test(
        "a variable that would become two, or none, is refused by its name",
        arguments: [
            ("A", "x\nLD_PRELOAD=/y"), ("A", "x\r"), ("A B", "x"), ("#A", "x"), ("A", "x\0y"), ("", "x"),
        ])
    func lines(_ variable: (name: String, value: String)) throws {
        let run = try run(environment: [variable])
        let failure = #expect(throws: LaunchFailure.self) { try run.environmentFile() }
        #expect(failure?.message.contains("The variable \(variable.name) cannot be given") == true)
        #expect(failure?.message.contains("LD_PRELOAD") == false)
    }

    @Test(
        "a container has no capability, no more privileges, and a system that is read only",
        arguments: [podman, docker])
    func confinement(_ engine: ContainerEngine) throws {
        let words = try words(run(engine: engine))
        #expect(words.contains("--read-only"))
        #expect(value("--cap-drop", words) == ["ALL"])
        #expect(value("--security-opt", words) == ["no-new-privileges"])
        #expect(value("--pull", words) == ["never"])
        #expect(!words.contains("--privileged"))
    }

    @Test("it runs as the sandbox's user where the image would run as root")
    func users() throws {
        for root in ["", "0", "root", "0:0", "root:root"] {
            #expect(try value("--user", words(run(imageUser: root))) == ["200007:200007"])
        }
        #expect(try value("--user", words(run(imageUser: "node"))) == [])
        #expect(try value("--user", words(run(user: nil))) == [])
        let named = ContainerProgram(image: "mcp/thing", user: "1234")
        #expect(try value("--user", words(run(named))) == ["1234"])
    }

    @Test("limits of the server are those of the container")
    func limits() throws {
        var resources = ResourceLimits()
        resources[.serverMemory] = 64 << 20
        resources[.serverProcesses] = 20
        resources[.serverCPUs] = 5
        let words = try words(run(resources: resources))
        #expect(value("--memory", words) == ["67108864"] && value("--memory-swap", words) == ["67108864"])
        #expect(value("--pids-limit", words) == ["20"])
        #expect(value("--cpus", words) == ["0.05"])
    }

    @Test("what may not be shown of the host fails the start")
    func volumes() throws {
        func bind(_ source: String, _ target: String) -> ContainerProgram {
            let volume = ContainerProgram.Volume(
                source: source, target: target, readOnly: false, isNamed: false)
            return ContainerProgram(image: "mcp/thing", volumes: [volume])
        }
        for source in ["/etc", "/root", "/no/such/place", "relative"] {
            #expect(throws: LaunchFailure.self) { try words(run(bind(source, "/data"))) }
        }
        for target in ["/", "relative", "/proc/x", "/etc/passwd", "/a:b", "/a/../b"] {
            #expect(throws: LaunchFailure.self) { try words(run(bind("/usr/share", target))) }
        }
        // Readable by all, writable by root: nothing that it could write.
        #expect(try value("--volume", words(run(bind("/srv", "/data")))).first == "/srv:/data:ro")
    }

    @Test(
        "a last command of a warden runs when what it guards has ended, and when it is killed",
        arguments: [true, false])
    func lastCommand(_ isKilled: Bool) throws {
        let scene = try Scene(.none)
        let witness = "\(scene.directory)/witness"
        var plan = StartPlan(
            command: ["/bin/sh", "-c", isKilled ? "echo ready; exec sleep 1000" : "exit 7"],
            environment: [("PATH", Executable.systemPath)], jail: scene.workshop.starter.jail(),
            directory: "/",
            mark: "test")
        plan.engine = EngineStart(removal: ["/usr/bin/touch", witness])
        let child = try scene.workshop.starter.start(plan)
        if isKilled {
            #expect(waits(child.stdout))
            child.kill()
        }
        #expect(waits(child.pidfd) && Files.exists(witness))
        #expect(child.reap().map { isKilled ? $0.signal == SIGKILL : $0.code == 7 } == true)
        child.killAndReap()
    }

    private func waits(_ descriptor: Int32) -> Bool {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&watched, 1, Running.limitMilliseconds) == 1
    }
}
