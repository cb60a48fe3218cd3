import ArgumentParser
import Foundation
import Testing

@testable import GPUTrainCommand

@Suite(.serialized) struct SweepFileTests {
  /// The arguments that a file of this text stands for.
  private func arguments(_ text: String) throws -> [String] {
    try CommandRunner.withTemporaryDirectory { directory in
      let file = directory.appendingPathComponent("sweep.yaml")
      try Data(text.utf8).write(to: file)
      return try SweepFile(path: file.path).arguments
        .map { $0.replacingOccurrences(of: file.path, with: "FILE") }
    }
  }

  /// What is told of a file of this text, without the file's name.
  private func mistakes(_ text: String) -> [String] {
    do {
      _ = try arguments(text)
      return []
    } catch {
      let lines = "\(error)".split(separator: "\n").map(String.init)
      return lines.compactMap { line in
        line.range(of: "sweep.yaml:").map { String(line[$0.upperBound...]) }
      }
    }
  }

  @Test func values_areReadInEveryForm() throws {
    #expect(
      try arguments(
        """
        widths: [64, 128]
        parametrization: sp,mup
        log2-lr: {start: -11, stop: -4, count: 8}
        hidden-pattern: [1, 4, 1]
        bias: true
        zero-readout: false
        lr-multiplier: {layers.0: 2, readout: 0.5}
        rate-rule: [readout=sp, layers.1=ntp:sgd]
        schedule: cosine:0.1
        memory:
        json: false
        """) == [
          "--parametrization=sp,mup", "--widths=64,128", "--log2-lr=-11:-4:8",
          "--hidden-pattern=1:4:1", "--no-zero-readout", "--bias", "--rate-rule=readout=sp",
          "--rate-rule=layers.1=ntp:sgd", "--lr-multiplier=layers.0=2",
          "--lr-multiplier=readout=0.5", "--schedule=cosine:0.1",
        ])
    #expect(try arguments("") == [])
    #expect(try arguments("parametrizations: {mine: {}}\n") == ["--parametrization-file=FILE"])
  }

  @Test func keys_areTheOptionsOfTheCommand() throws {
    let entries = Set(try SweepCommand.parse([]).entries.map(\.name))
    let helps = try OptionHelps.byName(of: SweepCommand.self).keys.filter {
      !$0.hasPrefix("no-")
    }
    #expect(Set(helps).subtracting(entries) == ["print-config", "help", "quiet", "verbose"])
    #expect(entries.isSubset(of: Set(helps)))
  }

  /// Text, and the lines of what is told of it.
  static let broken: [(String, [String])] = [
    ("witdhs: 64", ["1: unknown key 'witdhs'; did you mean 'widths'?"]),
    ("qqqqqqqq: 1", ["1: unknown key 'qqqqqqqq'; known are parametrization, optimizer, widths"]),
    ("widths: [64, x]", ["1: widths: expected integers a,b,c, got '64,x'"]),
    ("depth: 3\nwidths: [64, 64]", ["2: widths: expected each value once, got 64 twice"]),
    ("depth: 0", ["1: depth must be from 1 to 1024, got 0"]),
    ("bias: maybe", ["1: bias: expected true or false, got 'maybe'"]),
    ("widths: {a: 1}", ["1: widths: expected a value or a list"]),
    ("widths: [[1]]", ["1: widths: expected a value or a list"]),
    ("log2-lr: {start: 1, stop: 2}", ["1: log2-lr: expected a value or a list, or start"]),
    ("optimizer: lion", ["1: optimizer: expected some of sgd"]),
    ("parametrization: spectal", ["1: parametrization: expected one of", "'spectral'?"]),
    ("rate-rule: readout=sq", ["1: rate-rule readout=sq: parametrization: expected one of"]),
    ("lr-multiplier: {layers.9: 2}", ["1: lr-multiplier: expected all, input"]),
    ("lr-multiplier: {readout: -2}", ["1: The value 'readout=-2' is invalid for 'lr-multiplier"]),
    ("steps: 3\nepochs: 2", ["1: give epochs or steps, not both"]),
    ("weight-decay: 1\noptimizer: [adam, adamw]", ["1: weight-decay: these optimizers take"]),
    ("memory: lots\nschedule: often", ["1: The value 'lots'", "2: The value 'often'"]),
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
      "parametrizations:\n  a:\n    hidden:\n      sigma: 0\n      epsilon: -1",
      [
        "4: parametrization a: hidden.sigma.multiplier: expected a number > 0, got 0.0",
        "5: parametrization a: hidden.epsilon.multiplier: expected a number > 0, got -1.0",
      ]
    ),
    (
      "parametrization: [a, b]\noptimizer: sgd\nparametrizations:\n  a: {family: adam}\n  b: {}",
      ["2: parametrization a is for updates of family adam, got sgd of family sgd"]
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
        "--widths", "8,16", "--log2-lr=-6,-5.5", "--seeds", "1", "--steps", "5", "--depth", "1",
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
      for part in ["length.epochs: stored none, given 1", "zeroReadout: stored false, given true"] {
        #expect(longer.errors.contains(part), "\(longer.errors)")
      }
    }
  }

  @Test func everyDefault_isPrinted_andReadsBack() throws {
    let printed = try CommandRunner.run(["sweep", "--print-config"])
    let arguments = try arguments(printed.output)
    let defaults = try SweepCommand.parse([])
    for (entry, other) in zip(try SweepCommand.parse(arguments).entries, defaults.entries)
    where !other.isEmpty { #expect(entry.value == other.value, "\(entry.name)") }
    // The example of a parametrization is one, once out of its comment.
    let example = printed.output.split(separator: "\n").drop { $0 != "# parametrizations:" }
      .map { $0.dropFirst(2) }.joined(separator: "\n")
    #expect(try self.arguments(example) == ["--parametrization-file=FILE"])
  }

  @Test func customParametrization_equalToMupGivesItsBits_everywhere() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let printed = try CommandRunner.run(["sweep", "--print-config"])
      let example = printed.output.split(separator: "\n").drop { $0 != "# parametrizations:" }
        .map { $0.dropFirst(2) }.joined(separator: "\n")
      let text = """
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
        "check", "--widths", "8,16", "--seeds", "2", "--depth", "1", "--parametrization",
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
