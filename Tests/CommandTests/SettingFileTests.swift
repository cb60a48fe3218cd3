import ArgumentParser
import Experiments
import Foundation
import Spectral
import Testing

@testable import GPUTrainCommand

@Suite(.serialized, .runsPrograms) struct SettingFileTests {
  /// What a file of this text asks for.
  private func request(_ text: String, _ arguments: [String] = []) throws -> SweepCommand.Request {
    try CommandRunner.withTemporaryDirectory { directory in
      let file = directory.appendingPathComponent("sweep.yaml")
      try Data(text.utf8).write(to: file)
      return try SweepCommand.Request(SweepCommand.parse([file.path] + arguments))
    }
  }

  /// What is reported of a file of this text, without the file's name.
  private func mistakes(_ text: String, _ arguments: [String] = []) -> [String] {
    do {
      _ = try request(text, arguments)
      return []
    } catch {
      let lines = "\(error)".split(separator: "\n").map(String.init)
      return lines.compactMap { line in
        line.hasPrefix("--")
          ? line : line.range(of: "sweep.yaml:").map { String(line[$0.upperBound...]) }
      }
    }
  }

  @Test func values_areReadInEveryForm() throws {
    let request = try request(
      """
      widths: [64, 128]
      parametrization: sp,mup
      log2-lr: {start: -11, stop: -4, count: 8}
      hidden-pattern: [1, 4, 1]
      bias: true
      zero-readout: false
      lr-multiplier: {layers.0: 2, readout: 0.5}
      init-multiplier: {layers.1: 0.25}
      rate-rule: [readout=sp, layers.1=ntp:sgd]
      schedule: cosine:0.1
      memory:
      diagnose: 5:norms
      """)
    #expect(request.grid.widths == [64, 128] && request.grid.parametrizations == ["sp", "mup"])
    #expect(request.grid.log2LearningRates == (-11...(-4)).map(Double.init))
    let settings = request.training.configuration
    let expected = Self.defaults {
      ($0.hiddenPattern, $0.bias, $0.zeroReadout) = ([1, 4, 1], true, false)
      $0.rateMultipliers = [
        RateMultiplier(selector: "layers.0", factor: 2),
        RateMultiplier(selector: "readout", factor: 0.5),
      ]
      $0.initialMultipliers = [InitialMultiplier(selector: "layers.1", factor: 0.25)]
      $0.rateRules = [
        try! RateRule(selector: "readout", parametrization: "sp"),
        try! RateRule(selector: "layers.1", parametrization: "ntp", family: .sgd),
      ]
      $0.schedule = ScheduleChoice(.cosine, warmup: .share(0.1))
    }
    #expect(settings == expected)
    #expect(request.training.execution.memory == nil)
    #expect(request.training.execution.diagnose?.text == "5:norms")
    for rates in ["[0.25, 0.0625]", "0.25:0.0625:2", "{start: 0.25, stop: 0.0625, count: 2}"] {
      #expect(try self.request("lr: \(rates)").grid.log2LearningRates == [-2, -4])
    }
    // Rates that would be doubted as their log2 are written as they are.
    #expect(try self.request("lr: [1.25, 1.5]").text.resolved.contains("\nlr: \"1.25,1.5\"\n"))
    let empty = try self.request("")
    #expect(
      empty.axes == SweepSettings()
        && empty.training.configuration == SweepCommand.Configured.defaults)
    let own = try self.request("parametrizations: {mine: {}}\nparametrization: mine\n")
    #expect(own.training.configuration.parametrizations.map(\.name) == ["mine"])
  }

  /// The sweep's defaults, changed.
  private static func defaults(_ change: (inout Configuration) -> Void) -> Configuration {
    var configuration = SweepCommand.Configured.defaults
    change(&configuration)
    return configuration
  }

  /// One declaration gives the option, the key of the file and the help.
  @Test func keys_areTheOptionsOfTheCommand() throws {
    let keys = Set(SweepCommand.settings.flatMap { $0.names.prefix(2) })
      .subtracting(["parametrizations"])
    let options = Set(
      try CommandRunner.options(of: SweepCommand.self).filter { !$0.hasPrefix("no-") })
    #expect(
      options.subtracting(keys) == [
        "print-config", "target-width", "pictures", "size", "font-size", "help", "quiet", "verbose",
      ])
    #expect(keys.isSubset(of: options))
    // Of which `lr` is another way to give the rates.
    #expect(keys.count == SweepCommand.settings.count)
  }

  @Test func optionsGivenBesideAFile_overrideIt() throws {
    let text = "epochs: 3\ndepth: 2\nbias: true\nrate-rule: readout=sp\n"
    let request = try request(text, ["--steps", "7", "--no-bias", "--rate-rule", "all=ntp"])
    let settings = request.training.configuration
    #expect(settings.length == .steps(7) && settings.depth == 2 && !settings.bias)
    #expect(settings.rateRules.map(\.selector) == ["all"])
    // A wrong value is one even where another counts, and options come after the file's lines.
    #expect(
      mistakes("depth: 0\n", ["--depth", "2", "--norm", "layer"]) == [
        "1: depth: expected an integer from 1 to 4096, got '0'",
        "--norm: is for networks residual-mlp and transformer",
      ])
  }

  /// Text, and the lines of what is told of it.
  static let broken: [(String, [String])] = [
    ("witdhs: 64", ["1: unknown key 'witdhs'; did you mean 'widths'?"]),
    ("qqqqqqqq: 1", ["1: unknown key 'qqqqqqqq'; known are parametrization, optimizer, widths"]),
    ("widths: [64, x]", ["1: widths: expected an integer, or several with commas", "got 64,x"]),
    ("depth: 3\nwidths: [64, 64]", ["2: widths: expected each value once, got 64 twice"]),
    ("depth: 0", ["1: depth: expected an integer from 1 to 4096, got '0'"]),
    ("bias: maybe", ["1: bias: expected true or false, got 'maybe'"]),
    ("widths: {a: 1}", ["1: widths: expected an integer, or several with commas"]),
    ("widths: [[1]]", ["1: widths: expected a value or a list"]),
    ("log2-lr: {start: 1, stop: 2}", ["1: log2-lr: expected START:STOP:COUNT or"]),
    ("optimizer: leon", ["1: optimizer: expected some of sgd"]),
    ("parametrization: spectal", ["1: parametrization: expected one of", "'spectral'?"]),
    ("rate-rule: readout=sq", ["1: rate-rule: readout=sq: expected one of"]),
    ("lr-multiplier: {layers.9: 2}", ["1: lr-multiplier: expected all, input"]),
    ("lr-multiplier: {readout: -2}", ["1: lr-multiplier: expected SELECTOR=FACTOR"]),
    ("lr: [0.001, x]", ["1: lr: expected START:STOP:COUNT or numbers", "got 0.001,x"]),
    ("log2-lr: [0.001, 0.01]", ["1: log2-lr: expected log2", "give lr 0.001,0.01"]),
    ("lr: 0.1\nlog2-lr: -7", ["2: log2-lr: give lr or log2-lr, not both"]),
    ("steps: 3\nepochs: 2", ["2: epochs: give epochs or steps, not both"]),
    ("weight-decay: 1\noptimizer: [adam, adamw]", ["1: weight-decay: these optimizers take"]),
    ("memory: lots\nschedule: often", ["1: memory: expected", "2: schedule: expected"]),
    ("widths: [1", ["2: no valid YAML"]), ("- 1", ["1: expected keys with values"]),
    ("widths: 1\nwidths: 2", ["1: widths: expected each key once"]),
    ("parametrizations: 3", ["1: parametrizations: expected names"]),
    ("parametrizations:\n  mine: 3", ["2: mine: expected family, base-width, input"]),
    ("parametrizations:\n  mup: {}", ["2: parametrization mup: expected a name that is not"]),
    (
      "parametrizations:\n  a:\n    family: adm\n    hiden: 1\n    hidden: {sigma: {fanin: 1}}",
      [
        "3: family: expected one of sgd, adam, normalized, got 'adm'",
        "4: a: unknown key 'hiden'; did you mean 'hidden'?",
        "5: hidden.sigma: unknown key 'fanin'; did you mean 'fan-in'?",
      ]
    ),
    (
      "parametrizations:\n  a:\n    base-width: x\n    input: {sigma: y}\n    bias: {sigma: {fan-in: z}}",
      [
        "3: base-width: expected an integer, got 'x'",
        "4: input.sigma: expected a number or", "5: bias.sigma.fan-in: expected a number, got 'z'",
      ]
    ),
    (
      "depth: 0\nwidths: [64, 64]\nwitdhs: 3\nbatch-size: x\nweight-decay: 1\noptimizer: [adam, adamw]"
        + "\nlog2-lr: 2000",
      [
        "1: depth: expected", "2: widths: expected each value once, got 64 twice",
        "3: unknown key 'witdhs'", "4: batch-size: expected an integer",
        "5: weight-decay: these optimizers", "7: log2-lr: expected",
      ]
    ),
    (
      "parametrizations:\n  a:\n    hidden:\n      sigma: 0\n      epsilon: -1",
      [
        "4: parametrization a: hidden.sigma.multiplier: expected a number > 0, got 0.0",
        "5: parametrization a: hidden.epsilon.multiplier: expected a number > 0, got -1.0",
      ]
    ),
    (
      "parametrization: [a, b]\noptimizer: sgd\nparametrizations:\n  a: {family: adam}\n  b: {}",
      ["2: optimizer: parametrization a is for updates of family adam, got sgd of family sgd"]
    ),
    (
      "parametrization: [a, mupp]\nparametrizations:\n  a: {hiden: {}}",
      ["1: unknown parametrization 'mupp'; did you mean 'mup'?", "3: a: unknown key 'hiden'"]
    ),
  ]

  @Test(arguments: broken) func mistakes_areToldWithTheirLines(text: String, expected: [String]) {
    let told = mistakes(text)
    #expect(told.count == expected.count || told.count == 1, "\(told)")
    for (index, part) in expected.enumerated() {
      let line = told[min(index, told.count - 1)]
      #expect(line.contains(part), "\(told)")
    }
  }

  @Test func printedConfig_runsAsItStands_andAgainFromItsResults() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let small = [
        "--data", CommandRunner.data, "--widths", "8,16", "--log2-lr=-6,-5.5", "--seeds", "1",
        "--steps", "5", "--depth", "1",
        "--lr-multiplier", "readout=0.5", "--rate-rule", "layers.0=sp", "--validation-fraction",
        "0.2", "--schedule", "cosine:0.2", "--no-zero-readout",
      ]
      let printed = try CommandRunner.run(["sweep", "--print-config"] + small, in: directory)
      #expect(printed.status == 0 && printed.errors.isEmpty, "\(printed.errors)")
      try Data(printed.output.utf8).write(to: directory.appendingPathComponent("my.yaml"))
      let plain = try CommandRunner.run(["sweep", "--out", "plain"] + small, in: directory)
      #expect(plain.status == 0, "\(plain.errors)")
      // The same settings, so the same store: nothing is left to run.
      for file in ["my.yaml", "plain/sweep.yaml"] {
        let again = try CommandRunner.run(["sweep", file, "--out", "plain"], in: directory)
        #expect(again.errors.contains("all 8 runs are there already"), "\(again.errors)")
        #expect(again.output == plain.output)
      }
      // What is given counts: more widths, another length.
      let wider = try CommandRunner.run(
        ["sweep", "my.yaml", "--widths", "8,16,24", "--out", "plain"], in: directory)
      #expect(wider.errors.contains("8 of 12 runs are there already"), "\(wider.errors)")
      let stored = try String(
        contentsOf: directory.appendingPathComponent("plain/sweep.yaml"), encoding: .utf8)
      #expect(stored.contains("widths: [8, 16, 24]\n") && stored.contains("steps: 5\n"))
      let longer = try CommandRunner.run(
        ["sweep", "my.yaml", "--epochs", "1", "--zero-readout", "--out", "plain"], in: directory)
      for part in ["epochs: stored none, given 1", "zero-readout: stored false, given true"] {
        #expect(longer.errors.contains(part), "\(longer.errors)")
      }
    }
  }

  @Test func everyDefault_isPrinted_andReadsBack() throws {
    let printed = try CommandRunner.run(["sweep", "--print-config"])
    let read = try request(printed.output)
    #expect(read.axes == SweepSettings())
    #expect(read.training.configuration == SweepCommand.Configured.defaults)
    #expect(read.training.execution == ExecutionSettings())
    #expect(read.training.computing == ComputeSettings())
    for declaration in SweepCommand.settings where declaration.isOption {
      let line = "\n\(declaration.name):"
      #expect(
        printed.output.contains(line) || printed.output.contains("\n# \(declaration.name):\n")
          || ["out", "parametrization-file"].contains(declaration.name), "\(declaration.name)")
    }
    // The example of a parametrization is one, once out of its comment.
    let example = printed.output.split(separator: "\n").drop { $0 != "# parametrizations:" }
      .map { $0.dropFirst(2) }.joined(separator: "\n")
    #expect(
      try request(example).training.configuration.parametrizations.map(\.name) == ["my-mup"])
  }

  @Test func customParametrization_equalToMupGivesItsBits_everywhere() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let printed = try CommandRunner.run(["sweep", "--print-config"])
      let example = printed.output.split(separator: "\n").drop { $0 != "# parametrizations:" }
        .map { $0.dropFirst(2) }.joined(separator: "\n")
      let text = """
        data: \(CommandRunner.data)
        parametrization: [mup, my-mup]
        widths: [8, 24]
        base-width: 8
        log2-lr: [-6]
        seeds: 1
        steps: 12
        depth: 2
        bias: true
        weight-decay: 0.1
        zero-readout: false

        """
      try Data((text + example + "\n").utf8).write(
        to: directory.appendingPathComponent("my.yaml"))
      let sweep = try CommandRunner.run(["sweep", "my.yaml", "--out", "out"], in: directory)
      #expect(sweep.status == 0, "\(sweep.errors)")
      let rows = try String(
        contentsOf: directory.appendingPathComponent("out/summary.csv"), encoding: .utf8
      ).split(separator: "\n").dropFirst().map { $0.split(separator: ",").map(String.init) }
      #expect(rows.count == 4)
      for (mup, mine) in zip(rows[0...1], rows[2...3]) {
        #expect(mup[0] == "mup" && mine[0] == "my-mup" && mup[3...10] == mine[3...10])
      }
      // Its definition is part of the settings.
      let changed = example.replacingOccurrences(of: "fan-in: 2}", with: "fan-in: 1}")
      #expect(changed != example)
      try Data((text + changed + "\n").utf8).write(
        to: directory.appendingPathComponent("my.yaml"))
      let other = try CommandRunner.run(["sweep", "my.yaml", "--out", "out"], in: directory)
      #expect(other.errors.contains("holds other settings: parametrizations"), "\(other.errors)")

      let file = ["--parametrization-file", "out/sweep.yaml"]
      func json(_ arguments: [String]) throws -> [String] {
        let result = try CommandRunner.run(arguments + file + ["--json"], in: directory)
        #expect(result.status == 0, "\(result.errors)")
        return result.output.split(separator: "\n").map(String.init)
      }
      let scaling = ["scaling", "--bias", "--base-width", "64", "--parametrization"]
      let lines = try ["mup", "my-mup"].map { name in
        try json(scaling + [name]).map { $0.replacingOccurrences(of: "my-mup", with: "mup") }
      }
      #expect(lines[0] == lines[1] && lines[0].count > 20)
      let check = [
        "check", "--data", CommandRunner.data, "--widths", "8,16", "--seeds", "2", "--depth", "1",
        "--parametrization",
      ]
      let predicted = try ["mup", "my-mup"].map { name in
        let arguments = check + [name] + file + ["--json"]
        return try CommandRunner.run(arguments, in: directory).output
          .replacingOccurrences(of: "my-mup", with: "mup")
      }
      #expect(predicted[0] == predicted[1] && predicted[0].contains("\"predicted\""))
    }
  }
}
