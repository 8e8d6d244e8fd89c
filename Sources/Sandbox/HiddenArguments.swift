import CEpollShim
import Glibc
import System

/// Arguments with a secret in them, for programs that take it in no other way. A command line can be read by every user
/// of the host; an environment by the process's own user and root alone. So they travel in a variable, and what runs
/// in the program before its own first line, Node's preload or a few lines of Python, puts them where it looks for
/// them and takes the variable away. Other programs get theirs as they are.
struct HiddenArguments: Sendable {
    let command: [String]
    let environment: [(String, String)]
    /// What the server must see for it.
    let file: String

    static let variable = "MCP_GATEWAY_ARGUMENTS"

    /// - Parameter program: absolute path of a program of the package.
    init?(_ request: LaunchRequest, _ package: InstalledPackage, program: String, _ state: StateDirectory) {
        guard request.hidesArguments, !request.arguments.isEmpty else { return nil }
        let packed = (Self.variable, Self.packed(request.arguments))
        switch package.kind {
        case .node:
            guard Self.isScript(program, of: "node") else { return nil }
            file = state.nodeArguments
            command = [program]
            let own = request.environment.last { $0.0 == "NODE_OPTIONS" }.map { "\($0.1) " } ?? ""
            let quoted = file.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            environment = [packed, ("NODE_OPTIONS", "\(own)--require \"\(quoted)\"")]
        case .python:
            guard Self.isScript(program, of: "python"), let directory = package.pathDirectories.first,
                Executable.isExecutable("\(directory)/python")
            else { return nil }
            file = state.pythonArguments
            command = ["\(directory)/python", file, program]
            environment = [packed]
        case .custom, .repository, .image: return nil
        }
    }

    /// A line each; a line break in one, and a backslash, behind a backslash.
    static func packed(_ arguments: [String]) -> String {
        arguments.map { $0.replacing("\\", with: "\\\\").replacing("\n", with: "\\n") }.joined(
            separator: "\n")
    }

    /// Whether the file's first line says that `interpreter` runs it; or the second one, as installers write it where
    /// the interpreter's path is too long for the kernel's first line (`#!/bin/sh`, then `'''exec' '…/python'`).
    static func isScript(_ path: String, of interpreter: String) -> Bool {
        let file = Descriptor(owning: ce_open(path, O_RDONLY | O_CLOEXEC, 0))
        guard file.raw >= 0 else { return false }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let got = ce_read(file.raw, &bytes, bytes.count)
        guard got > 2 else { return false }
        let lines = bytes[..<Int(got)].split(separator: 10, maxSplits: 2, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard let first = lines.first, first.hasPrefix("#!") else { return false }
        if first == "#!/bin/sh", lines.count > 1, lines[1].hasPrefix("'''exec' ") {
            return lines[1].contains(interpreter)
        }
        return first.contains(interpreter)
    }

    // MARK: In the program

    static let node = #"""
        // Appends arguments that must not be in a command line; loaded before the program.
        "use strict";
        const packed = process.env.MCP_GATEWAY_ARGUMENTS;
        if (packed !== undefined) {
          delete process.env.MCP_GATEWAY_ARGUMENTS;
          const options = process.env.NODE_OPTIONS || "";
          const others = options.slice(0, options.lastIndexOf("--require")).trimEnd();
          if (others) process.env.NODE_OPTIONS = others;
          else delete process.env.NODE_OPTIONS;
          const unpacked = packed.split("\n").map((one) => one.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c)));
          process.argv.push(...unpacked);
        }

        """#

    static let python = #"""
        """Runs a script, its own argument, with arguments that must not be in a command line."""
        import os
        import re
        import runpy
        import sys

        script = sys.argv[1]
        packed = os.environ.pop("MCP_GATEWAY_ARGUMENTS").split("\n")
        unpacked = [re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], one) for one in packed]
        sys.argv = [script, *unpacked]
        if sys.path and sys.path[0] == os.path.dirname(__file__):
            sys.path[0] = os.path.dirname(script)
        runpy.run_path(script, run_name="__main__")

        """#
}
