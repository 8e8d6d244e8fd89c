import Glibc
import System
import Testing

@testable import Sandbox

/// What a hostile server asks of the kernel, by a program that makes the calls itself.
@Suite("System calls")
struct SystemCallTests {
    /// Says for each line of its input, `name number argument…`, how the call went.
    static let caller = """
        import ctypes, errno, sys
        call = ctypes.CDLL(None, use_errno=True).syscall
        for line in sys.stdin:
            name, *numbers = line.split()
            result = call(*(ctypes.c_long(int(n, 0)) for n in numbers))
            print(name, 'done' if result >= 0 else errno.errorcode[ctypes.get_errno()], flush=True)
        """

    /// The numbers of x86-64 and, where they differ, of arm64.
    private static func number(_ x86: Int, _ arm: Int) -> Int {
        #if arch(x86_64)
            x86
        #else
            arm
        #endif
    }

    static var refusals: [(call: String, answer: String)] {
        [
            ("mount \(number(165, 40)) 0 0 0 0 0", "EPERM"),
            ("umount2 \(number(166, 39)) 0 0", "EPERM"),
            ("move_mount 429 0 0 0 0 0", "EPERM"),
            ("pivot_root \(number(155, 41)) 0 0", "EPERM"),
            ("unshare-user \(number(272, 97)) 0x10000000", "EPERM"),
            ("unshare-nothing \(number(272, 97)) 0", "EPERM"),
            ("setns \(number(308, 268)) 0 0", "EPERM"),
            ("clone-user \(number(56, 220)) 0x10000011 0 0 0 0", "ENOSYS"),
            ("clone3 435 0 0", "ENOSYS"),
            ("keyctl \(number(250, 219)) 0 0", "EPERM"),
            ("add_key \(number(248, 217)) 0 0 0 0 0", "EPERM"),
            ("request_key \(number(249, 218)) 0 0 0 0", "EPERM"),
            ("bpf \(number(321, 280)) 0 0 0", "EPERM"),
            ("userfaultfd \(number(323, 282)) 0", "EPERM"),
            ("perf_event_open \(number(298, 241)) 0 0 0 0 0", "EPERM"),
            ("ptrace-attach \(number(101, 117)) 16 1 0 0", "EPERM"),
            ("process_vm_readv \(number(310, 270)) 1 0 0 0 0 0", "EPERM"),
            ("kexec_load \(number(246, 104)) 0 0 0 0", "EPERM"),
            ("init_module \(number(175, 105)) 0 0 0", "EPERM"),
            ("reboot \(number(169, 142)) 0 0 0", "EPERM"),
            ("open_by_handle_at \(number(304, 265)) 0 0 0", "EPERM"),
            ("io_uring_setup 425 1 0", "ENOSYS"),
            ("personality-no-randomize \(number(135, 92)) 0x0040000", "ENOSYS"),
            ("raw-socket \(number(41, 198)) 2 3 1", "ENOSYS"),
            ("packet-socket \(number(41, 198)) 17 3 0", "ENOSYS"),
            ("vsock \(number(41, 198)) 40 1 0", "ENOSYS"),
            ("netlink-audit \(number(41, 198)) 16 3 9", "ENOSYS"),
            ("sctp \(number(41, 198)) 2 1 132", "ENOSYS"),
            ("unknown 9999", "ENOSYS"),
        ]
    }

    @Test("calls that change the jail or look out of it are refused, and every other unknown one is none")
    func refused() throws {
        let server = try Scene(.bubblewrap).python(Self.caller)
        for (call, answer) in Self.refusals {
            server.write(call + "\n")
            let name = call.prefix { $0 != " " }
            #expect(server.line() == "\(name) \(answer)")
        }
    }

    @Test("TCP, UDP, Unix and route sockets work, and asking for the personality does")
    func allowed() throws {
        let server = try Scene(.bubblewrap).python(Self.caller)
        let calls = [
            "tcp 2 1 0", "tcp6 10 1 6", "udp 2 2 0", "flags 2 0x80801 0", "unix 1 1 0", "route 16 3 0",
        ]
        for call in calls {
            let name = call.prefix { $0 != " " }
            server.write("\(name) \(Self.number(41, 198))\(call.dropFirst(name.count))\n")
            #expect(server.line() == "\(name) done")
        }
        server.write("personality \(Self.number(135, 92)) 0xffffffff\n")
        #expect(server.line() == "personality done")
    }

    @Test("Python runs threads, subprocesses, event loops and name lookups as ever")
    func python() throws {
        let server = try Scene(.bubblewrap).python(
            """
            import asyncio, multiprocessing, socket, sqlite3, subprocess, threading
            thread = threading.Thread(target=lambda: print('thread'))
            thread.start(); thread.join()
            print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout.strip())
            print(asyncio.run(asyncio.sleep(0, 'loop')))
            print(multiprocessing.Queue is not None and socket.getaddrinfo('localhost', 1)[0][4][1])
            sqlite3.connect('/workspace/x.db').execute('create table t (a)')
            print('end')
            """)
        #expect(server.output == "thread\nchild\nloop\n1\nend\n", "\(server.errors)")
    }

    @Test("Node runs workers, files and children as ever", .enabled(if: Executable.find("node") != nil))
    func node() throws {
        let script = """
            const { Worker } = require('worker_threads');
            require('fs').promises.readFile('/etc/hosts').then(() => {
              new Worker('0', { eval: true }).on('exit', () =>
                require('child_process').execFile('echo', ['child'], (error, out) =>
                  console.log(error, out.trim(), require('os').networkInterfaces().lo.length > 0)));
            });
            """
        let server = try Scene(.bubblewrap).launch(.command(["node", "-e", script]))
        #expect(server.output == "null child true\n", "\(server.errors)")
    }
}
