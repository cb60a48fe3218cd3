import ArgumentParser
import Foundation
import Testing

@testable import GPUTrainCommand

/// Every command line that README.md, the pages of docs/ and the help texts show is run as printed;
/// options are added only to make it short.
@Suite(.serialized, .runsPrograms) struct ReadmeTests {
  /// Commands that are not run, by how they begin, and why.
  static let leftOut: [(start: String, why: String)] = [
    ("make test", "it is what runs this"),
    ("make install", "it builds again; ManualTests and CompletionTests see what it copies"),
    ("make dist", "it makes a folder of 430 MB; Scripts/dist-test.sh tries it"),
    ("make gpu-check", "minutes of timing; GPUCheckTests tries it without a GPU"),
    ("make gpu-bundle", "it builds again; Scripts/gpu-bundle-test.sh tries what it makes"),
    ("make run ARGS=\"selftest", "NVIDIA's tensor cores; SelfTestCommandTests tries it without"),
    ("make run ARGS=\"bench gemm", "the same; BenchCommandTests tries it without"),
    ("swift run -c release GemmBenchmark", "minutes of timing"),
    (
      "swift run -c release gputrain tune --import",
      "a tuning of this device; TuneCommandTests does"
    ),
    (
      "swift run -c release gputrain tune --gemm",
      "NVIDIA's tensor cores; TileTasksTests do without"
    ),
    ("gputrain scaling --from", "a sweep that recommends a rate; ScalingCommandTests has one"),
    ("tensorboard ", "a server in Python; Tests/Interop/check_tensorboard.py reads the files"),
    ("Benchmarks/Peers/run.sh", "it makes an environment of 5 GB"),
  ]

  /// What makes a command short, by its subcommand: options behind its own, of which the later
  /// count. A run that resumes takes its length from its checkpoint.
  static func shortening(_ command: String) -> String {
    let words = command.replacing("\"", with: " ").replacing("ARGS=", with: " ").split(
      separator: " ")
    let names = Gputrain.configuration.subcommands.compactMap { $0.configuration.commandName }
    let name = words.lazy.map(String.init).first(where: names.contains) ?? "sweep"
    // Batches as large as the pages have them need the rows of the built-in digits.
    let hasRows = ["--data", "--batch-size"].contains(where: command.contains)
    let isText = command.contains("transformer")
    let data = hasRows || isText ? "" : " --data \(CommandRunner.data)"
    let length = (command.contains("--epochs") ? "--epochs 1" : "--steps 12") + data
    return switch name {
    case _ where words.contains("help"): ""
    case "sweep" where isText: "--widths 16,32 --base-width 16 --seeds 1 --depth 1 \(length)"
    case "sweep" where words.contains("--scale"): "--widths 8 --seeds 1 \(length)"
    case "sweep": "--widths 8,16 --seeds 1 --depth 2 \(length)"
    case "train": command.contains("--resume") ? "" : "--width 32 \(length)"
    case "check" where words.contains("--scale"): "--scale depth=2,4 --widths 16 --seeds 2" + data
    case "check": "--widths 32,64 --seeds 2" + data
    case "figures":
      "--widths 16,32 --seeds 2 --steps 2 --spectrum-width 16 --batch-sizes 1,4" + data
    case "bench": "--seconds 0.01"
    default: ""
    }
  }

  /// What the commands of `text` do that they should not; nothing for a right page.
  static func problems(of text: ReadmeText) throws -> [String] {
    try CommandRunner.withTemporaryDirectory { directory in
      let shell = try ReadmeShell(in: directory)
      var problems: [String] = []
      for command in text.commands
      where !leftOut.contains(where: { command.text.hasPrefix($0.start) }) {
        let result = try shell.run(command.text, extra: shortening(command.text))
        // A check that finds the condition broken says so, with status 1; 2 where it cannot tell, as of the
        // small widths that are put in here.
        let isVerdict = [1, 2].contains(result.status) && result.output.contains("verdict")
        if result.status != 0 && !isVerdict {
          problems.append("\(command): status \(result.status): \(result.errors)\(result.output)")
        }
      }
      return problems
    }
  }

  /// README.md and the pages of the manual.
  static let pages: [String] = {
    let folder = ReadmeShell.root.appendingPathComponent("docs").path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return ["README.md"] + names.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
  }()

  static func text(of page: String) throws -> ReadmeText {
    let file = ReadmeShell.root.appendingPathComponent(page)
    return ReadmeText(try String(contentsOf: file, encoding: .utf8), page: page)
  }

  @Test(arguments: pages) func commands_runAsPrinted(page: String) throws {
    for problem in try Self.problems(of: Self.text(of: page)) { Issue.record("\(problem)") }
  }

  /// The examples of the help texts.
  @Test func examplesOfHelp_run() throws {
    var count = 0
    for (name, command) in HelpTests.commands {
      let text = ReadmeText(command.configuration.discussion, page: "help \(name)")
      for problem in try Self.problems(of: text) { Issue.record("\(problem)") }
      count += text.commands.count
    }
    #expect(count >= 15)
  }

  /// No page is forgotten, and nothing is left out that no page shows.
  @Test func pages_showWhatIsExpected() throws {
    let commands = try Self.pages.flatMap { try Self.text(of: $0).commands }
    #expect(Self.pages.count >= 10 && commands.count >= 40, "\(Self.pages), \(commands.count)")
    for (start, _) in Self.leftOut {
      #expect(commands.contains { $0.text.hasPrefix(start) }, "\(start) is on no page")
    }
  }

  /// The options of all commands.
  static let knownOptions = Result {
    Set(
      try HelpTests.commands.flatMap { try CommandRunner.options(of: $0.1) }
        + ["help", "version", "generate-completion-script"])
  }

  /// What stands in sentences and tables: every option exists, and every command.
  @Test(arguments: pages) func optionsInSentences_exist(page: String) throws {
    let known = try Self.knownOptions.get()
    let names = Set(
      Gputrain.configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"])
    for (line, passage) in try Self.text(of: page).passages {
      for match in passage.matches(of: /(?:^|\s|=")--([a-z0-9-]+)/)
      where !Self.leftOut.contains(where: { passage.hasPrefix($0.start) }) {
        #expect(known.contains(String(match.1)), "\(page):\(line): \(passage)")
      }
      if let match = passage.firstMatch(of: /^gputrain ([a-z]+)/) {
        #expect(names.contains(String(match.1)), "\(page):\(line): \(passage)")
      }
    }
  }

  @Test func extraction_findsCommandsAmongOutput() {
    let text = ReadmeText(
      """
      Text with `--option` and
          not one: a code block begins with four spaces

          $ gputrain check --seeds 2   # a comment
          …
          verdict  meets the condition
          swift run gputrain sweep --data "my # data.csv" \\
            --epochs 3
          widths: [1, 2]
      ```
      make run ARGS="train --width 8"
      ```
      """)
    #expect(
      text.commands.map(\.text) == [
        "gputrain check --seeds 2",
        "swift run gputrain sweep --data \"my # data.csv\" --epochs 3",
        "make run ARGS=\"train --width 8\"",
      ])
    #expect(text.commands.map(\.line) == [4, 7, 11])
    #expect(text.passages.map(\.text) == ["--option"])
  }

  /// What a page gets wrong is found: an option, a command, a product, a target, a file.
  @Test(arguments: [
    "gputrain scaling --widht 32", "gputrain scalign --width 32", "swift run gputran scaling",
    "make rum", "make run ARGS=\"scaling --widht 3\"", "gputrain norms none.safetensors",
    "$ gputrian devices", "gputrain scaling --json | python3 -c 'import sys; sys.exit(3)'",
  ])
  func mistakes_areFound(line: String) throws {
    #expect(
      try Self.problems(of: ReadmeText("    \(line)\n    gputrain --version\n")).count == 1)
  }
}
