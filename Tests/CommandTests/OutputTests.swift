import Foundation
import Testing
import Training

@testable import Experiments
@testable import GPUTrainCommand

/// What goes where: results to standard output, everything else to standard error.
@Suite(.serialized, .runsPrograms) struct OutputTests {
  /// A short run of every command; the files are in the working directory.
  static let commands: [[String]] = [
    [
      "sweep", "--data", CommandRunner.data, "--widths", "8,16", "--log2-lr=-6,-5", "--seeds", "2",
      "--parametrization", "sp", "--steps", "20", "--depth", "1",
    ],
    ["train", "--width", "8", "--steps", "20", "--depth", "1"],
    ["check", "--data", CommandRunner.data, "--widths", "8,16", "--seeds", "2", "--depth", "1"],
    [
      "figures", "--data", CommandRunner.data, "--widths", "8,16", "--seeds", "2", "--steps", "2",
      "--spectrum-width", "8", "--batch-sizes", "1,4", "--parametrization", "mup",
    ],
    ["scaling"], ["norms", "w.safetensors"], ["devices"], ["selftest"],
    ["bench", "step", "--inputs", "8", "--width", "8", "--seconds", "0.01"],
    ["bench", "sweep", "--width", "8", "--replicas", "2", "--seconds", "0.01"],
    ["bench", "gemm", "--m", "8", "--n", "8", "--k", "8", "--seconds", "0.01"],
    ["bench", "spectral", "--width", "8", "--seconds", "0.01"],
  ]

  private func run(_ index: Int, _ options: [String]) throws -> CommandResult {
    try CommandRunner.withTemporaryDirectory { directory in
      try SafetensorsWriter.write(
        NormsCommandTests.tensors, to: directory.appendingPathComponent("w.safetensors"))
      return try CommandRunner.run(Self.commands[index] + options, in: directory)
    }
  }

  /// However much is said beside it.
  @Test(arguments: commands.indices)
  func json_isAloneOnStandardOutput_andVerboseSaysWhatIsComputedWhere(index: Int) throws {
    let result = try run(index, ["--json", "--verbose"])
    #expect((0...2).contains(result.status), "\(result.errors)")
    let value = try JSONSerialization.jsonObject(
      with: Data(result.output.utf8), options: .fragmentsAllowed)
    #expect(value is [String: Any] || value is [Any])
    let parts =
      switch Self.commands[index][0] {
      case "sweep": ["device 0: ", "memory: ", "group 2 of 2: width 16, adam, 4 runs", "files: "]
      case "train":
        ["device 0: ", "group 1 of 1", "files: config.json, metrics.jsonl, result.json"]
      case "check", "figures": ["device 0: ", "memory: ", "files of kernels in "]
      case "scaling": ["network: 4 hidden layers of the width, rules: sp, ntp, mup"]
      case "devices": ["cl_khr_"]
      default: ["device 0: ", "compiled kernels: "]
      }
    for part in parts { #expect(result.errors.contains(part), "\(result.errors)") }
  }

  @Test func quiet_printsTheResultAlone() throws {
    for index in [0, 1, 4, 5, 9] {
      let result = try run(index, ["-q"])
      #expect([0, 1].contains(result.status) && result.errors.isEmpty, "\(result.errors)")
      #expect(!result.output.isEmpty && !result.output.contains("\u{1B}"))
      #expect(
        result.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(result.output)")
    }
  }

  @Test func quietAndVerbose_excludeEachOther() throws {
    let result = try CommandRunner.run(["devices", "--quiet", "--verbose"])
    #expect(result.status == 64 && result.output.isEmpty && !result.errors.isEmpty)
  }

  @Test func quiet_stillTellsWhatWentWrong() throws {
    let missing = try CommandRunner.run(["check", "--quiet", "--data", "none.csv"])
    #expect(missing.status != 0 && missing.errors.contains("none.csv"))
    #expect(missing.output.isEmpty)
    let name = try CommandRunner.run(["train", "--quiet", "--parametrization", "mop"])
    #expect(name.status == 64 && name.errors.contains("did you mean 'mup'?"))
  }

  /// A sweep file may have `json`, and says nothing of how much is said.
  @Test func sweepFile_keepsWhatTheCommandLineSays() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      try Data("json: true\nsteps: 5\nwidths: [8, 16]\nseeds: 1\ndepth: 1\n".utf8)
        .write(to: directory.appendingPathComponent("s.yaml"))
      let result = try CommandRunner.run(["sweep", "s.yaml", "-q", "--out", "o"], in: directory)
      #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
      #expect(result.output.hasPrefix("{"))
      try Data("quiet: true\n".utf8).write(to: directory.appendingPathComponent("q.yaml"))
      let refused = try CommandRunner.run(["sweep", "q.yaml"], in: directory)
      #expect(refused.status != 0 && refused.errors.contains("unknown key 'quiet'"))
    }
  }

  // MARK: Terminals

  @Test func terminal_getsColoursAndALineOfProgress() throws {
    let check = CheckCommandTests.small + ["--rate-rule", "readout=sp"]
    let coloured = try CommandRunner.runOnTerminal(check, columns: 72)
    #expect(coloured.contains("\u{1B}[31m") && coloured.contains("breaks the spectral condition"))
    // However far it was when it was drawn.
    func isBar(_ text: some StringProtocol) -> Bool {
      text.contains("━━") || text.contains("──")
    }
    #expect(isBar(coloured) && coloured.contains("\r\u{1B}[2K"))
    for line in coloured.split(whereSeparator: { $0 == "\r" || $0 == "\n" || $0 == "\r\n" })
    where isBar(line) {
      #expect(line.replacing(/\x1B\[[0-9]*[mK]/, with: "").count < 72, "\(line)")
    }
    let plain = try CommandRunner.runOnTerminal(
      check + ["--quiet"], columns: 72, environment: ["NO_COLOR": "1"])
    #expect(!plain.contains("\u{1B}") && !plain.contains("device"), "\(plain)")
    #expect(plain.contains("breaks the spectral condition"))
  }

  @Test func colours_areForTerminalsThatWantThem() throws {
    var (terminal, inner): (Int32, Int32) = (-1, -1)
    #expect(openpty(&terminal, &inner, nil, nil, nil) == 0)
    defer { for descriptor in [terminal, inner] { close(descriptor) } }
    let cases: [(Int32, [String: String], Bool)] = [
      (inner, [:], true), (inner, ["NO_COLOR": ""], true), (inner, ["NO_COLOR": "1"], false),
      (inner, ["NO_COLOR": "0"], false), (inner, ["TERM": "dumb"], false), (-1, [:], false),
    ]
    for (descriptor, environment, isColoured) in cases {
      let text = Colours(of: descriptor, environment: environment).paint("x", .bad)
      #expect(text == (isColoured ? "\u{1B}[31mx\u{1B}[0m" : "x"), "\(environment)")
    }
  }

  @Test func progressLine_fitsEveryTerminal() {
    let parts = ["3:05 left", "28/60 runs", "2 failed", "best 0.0983", "width 256", "1.2k steps/s"]
    for columns in 20...160 {
      for share in [0, 0.004, 0.5, 0.999, 1] {
        let text = ProgressLine(share: share, parts: parts.map { .init($0, nil) })
          .text(columns: columns, colours: Colours(of: -1))
        #expect(text.count < columns, "\(columns): \(text)")
        #expect(text.contains(" %"))
        if columns >= 80 { #expect(text.contains(parts[3]), "\(columns): \(text)") }
      }
    }
    #expect(
      ProgressLine(share: 0.5, parts: [.init("a"), .init("b", .bad)]).plain == "50 %  a  b")
  }

  @Test func pace_followesTheLastSeconds() {
    var pace = Pace()
    pace.mark(0, at: 0)
    #expect(pace.text == nil)
    for second in 1...20 { pace.mark(1000 * second, at: Double(second)) }
    #expect(pace.text == "1.0k")
    for second in 21...40 { pace.mark(20_000 + 50 * (second - 20), at: Double(second)) }
    #expect(pace.text == "50")
    for second in 41...60 { pace.mark(2_345_678 * second, at: Double(second)) }
    #expect(pace.text == "2.3M")
    for second in 61...100 { pace.mark(2_345_678 * 60 + (second - 60) / 8, at: Double(second)) }
    #expect(pace.text == "0.125", "steps of eight seconds")
  }

  @Test(arguments: [(0.4, "0 s"), (59.4, "59 s"), (60, "1:00"), (3725, "1:02:05")])
  func duration_isShort(seconds: Double, text: String) {
    #expect(ProgressDisplay.duration(seconds) == text)
  }
}
