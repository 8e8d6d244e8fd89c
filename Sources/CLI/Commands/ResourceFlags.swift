import ArgumentParser
import System

/// The flags of `serve` for what sandboxes may use. `2GiB..8GiB` is a default and what a sandbox may ask for at most.
struct ResourceFlags: ParsableArguments {
    @Option(help: .init("Memory of one server, with its /tmp. (default: 2GiB)", valueName: "size"))
    var serverMemory: String?

    @Option(help: .init("CPUs of one server. (default: 2)", valueName: "n"))
    var serverCpus: String?

    @Option(help: .init("Processes and threads of one server. (default: 512)", valueName: "n"))
    var serverProcesses: String?

    @Option(help: .init("Open files of one process. (default: 4096)", valueName: "n"))
    var serverOpenFiles: String?

    @Option(help: .init("Largest file that a server writes. (default: 4GiB)", valueName: "size"))
    var serverFileSize: String?

    @Option(help: .init("Memory of all servers of a sandbox. (default: 4GiB)", valueName: "size"))
    var sandboxMemory: String?

    @Option(help: .init("CPUs of all servers of a sandbox. (default: 4)", valueName: "n"))
    var sandboxCpus: String?

    @Option(help: .init("Processes and threads of a sandbox. (default: 1024)", valueName: "n"))
    var sandboxProcesses: String?

    @Option(help: .init("Size of a sandbox's /workspace. (default: 1GiB)", valueName: "size"))
    var sandboxDisk: String?

    var given: [(ResourceLimit, String?)] {
        [
            (.serverMemory, serverMemory),
            (.serverCPUs, serverCpus),
            (.serverProcesses, serverProcesses),
            (.serverOpenFiles, serverOpenFiles),
            (.serverFileSize, serverFileSize),
            (.sandboxMemory, sandboxMemory),
            (.sandboxCPUs, sandboxCpus),
            (.sandboxProcesses, sandboxProcesses),
            (.sandboxDisk, sandboxDisk),
        ]
    }
}
