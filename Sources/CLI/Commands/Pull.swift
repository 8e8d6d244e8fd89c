import ArgumentParser
import Catalog
import Gateway
import Sandbox
import Synchronization
import Telemetry

/// `pull KEY…`: installs what servers of the catalog need ahead of use, several at once.
struct Pull: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Install the packages and pull the images of servers ahead of use.",
        discussion: """
            Resolves and installs into the state directory, beside a running gateway or without one; the first \
            sandbox with such a server starts at once then. What is there already is left as it is.

              mcp-gateway pull time git fetch
              mcp-gateway pull notion --state-dir /var/lib/mcp-gateway
            """)

    /// Installations at a time: they wait for downloads, then for the disk.
    private static let threads = 3

    @Argument(help: .init("Keys or aliases of the catalog.", valueName: "key"))
    var keys: [String]

    @Option(help: .init("The gateway's. (default: \(StateDirectory.shown))", valueName: "dir"))
    var stateDir: String?

    @OptionGroup var options: CatalogOptions

    func run() throws {
        let settings = try options.settings()
        let jobs = try jobs(SettingSources.catalog(settings.catalogs ?? []))
        let directory = stateDir ?? settings.stateDirectory ?? StateDirectory.standard(.current)
        var configuration = WorkshopConfiguration(
            stateDirectory: directory, isolation: settings.isolation ?? .auto)
        configuration.ownsSandboxes = false
        Log.configure(level: .warning, format: .text)
        defer { Log.flush() }
        let workshop = try Workshop(configuration)
        let board = ProgressBoard(jobs.map(\.key))
        let failed = Mutex<[String]>([])
        Parallel.each(jobs, threads: Self.threads) { job in
            do throws(LaunchFailure) {
                try workshop.install(job.program) { board.tell(job.key, $0) }
                board.tell(job.key, "ready")
            } catch {
                board.tell(job.key, "failed")
                let message = "\(job.key): \(error.message)"
                failed.withLock { $0.append(message) }
            }
        }
        let failures = failed.withLock { $0 }
        guard failures.isEmpty else {
            throw CommandFailure(Output.printable(failures.joined(separator: "\n")))
        }
    }

    private struct Job: Sendable {
        var key: String
        var program: LaunchRequest.Program
    }

    /// What is to be installed; every key that cannot be is told at once.
    private func jobs(_ catalog: ServerCatalog) throws(CommandFailure) -> [Job] {
        var jobs: [Job] = []
        var mistakes: [String] = []
        for key in keys where !jobs.contains(where: { $0.key == key }) {
            do throws(CommandFailure) {
                let source = try catalog.server(key).program()
                guard let (program, _) = Launch.program(source, withOldSDK: false) else {
                    throw CommandFailure("\(key) has nothing to install: \(source.words)")
                }
                jobs.append(Job(key: key, program: program))
            } catch {
                mistakes.append(error.message)
            }
        }
        guard mistakes.isEmpty else { throw CommandFailure(mistakes.joined(separator: "\n")) }
        return jobs
    }
}

extension Source {
    /// Where a server without a package is.
    fileprivate var words: String {
        switch self {
        case .remote: "it is reached at a remote endpoint"
        case .unavailable(let needs): needs
        default: "it brings its own program"
        }
    }
}
