import Foundation
import Testing

/// `check`, `figures` and `--diagnose`, run as a user would.
@Suite(.serialized, .runsPrograms) struct CheckCommandTests {
  static let small = [
    "check", "--widths", "32,64,128", "--depth", "2", "--seeds", "4", "--base-width", "32",
  ]

  private func object(_ text: String) throws -> [String: Any] {
    let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
    return try #require(value as? [String: Any])
  }

  @Test func status_tellsWhetherTheConditionIsMet() throws {
    let good = try CommandRunner.run(Self.small + ["--parametrization", "mup"])
    #expect(good.status == 0, "\(good.output)\(good.errors)")
    #expect(good.output.contains("verdict  meets the spectral condition"))
    let bad = try CommandRunner.run(Self.small + ["--parametrization", "sp", "--coordinates"])
    #expect(bad.status == 1)
    #expect(bad.output.contains("verdict  breaks the spectral condition, first in layers.1"))
    #expect(bad.output.contains("mean |h|"))
    for result in [good, bad] {
      #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
  }

  /// 64 inputs: widths 32 are below, 64 and 128 are not.
  @Test func literalRuleBelowTheInputSize_saysWhatItDoes() throws {
    let below = try CommandRunner.run(Self.small + ["--parametrization", "spectral-literal"])
    #expect(below.status == 1)
    #expect(below.errors.contains("spectral-literal at width 32, below the 64 inputs"))
    let above = try CommandRunner.run(
      Self.small + ["--parametrization", "spectral-literal", "--widths", "64,128,256"])
    #expect(!above.errors.contains("below"), "\(above.errors)")
  }

  @Test func json_isOneObjectForScripts() throws {
    let result = try CommandRunner.run(Self.small + ["--rate-rule", "readout=sp", "--json"])
    #expect(result.status == 1)
    let report = try object(result.output)
    #expect(report["verdict"] as? String == "fail")
    let failures = try #require(report["failures"] as? [[String: Any]])
    #expect(failures.first?["layer"] as? String == "layers.2")
    #expect(failures.first?["quantity"] as? String == "update_norm")
    let exponents = try #require(report["exponents"] as? [[String: Any]])
    #expect(exponents.count > 10)
    for exponent in exponents {
      for key in ["exponent", "lower", "upper", "predicted"] { #expect(exponent[key] is Double) }
    }
  }

  /// Along the number of blocks, with the page's tables by depth.
  @Test func depth_isAScaleOfItsOwn() throws {
    try CommandRunner.withTemporaryDirectory { folder in
      let arguments = [
        "check", "--network", "residual-mlp", "--scale", "depth=2,4,8", "--widths", "32", "--seeds",
        "3", "--depth-rule", "complete-p", "--out", "depths",
      ]
      let result = try CommandRunner.run(arguments, in: folder)
      #expect(result.output.contains("how quantities grow with depth"))
      #expect(result.output.contains("blocks.last.down"))
      let page = try String(
        contentsOf: folder.appendingPathComponent("depths/report.html"), encoding: .utf8)
      #expect(page.contains("Networks of depths 2, 4 and 8") && page.contains("grows with depth"))
      #expect(!page.contains("grow with width"))
      let broken = try CommandRunner.run(arguments + ["--depth-rule", "none"], in: folder)
      #expect(broken.status != 0)
      #expect(broken.output.contains("no depth rule: blocks and their rates are the same"))
    }
  }

  @Test(arguments: [
    (["--scale", "depth=2,4"], "--scale depth=… is for --network residual-mlp and transformer"),
    (["--network", "residual-mlp", "--scale", "depth=2"], "--scale: at least two depths"),
    (["--network", "residual-mlp", "--scale", "depth=2,2"], "depth 2 twice"),
    (
      ["--network", "residual-mlp", "--scale", "depth=2,4", "--widths", "32,64"],
      "--widths: expected one width with --scale"
    ),
    (
      ["--network", "residual-mlp", "--scale", "depth=2,4", "--depth", "3"],
      "give --depth or --scale depth=…, not both"
    ),
    (
      ["--network", "residual-mlp", "--scale", "depth=2,8", "--depth-rate-rule", "blocks.3=none"],
      "depth-rate-rule: expected all, input"
    ),
    (
      ["--network", "residual-mlp", "--depth-rate-rule", "all=some"],
      "--depth-rate-rule"
    ),
  ])
  func badScale_givesOneLine(arguments: [String], part: String) throws {
    let result = try CommandRunner.run(["check"] + arguments)
    #expect(result.status != 0 && result.errors.contains(part), "\(result.errors)")
    #expect(result.errors.hasPrefix("Error: "))
  }

  /// Ctrl-C when a width is done: the same command goes on from there, and says what it would have.
  @Test func stoppedCheck_goesOn() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let long = Self.small + ["--parametrization", "mup", "--steps", "60", "--json"]
      let broken = directory.appendingPathComponent("broken")
      let training = broken.appendingPathComponent("training")
      let stopped = try CommandRunner.run(
        long + ["--out", broken.path], signal: (SIGINT, 0),
        once: {
          FileManager.default.enumerator(at: training, includingPropertiesForKeys: nil)?
            .contains { ($0 as? URL)?.lastPathComponent == "result.json" } ?? false
        })
      #expect(stopped.status == 130 && stopped.output.isEmpty, "\(stopped.errors)")
      #expect(stopped.errors.contains("--out \(broken.path) runs the rest"), "\(stopped.errors)")
      let rest = try CommandRunner.run(long + ["--out", broken.path])
      let whole = try CommandRunner.run(
        long + ["--out", directory.appendingPathComponent("whole").path])
      #expect(rest.status == whole.status && rest.output == whole.output)
    }
  }

  @Test(
    arguments: [
      (["--widths", "64"], ["--widths", "two different"]),
      (["--widths", "64,64"], ["--widths", "two different"]),
      (["--seeds", "1"], ["--seeds", "2"]),
      (["--steps", "1", "--zero-readout"], ["--steps", "2"]),
      (["--parametrization", "spectrall"], ["spectral"]),
      (["--rate-rule", "elsewhere=sp"], ["--rate-rule", "elsewhere", "layers.2"]),
      (["--rate-rule", "readout=spp"], ["--rate-rule", "readout=spp"]),
      (["--rate-rule", "readout=sp:lion"], ["--rate-rule"]),
      (["--log2-lr", "inf"], ["--log2-lr", "from -126 to 16"]),
      (["--memory", "10K"], ["not enough memory"]),
    ] as [([String], [String])])
  func badOption_givesOneLine(arguments: [String], parts: [String]) throws {
    let result = try CommandRunner.run(Self.small + arguments)
    // Not 1, which says that the condition is broken; memory is no matter of the usage.
    #expect(result.status == (arguments[0] == "--memory" ? 2 : 64), "\(result.errors)")
    #expect(result.errors.contains("Error: "))
    #expect(result.output.isEmpty)
    for part in parts { #expect(result.errors.contains(part), "\(result.errors)") }
  }

  @Test func diagnose_writesEveryQuantityOfEveryLayer() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let plain = directory.appendingPathComponent("plain")
      let measured = directory.appendingPathComponent("measured")
      let command = [
        "train", "--data", CommandRunner.data, "--width", "32", "--depth", "2", "--steps", "40",
        "--batch-size", "32",
      ]
      #expect(try CommandRunner.run(command + ["--out", plain.path]).status == 0)
      let result = try CommandRunner.run(
        command + ["--diagnose", "10", "--out", measured.path])
      #expect(result.status == 0, "\(result.errors)")
      func runs(_ directory: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(
          atPath: directory.appendingPathComponent("runs").path)
      }
      // What is measured is no part of what is run.
      #expect(try runs(plain) == runs(measured))
      let run = measured.appendingPathComponent("runs/\(try runs(measured)[0])")
      let lines = try String(
        contentsOf: run.appendingPathComponent("metrics.jsonl"), encoding: .utf8
      ).split(separator: "\n").map { try object(String($0)) }
      let diagnosed = lines.filter { $0["layers.1/weight_norm"] != nil }
      #expect(diagnosed.compactMap { $0["step"] as? Int } == [0, 10, 20, 30, 40])
      let names = [
        "spectral_norm", "weight_norm", "frobenius_norm", "update_norm", "update_stable_rank",
        "gradient_stable_rank", "total_update_norm", "feature_rms", "feature_change_rms",
        "alignment", "update_alignment", "epsilon_dominance", "initial_std", "learning_rate",
      ]
      for layer in 0...2 {
        for name in names {
          #expect(diagnosed[2]["layers.\(layer)/\(name)"] is Double, "\(layer) \(name)")
        }
      }
      #expect(lines.contains { $0["train_loss"] != nil })
    }
  }

  @Test func sweepWithSmallBase_warnsInWords() throws {
    let result = try CommandRunner.run([
      "sweep", "--widths", "16,32", "--base-width", "16", "--log2-lr", "-7", "--seeds", "2",
      "--parametrization", "spectral", "--steps", "20", "--depth", "2", "--diagnose", "5",
    ])
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("warning  base width 16 is small for 10 outputs"))
  }

  @Test func figures_writeDataAndPictures() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("figures")
      let result = try CommandRunner.run([
        "figures", "--widths", "32,64", "--seeds", "2", "--steps", "5", "--spectrum-width", "32",
        "--batch-sizes", "1,8,64", "--json", "--out", out.path, "--pictures", "svg",
      ])
      #expect(result.status == 0, "\(result.errors)")
      let report = try object(result.output)
      let pictures = try #require(report["pictures"] as? [String])
      for picture in pictures {
        let text = try String(contentsOfFile: picture, encoding: .utf8)
        #expect(text.contains("<svg") && text.contains("</svg>"))
      }
      #expect(
        pictures.map { URL(fileURLWithPath: $0).lastPathComponent } == [
          "low-rank-updates.svg", "singular-values.svg", "stable-rank.svg",
          "feature-learning.svg", "relative-feature-change.svg", "relative-spectral-change.svg",
          "relative-frobenius-change.svg",
        ])
      let spectrum = try String(
        contentsOf: out.appendingPathComponent("gradient-spectrum.csv"), encoding: .utf8)
      // Header, the weight and three gradients of 32 singular values each.
      #expect(spectrum.split(separator: "\n").count == 1 + 4 * 32)
      // A batch of one has a gradient of rank one.
      let ranks = try String(
        contentsOf: out.appendingPathComponent("gradient-stable-rank.csv"), encoding: .utf8)
      let first = ranks.split(separator: "\n")[1].split(separator: ",")
      #expect(abs(try #require(Double(first[1])) - 1) < 1e-3 && first[2] == "1")
      let learning = try String(
        contentsOf: out.appendingPathComponent("feature-learning.csv"), encoding: .utf8)
      #expect(learning.split(separator: "\n").count == 1 + 2 * 3 * 2 * 2)
    }
  }

  /// Of a Transformer the embedding, the middle block's matrices and attention, and the readout, each by its
  /// path.
  @Test func figuresOfTransformers_areOfTheirLayers() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("figures")
      let command = [
        "figures", "--network", "transformer", "--widths", "16,32", "--seeds", "2", "--steps", "2",
        "--spectrum-width", "16", "--batch-sizes", "1,4", "--context", "8", "--batch-size", "4",
        "--parametrization", "mup", "--optimizer", "adam", "--log2-lr=-9", "--out", out.path,
      ]
      let result = try CommandRunner.run(command + ["--pictures", "svg"])
      #expect(result.status == 0, "\(result.errors)")
      let lines = result.output.split(separator: "\n").map(String.init)
      #expect(lines[0] == "blocks.1.mlp.up, 64×16, at the start")
      #expect(lines.allSatisfy { $0.count <= 80 })
      let layers =
        ["embedding"]
        + ["attention.query", "attention.key", "attention.value", "attention", "attention.output"]
        .map { "blocks.1.\($0)" } + ["blocks.1.mlp.up", "blocks.1.mlp.down", "readout"]
      #expect(lines.filter { layers.contains($0) } == layers)
      // Header; features of all, norms of all but attention.
      let learning = try String(
        contentsOf: out.appendingPathComponent("feature-learning.csv"), encoding: .utf8
      ).split(separator: "\n")
      #expect(learning[0] == "parametrization,layer,quantity,width,seed,value")
      #expect(learning.count == 1 + (3 * 8 + 1) * 2 * 2)
      #expect(learning.allSatisfy { !$0.hasSuffix("nan") })
      // A sequence of eight tokens has a gradient of rank eight at most.
      let ranks = try String(
        contentsOf: out.appendingPathComponent("gradient-stable-rank.csv"), encoding: .utf8)
      #expect(ranks.split(separator: "\n")[1].hasSuffix(",8"))
      let pictures = try FileManager.default.contentsOfDirectory(
        atPath: out.appendingPathComponent("report-pictures").path)
      #expect(pictures.contains("blocks-1-mlp-up-feature-learning.svg"))
      #expect(pictures.contains("blocks-1-attention-relative-feature-change.svg"))
      let page = try String(
        contentsOf: out.appendingPathComponent("report.html"), encoding: .utf8)
      for layer in layers { #expect(page.contains("<h3>\(layer)</h3>")) }
      #expect(try CommandRunner.run(["report", out.path]).status == 0)
    }
  }

  @Test func figuresOfDivergedNetworks_saySo_andKeepTheData() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("f")
      let result = try CommandRunner.run([
        "figures", "--widths", "16,32", "--seeds", "2", "--steps", "20", "--spectrum-width", "16",
        "--batch-sizes", "4,1,4", "--log2-lr", "16", "--parametrization", "mup,mup",
        "--activation", "identity", "--out", out.path,
      ])
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("networks diverge at the rate 2^16"))
      #expect(result.output.split(separator: "\n").count { $0.contains("‖Δh₂‖") } == 1)
      let ranks = try String(
        contentsOf: out.appendingPathComponent("gradient-stable-rank.csv"), encoding: .utf8)
      #expect(ranks.split(separator: "\n").count == 3)
      let tooMany = try CommandRunner.run([
        "figures", "--batch-sizes", "100000", "--out", out.path,
      ])
      #expect(tooMany.status == 64 && tooMany.errors.contains("--batch-sizes"))
    }
  }

  @Test func checkOfDivergedNetworks_blamesTheRate() throws {
    let result = try CommandRunner.run(Self.small + ["--depth", "8", "--log2-lr", "16"])
    #expect(result.status == 2)
    #expect(result.output.contains("verdict  cannot tell: networks diverge at the rate 2^16"))
  }

  /// Zero readout: before the readout has moved no other layer has a gradient, and √v ≤ 10 ε.
  @Test func healthyRun_hasNoWarnings() throws {
    let result = try CommandRunner.run([
      "sweep", "--widths", "32,64", "--base-width", "64", "--log2-lr", "-7", "--seeds", "1",
      "--parametrization", "spectral", "--steps", "60", "--diagnose", "10",
    ])
    #expect(result.status == 0, "\(result.errors)")
    #expect(!result.output.contains("warning"), "\(result.output)")
  }

  @Test func diagnoseOfRunsThatAreThere_saysThatTheyAreNot() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let sweep = [
        "sweep", "--data", CommandRunner.data, "--widths", "16", "--log2-lr", "-7", "--seeds", "1",
        "--steps", "5",
        "--parametrization", "spectral", "--out", directory.appendingPathComponent("s").path,
      ]
      _ = try CommandRunner.run(sweep)
      let again = try CommandRunner.run(sweep + ["--diagnose", "1"])
      #expect(again.errors.contains("1 runs were there before and are not measured now"))
    }
  }
}
