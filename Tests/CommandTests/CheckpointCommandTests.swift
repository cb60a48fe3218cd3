import Foundation
import Testing

@Suite(.serialized, .runsPrograms) struct CheckpointCommandTests {
  static let small = [
    "train", "--data", CommandRunner.data, "--width", "32", "--depth", "2", "--batch-size", "32",
    "--steps", "600", "--bias", "--diagnose", "25:norms",
  ]

  /// The run's files that must not depend on stops, but for seconds.
  private func remains(_ out: URL, _ weights: URL) throws -> [String] {
    let runs = out.appendingPathComponent("runs")
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: runs.path).first)
    return try ["config.json", "metrics.jsonl", "result.json"].map { file in
      try String(
        contentsOf: runs.appendingPathComponent("\(name)/\(file)"), encoding: .utf8
      ).split(separator: "\n").filter { !$0.lowercased().contains("seconds\"") }.joined(
        separator: "\n")
    } + [try Data(contentsOf: weights).base64EncodedString()]
  }

  /// Killed as by a power cut, or stopped by Ctrl-C, a random moment after a checkpoint, and gone
  /// on, three times: the end is as if never stopped.
  @Test func stoppedRun_goesOnBitForBit() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let weights = directory.appendingPathComponent("weights.safetensors")
      let keep = ["--checkpoint-every", "40", "--save", weights.path]
      let whole = directory.appendingPathComponent("whole")
      let first = try CommandRunner.run(Self.small + keep + ["--out", whole.path])
      #expect(first.status == 0, "\(first.errors)")
      let expected = try remains(whole, weights)
      for signal in [SIGKILL, SIGINT] {
        var stops = 0
        let out = directory.appendingPathComponent("cut\(signal)")
        var moments: [Double] = []
        var arguments = Self.small + keep + ["--out", out.path]
        for _ in 0..<3 {
          let before = newestCheckpoint(out)
          moments.append(Double.random(in: 0...0.1))
          let stopped = try CommandRunner.run(
            arguments, signal: (signal, moments.last!),
            once: { newestCheckpoint(out) > before })
          #expect([0, 130, signal].contains(stopped.status), "\(moments): \(stopped.errors)")
          if stopped.status != 0 { stops += 1 }
          arguments = ["train", "--resume", out.path, "--save", weights.path]
        }
        let last = try CommandRunner.run(arguments)
        #expect(last.status == 0, "\(moments): \(last.errors)")
        #expect(last.errors.contains("resuming from"))
        #expect(try remains(out, weights) == expected, "after \(moments) s")
        #expect(stops > 0, "signal \(signal)")
      }
    }
  }

  /// The name of the newest checkpoint under `out`, which sorts by step; empty where there is none.
  private func newestCheckpoint(_ out: URL) -> String {
    let files = FileManager.default.enumerator(atPath: out.path)
    return files?.map { ("\($0)" as NSString).lastPathComponent }
      .filter { $0.hasPrefix("step-") }.max() ?? ""
  }

  @Test func resume_takesOptionsFromTheCheckpoint_andRefusesOthers() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let begun = [
        "train", "--data", CommandRunner.data, "--batch-size", "12", "--width", "16", "--depth",
        "1",
        "--epochs", "1", "--checkpoint-every", "5",
        "--weight-decay", "0.1:independent", "--schedule", "cosine:0.1", "--rate-rule",
        "readout=sp", "--no-zero-readout", "--memory", "1G",
      ]
      let first = try CommandRunner.run(begun + ["--out", "out"], in: directory)
      #expect(first.status == 0, "\(first.errors)")
      for place in ["out", "out/runs"] {
        let again = try CommandRunner.run(["train", "--resume", place], in: directory)
        #expect((again.status == 0) == (place == "out"), "\(again.errors)")
      }
      let same = try CommandRunner.run(
        ["train", "--resume", "out", "--width", "16", "--epochs", "1"], in: directory)
      #expect(same.errors.contains("are there already"), "\(same.errors)")
      for (options, part) in [
        (["--width", "24"], "width: stored 16, given 24"),
        (["--steps", "40"], "steps: stored none, given 40"),
        (["--diagnose", "5"], "diagnose: stored none, given 5:all"),
        (["--bias"], "bias: stored false, given true"),
      ] {
        let other = try CommandRunner.run(["train", "--resume", "out"] + options, in: directory)
        #expect(other.status != 0 && other.errors.contains(part), "\(other.errors)")
      }
      let nothing = try CommandRunner.run(["train", "--resume"], in: directory)
      #expect(nothing.status != 0 && nothing.errors.contains("runs: expected a checkpoint"))
    }
  }

  @Test func savedWeights_startAnotherRun_whereTheyFit() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let base = [
        "train", "--data", CommandRunner.data, "--width", "16", "--depth", "1", "--steps", "8",
      ]
      let first = try CommandRunner.run(
        base + ["--checkpoint-every", "8", "--save", "w.safetensors", "--out", "out"],
        in: directory)
      #expect(first.status == 0, "\(first.errors)")
      // The same command again takes the weights from the last checkpoint.
      let again = try CommandRunner.run(
        base + ["--save", "again.safetensors", "--out", "out"], in: directory)
      #expect(again.status == 0, "\(again.errors)")
      func bytes(_ name: String) throws -> Data {
        try Data(contentsOf: directory.appendingPathComponent(name))
      }
      #expect(try bytes("w.safetensors") == bytes("again.safetensors"))
      let second = try CommandRunner.run(
        base + ["--init-from", "w.safetensors", "--out", "second"], in: directory)
      #expect(second.status == 0, "\(second.errors)")
      let lost = try CommandRunner.run(
        base + ["--init-from", "w.safetensors", "--out", "second", "--save", "x"], in: directory)
      #expect(lost.status != 0 && lost.errors.contains("were not kept"), "\(lost.errors)")
      for (options, part) in [
        (["--width", "24"], "layers.0.weight: expected [24, 4], got [16, 4]"),
        (["--bias"], "layers.0.bias: expected [16], got no such tensor"),
        (["--depth", "2"], "layers.1.weight: expected [16, 16], got [3, 16]"),
      ] {
        let bad = try CommandRunner.run(
          base + ["--init-from", "w.safetensors", "--out", "bad"] + options, in: directory)
        #expect(bad.status != 0 && bad.errors.contains(part), "\(bad.errors)")
        #expect(bad.errors.contains("w.safetensors: "))
      }
      let both = try CommandRunner.run(
        base + ["--init-from", "w.safetensors", "--resume", "out"], in: directory)
      #expect(both.status != 0 && both.errors.contains("--resume or --init-from"))
    }
  }
}
