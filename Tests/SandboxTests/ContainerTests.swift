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
        let file = String(decoding: try run.variables().file, as: UTF8.self)
        #expect(file == "HOME=/workspace\nTOKEN=second\nE2B_SANDBOX_ID=sandbox1\n")
    }

    @Test("what no line holds is in the engine's own environment, and only its name in the command line")
    func severalLines() throws {
        let long = String(repeating: "x", count: SandboxLimits.environmentLineBytes)
        let run = try run(environment: [
            ("PRIVATE_KEY", "-----BEGIN\nabc\r\n"), ("A", "x\nLD_PRELOAD=/y"), ("LONG", long), ("PLAIN", "z"),
        ])
        let variables = try run.variables()
        #expect(String(decoding: variables.file, as: UTF8.self).contains("PLAIN=z\n"))
        #expect(!String(decoding: variables.file, as: UTF8.self).contains("LD_PRELOAD"))
        #expect(variables.passed.map(\.0) == ["PRIVATE_KEY", "A", "LONG"])
        #expect(variables.passed.map(\.1) == ["-----BEGIN\nabc\r\n", "x\nLD_PRELOAD=/y", long])
        #expect(try value("--env", words(run)) == ["PRIVATE_KEY", "A", "LONG"])
        #expect(try !words(run).contains { $0.contains("BEGIN") || $0.contains("LD_PRELOAD") })
    }

    @Test(
        "a variable that is none, or would be the engine's, is refused by its name",
        arguments: [
            ("A B", "x"), ("#A", "x"), ("A", "x\0y"), ("", "x"), ("LD_LIBRARY_PATH", "/w\n:/y"),
            ("PATH", "a\nb"),
            ("ld_preload", "a\n"), ("CONTAINERS_CONF", "a\n"), ("_CONTAINERS_USERNS_CONFIGURED", "a\n"),
            ("DOCKER_HOST", "a\n"), ("HTTPS_PROXY", "a\n"), ("GODEBUG", "a\n"), ("OPENSSL_CONF", "a\n"),
            ("A", String(repeating: "x\n", count: SandboxLimits.environmentValueBytes)),
        ])
    func refusedVariables(_ variable: (name: String, value: String)) throws {
        let run = try run(environment: [variable])
        let failure = #expect(throws: LaunchFailure.self) { try run.variables() }
        #expect(failure?.message.contains("The variable \(variable.name) cannot be given") == true)
        #expect(failure?.message.contains("\n") == false)
    }

    @Test(
        "names of keys that have several lines are free",
        arguments: ["SSH_PRIVATE_KEY", "GOOGLE_CREDENTIALS", "GPG_KEY"])
    func freeNames(_ name: String) throws {
        #expect(try run(environment: [(name, "a\nb")]).variables().passed.map(\.0) == [name])
    }

    @Test("a value of one line may have any name: it is never the engine's")
    func oneLine() throws {
        let variables = try run(environment: [("LD_PRELOAD", "/x"), ("PATH", "/y")]).variables()
        #expect(variables.passed.isEmpty)
        #expect(String(decoding: variables.file, as: UTF8.self).contains("LD_PRELOAD=/x\nPATH=/y\n"))
    }

    @Test(
        "a named volume is the sandbox's, under a name of its own; without users it lasts as long as its server"
    )
    func namedVolumes() throws {
        let volume = ContainerProgram.Volume(
            source: "../../etc", target: "/data", readOnly: false, isNamed: true)
        let program = ContainerProgram(image: "mcp/thing", volumes: [volume])
        let run = try run(program)
        #expect(run.namedVolumes == ["../../etc"])
        let bound = try #require(try value("--volume", words(run)).first)
        #expect(bound.hasPrefix("\(run.state.disk("sandbox1"))/volumes/") && bound.hasSuffix(":/data:rw"))
        #expect(!bound.contains("/../"))
        let plain = try self.run(program, user: nil)
        #expect(plain.namedVolumes == [])
        #expect(try value("--tmpfs", words(plain)).contains { $0.hasPrefix("/data:rw,") })
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
        // Whoever it runs as, it writes the sandbox's files.
        #expect(try value("--group-add", words(run(imageUser: "node"))) == ["200007"])
        #expect(try value("--group-add", words(run(imageUser: "root"))) == [])
        #expect(try value("--group-add", words(run(imageUser: "node", user: nil))) == [])
        #expect(try value("--user", words(run(user: nil))) == [])
        let named = ContainerProgram(image: "mcp/thing", user: "1234")
        #expect(try value("--user", words(run(named))) == ["1234"])
        #expect(try value("--group-add", words(run(named))) == ["200007"])
    }

    @Test("nobody becomes the host's root by a daemon of root's")
    func rootOfTheHost() throws {
        var engine = Self.docker
        engine.rootIsHosts = true
        let own = "\(geteuid()):\(getegid())"
        #expect(try value("--user", words(run(engine: engine, user: nil))) == [own])
        #expect(try value("--user", words(run(engine: engine, imageUser: "node", user: nil))) == [])
        #expect(try value("--user", words(run(engine: engine))) == ["200007:200007"])
        engine.rootIsHosts = false
        #expect(try value("--user", words(run(engine: engine, user: nil))) == [])
    }

    @Test("podman makes a container's group in the server's, which the systemd of the host does not know")
    func groups() throws {
        let words = try run().command(HostPaths(hiding: []), group: "/unit/s/1")
        #expect(words.starts(with: ["/usr/bin/podman", "--cgroup-manager", "cgroupfs", "run"]))
        #expect(value("--cgroup-parent", words) == ["/unit/s/1"])
        #expect(value("--cgroups", words) == ["no-conmon"])
        let docker = try self.words(run(engine: Self.docker))
        #expect(docker.starts(with: ["/usr/bin/docker", "run"]))
        #expect(value("--cgroup-parent", docker) == [])
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

    /// What a warden guards: it waits to be killed, or ends by itself.
    private func guarded(_ scene: Scene, _ isKilled: Bool) -> StartPlan {
        StartPlan(
            command: ["/bin/sh", "-c", isKilled ? "echo ready; exec sleep 1000" : "exit 7"],
            environment: [("PATH", Executable.systemPath)], jail: scene.workshop.starter.jail(),
            directory: "/", mark: "test")
    }

    @Test(
        "a last command of a warden runs when what it guards has ended, and when it is killed",
        arguments: [true, false])
    func lastCommand(_ isKilled: Bool) throws {
        let scene = try Scene(.none)
        let witness = "\(scene.directory)/witness"
        var plan = guarded(scene, isKilled)
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

    @Test(
        "around a client, the last command is repeated until it has removed what its daemon may have been asked for",
        arguments: [true, false])
    func lastCommandOfAClient(_ isKilled: Bool) throws {
        let scene = try Scene(.none)
        let witness = "\(scene.directory)/witness"
        var plan = guarded(scene, isKilled)
        // It is there at the third look.
        let look = "echo look >>$0; [ $(wc -l <$0) -lt 3 ] || echo removed"
        plan.engine = EngineStart(removal: ["/bin/sh", "-c", look, witness], isClient: true)
        let child = try scene.workshop.starter.start(plan)
        if isKilled {
            #expect(waits(child.stdout))
            child.kill()
        }
        #expect(waits(child.pidfd))
        #expect(GroupFile.text(witness).split(separator: "\n").count == (isKilled ? 3 : 1))
        child.killAndReap()
    }

    private func waits(_ descriptor: Int32) -> Bool {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&watched, 1, Running.limitMilliseconds) == 1
    }
}
