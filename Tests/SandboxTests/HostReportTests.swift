import Glibc
import System
import Testing

@testable import Sandbox

@Suite("HostReport")
struct HostReportTests {
    @Test("it speaks of the kernel, namespaces, cgroups, bubblewrap and descriptors, and says what to do")
    func examine() {
        let directory = Scene.newDirectory()
        defer { try? Files.removeTree(directory) }
        let checks = HostReport.examine(stateDirectory: "\(directory)/state")
        let text = checks.map { "\($0.name) \($0.detail)" }.joined(separator: "\n")
        for word in ["kernel", "namespace", "cgroup", "bubblewrap", "descriptor", "system call", "networks"] {
            #expect(text.contains(word), "\(text)")
        }
        #expect(checks.allSatisfy { $0.ok || $0.remedy != nil })
        #expect(checks.first { $0.name == "bubblewrap" }?.ok == true)
    }

    @Test("it makes groups and networks to find out, and leaves none", .enabled(if: geteuid() == 0))
    func probes() {
        let directory = Scene.newDirectory()
        defer { try? Files.removeTree(directory) }
        let checks = HostReport.examine(stateDirectory: "\(directory)/state")
        #expect(checks.first { $0.name == "networks of sandboxes" }?.ok == true)
        #expect(checks.first { $0.name == "system call filter" }?.ok == true)
        let tag = try? StateDirectory("\(directory)/state").tag
        for hierarchy in GroupMounts.find(tag: "\(tag ?? "")-doctor") {
            #expect(hierarchy.sandboxes.isEmpty)
        }
    }
}
