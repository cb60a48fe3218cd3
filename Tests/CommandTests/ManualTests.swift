import ArgumentParser
import Foundation
import Testing

@testable import GPUTrainCommand

/// The manual page that Scripts/manual.py writes.
@Suite(.runsPrograms, .enabled(if: CommandRunner.installed("python3") != nil))
struct ManualTests {
  private func run(_ program: URL, _ arguments: [String], in directory: URL) throws
    -> CommandResult
  {
    try CommandRunner.run(
      arguments, executable: program, in: directory,
      environment: ["LC_ALL": "C.UTF-8", "MANWIDTH": "80", "SOURCE_DATE_EPOCH": "0"])
  }

  /// Puts the page into a directory, and calls `body` with it.
  private func withPage(_ body: (CommandResult, URL) throws -> Void) throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let help = try CommandRunner.run(["--experimental-dump-help"])
      try Data(help.output.utf8).write(to: directory.appendingPathComponent("help.json"))
      let script = ReadmeShell.root.appendingPathComponent("Scripts/manual.py").path
      let page = try run(
        #require(CommandRunner.installed("bash")), ["-c", "'\(script)' < help.json"],
        in: directory)
      try Data(page.output.utf8).write(to: directory.appendingPathComponent("gputrain.1"))
      try body(page, directory)
    }
  }

  @Test func page_hasEveryCommandAndOption() throws {
    try withPage { page, _ in
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
    }
  }

  @Test(.enabled(if: CommandRunner.installed("mandoc") != nil))
  func mandoc_hasNothingToSay() throws {
    try withPage { _, directory in
      let lint = try run(
        #require(CommandRunner.installed("mandoc")),
        ["-T", "lint", "-W", "warning", "gputrain.1"], in: directory)
      #expect(lint.status == 0 && lint.output.isEmpty, "\(lint.output)")
    }
  }

  /// Without groff's own macros, as in a container, man shows nothing.
  private static let canShowPages =
    CommandRunner.installed("man").map {
      let shown = try? CommandRunner.run(["--warnings", "man"], executable: $0)
      return shown?.status == 0 && shown?.output.isEmpty == false
    } ?? false

  @Test(.enabled(if: canShowPages)) func man_showsThePage() throws {
    try withPage { _, directory in
      let shown = try run(
        #require(CommandRunner.installed("man")), ["--warnings", "-l", "gputrain.1"],
        in: directory)
      #expect(shown.status == 0 && shown.errors.isEmpty, "\(shown.errors)")
      #expect(shown.output.contains("‖W‖") && shown.output.contains("√"))
    }
  }
}
