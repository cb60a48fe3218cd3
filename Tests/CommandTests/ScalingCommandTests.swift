import Foundation
import Testing

@Suite(.runsPrograms) struct ScalingCommandTests {
  struct Row: Decodable {
    let parametrization, tensor: String
    let initialStd, learningRate, epsilon, weightDecay, multiplier: Double
  }

  /// Without any OpenCL platform: scaling is arithmetic.
  func scaling(_ arguments: [String]) throws -> CommandResult {
    try CommandRunner.run(
      ["scaling"] + arguments, environment: ["OCL_ICD_VENDORS": "/nonexistent"])
  }

  @Test func scaling_printsTensorsSideBySide() throws {
    let result = try scaling([
      "--base-width", "64", "--parametrization", "sp, spectral", "--depth", "2",
    ])
    #expect(result.status == 0, "\(result.errors)")
    #expect(
      result.output == """
        relative to width 64, where every rule equals sp

        layers.0.weight  1024×64
                            σ          η          ε          λ multiplier
          sp            0.125          1      1e-08          0          1
          spectral      0.125          1   6.25e-10          0          1

        layers.1.weight  1024×1024
                            σ          η          ε          λ multiplier
          sp          0.03125          1      1e-08          0          1
          spectral    0.03125     0.0625   6.25e-10          0          1

        layers.2.weight  10×1024
                            σ          η          ε          λ multiplier
          sp          0.03125          1      1e-08          0          1
          spectral   0.007812     0.0625      1e-08          0          1

        """)
  }

  @Test func heldNorms_areShown() throws {
    let arguments = ["--parametrization", "spectral", "--depth", "2", "--width", "256"]
    let held = ["--spectral-sphere", "2", "--group", "readout=spectral-cap:1"]
    let output = try scaling(arguments + held).output
    for line in ["layers.0.weight  256×64  ‖W‖* = 4", "layers.2.weight  10×256  ‖W‖* ≤ 0.1976"] {
      #expect(output.contains(line + "\n"), "\(output)")
    }
    let torch = try scaling(arguments + held + ["--format", "torch"]).output
    #expect(torch.contains("# hold its spectral norm = 4 after each step"))
  }

  @Test func json_hasEveryTensorUnderEveryParametrization() throws {
    let result = try scaling([
      "--json", "--bias", "--depth", "3", "--hidden-pattern", "1:4:1", "--optimizer", "sgd",
      "--weight-decay", "0.5:decoupled-scaled", "--input-multiplier", "0.25", "--output-multiplier",
      "32", "--zero-readout",
    ])
    let rows = try JSONDecoder().decode([Row].self, from: Data(result.output.utf8))
    #expect(rows.count == 5 * 8)
    let hidden = try #require(
      rows.first { $0.parametrization == "spectral" && $0.tensor == "layers.1.weight" })
    #expect(hidden.learningRate == 4 && hidden.weightDecay == 0.125 && hidden.multiplier == 1)
    let input = try #require(rows.first { $0.tensor == "layers.0.weight" })
    #expect(input.multiplier == 0.5 && input.initialStd == 0.25)
    let readout = rows.filter { $0.tensor == "layers.3.weight" }
    #expect(readout.allSatisfy { $0.initialStd == 0 && $0.multiplier == 32 })
  }

  @Test(arguments: [
    ["--width", "0"], ["--parametrization", "spektral"], ["--weight-decay", "-1"],
    ["--epsilon", "nan"], ["--epsilon", "-1"], ["--hidden-pattern", "x"],
    ["--parametrization", ""],
    ["--hidden-pattern", "9223372036854775807"], ["--depth", "16777216"],
  ]) func badOption_fails(arguments: [String]) throws {
    let result = try scaling(arguments)
    #expect(result.status != 0 && result.output.isEmpty)
    #expect(result.errors.hasPrefix("Error: "))
  }

  /// As a sweep prints them, and by the names that it has for them.
  @Test func rates_haveTheSweepsNames() throws {
    let arguments = ["--parametrization", "mup", "--base-width", "64"]
    let plain = try scaling(arguments + ["--learning-rate", "0.00390625"])
    #expect(plain.status == 0, "\(plain.errors)")
    for other in [
      ["--lr", "0.00390625"], ["--log2-lr=-8"], ["--log2-lr", "−8"], ["--log2-lr=−8"],
    ] {
      #expect(try scaling(arguments + other).output == plain.output, "\(other)")
    }
    #expect(try scaling(["--lr", "2", "--log2-lr=1"]).status == 64)
    #expect(try scaling(["--log2-lr=0.5e9"]).errors.contains("--log2-lr must be from -126 to 16"))
  }

  @Test func torch_isPythonOfOneParametrization() throws {
    let arguments = ["--format", "torch", "--base-width", "64", "--depth", "2"]
    let result = try scaling(arguments + ["--parametrization", "mup", "--learning-rate", "0.008"])
    #expect(result.status == 0, "\(result.errors)")
    #expect(
      result.output.hasPrefix("# mup under adam: width 1024, base width 64, learning rate 0.008"))
    #expect(result.output.contains("dict(std=0.03125, lr=0.0005, eps=6.25e-10, weight_decay=0.0)"))
    let smaller = try scaling(
      arguments + ["--parametrization", "mup", "--lr", "0.008", "--init-multiplier", "hidden=0.5"])
    #expect(
      smaller.output
        == result.output.replacing(
          #""layers.1.weight": dict(std=0.03125"#, with: #""layers.1.weight": dict(std=0.015625"#))
    let several = try scaling(arguments)
    #expect(several.status == 64 && several.errors.contains("--parametrization"))
    let lion = try scaling(arguments + ["--parametrization", "mup", "--optimizer", "lion"])
    #expect(
      lion.status == 64
        && lion.errors.contains("--format torch: layers.0.weight: PyTorch has no lion"))
    #expect(
      try scaling(["--format", "json"]).output == scaling(["--json"]).output)
  }

  /// A sweep's settings, and the rate that follows from its results, here by hand: least at 2^−4 at every width.
  @Test func sweep_givesSettingsAndRate() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let settings = ["--depth", "2", "--base-width", "16", "--output-multiplier", "2"]
      func sweep(_ parametrization: String, widths: String) throws {
        let result = try CommandRunner.run(
          [
            "sweep", "--parametrization", parametrization, "--widths", widths,
            "--log2-lr=-6:-2:5", "--seeds", "3", "--steps", "1", "--out", "s", "--quiet",
          ] + settings, in: directory)
        #expect(result.status == 0, "\(result.errors)")
      }
      try sweep("mup", widths: "8,16,32")
      let undecided = try CommandRunner.run(["scaling", "--from", "s"], in: directory)
      #expect(undecided.status == 64 && undecided.errors.contains("with --learning-rate"))
      #expect(undecided.errors.contains("mup, adam: no rate is recommended for width 32"))

      let given = ["scaling", "--width", "64", "--lr", "0.0625", "--parametrization", "mup"]
      let expected = try CommandRunner.run(
        given + settings + ["--zero-readout"], in: directory)
      #expect(
        try CommandRunner.run(
          ["scaling", "--from", "s", "--width", "64", "--lr", "0.0625"], in: directory
        ).output == expected.output)

      try Self.replaceLosses(of: directory.appendingPathComponent("s/runs"))
      let result = try CommandRunner.run(
        ["scaling", "--from", "s", "--width", "64"], in: directory)
      #expect(result.output == expected.output, "\(result.errors)")
      #expect(result.errors.contains("mup, adam: 2^−4.00 = 0.0625"))
      #expect(result.errors.contains("at every width, the mean of the optima"))

      // The widest of those that were asked for.
      try sweep("sp", widths: "4,8,16")
      try Self.replaceLosses(of: directory.appendingPathComponent("s/runs"))
      for (arguments, width) in [(["--parametrization", "sp"], 16), ([], 32)] {
        let own = try CommandRunner.run(["scaling", "--from", "s"] + arguments, in: directory)
        #expect(own.output.contains("layers.1.weight  \(width)×\(width)\n"), "\(own.errors)")
        #expect(own.output.contains("  mup") == arguments.isEmpty)
      }

      for (arguments, part) in [
        (["--depth", "2"], "--depth is the sweep's own"), (["--inputs", "3"], "--inputs is the"),
        (["--parametrization", "ntp"], "no runs under ntp; it has mup, sp"),
        (["--optimizer", "sgd"], "no runs of sgd; it has adam"),
        (["--parametrization", "mup,mup"], "expected each name once"),
      ] {
        let refused = try CommandRunner.run(
          ["scaling", "--from", "s"] + arguments, in: directory)
        #expect(refused.status == 64 && refused.errors.contains(part), "\(refused.errors)")
      }
      let elsewhere = try CommandRunner.run(["scaling", "--from", "s/runs"], in: directory)
      #expect(elsewhere.status != 0 && elsewhere.errors.contains("s/runs: expected sweep.json"))
      let table = try CommandRunner.run(["transfer", "s"], in: directory)
      #expect(table.status == 64 && table.errors.contains("'gputrain report s'"))
      let resumed = try CommandRunner.run(["train", "--resume", "s"], in: directory)
      #expect(
        resumed.status != 0 && resumed.errors.contains("resumed by the command that began it"))
    }
  }

  /// Gives every run of a store the loss 1 + (log2 rate + 4)²/10.
  private static func replaceLosses(of runs: URL) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: runs.path) {
      let run = runs.appendingPathComponent(name)
      func json(_ file: String) throws -> [String: Any] {
        let data = try Data(contentsOf: run.appendingPathComponent(file))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      }
      let cell = try #require(try json("config.json")["cell"] as? [String: Any])
      let rate = try #require(cell["log2LearningRate"] as? Double)
      var result = try json("result.json")
      result["trainLoss"] = 1 + (rate + 4) * (rate + 4) / 10
      try JSONSerialization.data(withJSONObject: result)
        .write(to: run.appendingPathComponent("result.json"))
    }
  }
}
