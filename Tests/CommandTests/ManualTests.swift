import ArgumentParser
import Foundation
import Testing

@testable import GPUTrainCommand

/// The manual page that Scripts/manual.py writes, where Python is there to write it.
@Suite struct ManualTests {
  private func run(_ program: String, _ arguments: [String], in directory: URL) throws
    -> CommandResult?
  {
    let places = ["/usr/bin", "/bin", "/usr/local/bin"]
    guard
      let path = places.map({ "\($0)/\(program)" })
        .first(where: FileManager.default.isExecutableFile)
    else { return nil }
    return try CommandRunner.run(
      arguments, executable: URL(fileURLWithPath: path), in: directory,
      environment: ["LC_ALL": "C.UTF-8", "MANWIDTH": "80", "SOURCE_DATE_EPOCH": "0"])
  }

  @Test func page_hasEveryCommandAndOption_andNoWarnings() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let help = try CommandRunner.run(["--experimental-dump-help"])
      try Data(help.output.utf8).write(to: directory.appendingPathComponent("help.json"))
      let script = ReadmeShell.root.appendingPathComponent("Scripts/manual.py").path
      guard
        let page = try run(
          "bash", ["-c", "command -v python3 >/dev/null || exit 77; '\(script)' < help.json"],
          in: directory), page.status != 77
      else { return }
      #expect(page.status == 0 && page.errors.isEmpty, "\(page.errors)")
      #expect(page.output.hasPrefix(#".TH GPUTRAIN 1 "1970-01-01""#))
      for (name, command) in HelpTests.commands where name != "gputrain" && name != "bench" {
        let words = name.replacing("-", with: " ")
        #expect(page.output.contains(".SS \"gputrain \(words)\""), "\(words)")
        for option in try CommandRunner.options(of: command) where option != "help" {
          let escaped = option.replacing("-", with: #"\-"#)
          #expect(page.output.contains(#"\fB\-\-\#(escaped)\fR"#), "\(name) \(option)")
        }
      }
      try Data(page.output.utf8).write(to: directory.appendingPathComponent("gputrain.1"))
      if let lint = try run("mandoc", ["-T", "lint", "-W", "warning", "gputrain.1"], in: directory)
      {
        #expect(lint.status == 0 && lint.output.isEmpty, "\(lint.output)")
      }
      // Without groff's own macros, as in a container, man shows nothing.
      if let shown = try run("man", ["--warnings", "-l", "gputrain.1"], in: directory),
        shown.status == 0, !shown.output.isEmpty
      {
        #expect(shown.errors.isEmpty, "\(shown.errors)")
        #expect(shown.output.contains("‖W‖") && shown.output.contains("√"))
      }
    }
  }
}
