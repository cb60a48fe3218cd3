import Foundation
import Testing

/// Sweeps along other axes than width and learning rate.
@Suite(.serialized, .runsPrograms) struct SweepAxesCommandTests {
  static let base = [
    "--data", CommandRunner.data, "--parametrization", "mup", "--optimizer", "momentum", "--steps",
    "30", "--seeds", "2",
    "--batch-size", "32",
  ]

  func header(_ directory: URL) throws -> [Substring] {
    try String(contentsOf: directory.appendingPathComponent("summary.csv"), encoding: .utf8)
      .split(separator: "\n")
  }

  @Test func axes_areInTableSummaryPageAndJSON_andAreFoundAgain() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let arguments =
        ["sweep"] + Self.base + [
          "--scale", "depth=1,2,3", "--tune", "momentum=0.2,0.4,0.8", "--widths", "16",
          "--log2-lr=-3", "--diagnose", "10", "--out", out.path,
        ]
      let result = try CommandRunner.run(arguments)
      #expect(result.status == 0, "\(result.errors)")
      for part in [
        "mup, momentum, width 16, rate 2^−3: training loss, 2 seeds", "    depth", "best momentum",
        "loss at depth 1's best", "octaves of momentum a doubling of depth", "at depth 3 with",
      ] { #expect(result.output.contains(part), "\(part) in \(result.output)") }
      #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
      let rows = try header(out)
      #expect(rows.count == 19 && rows[0].hasSuffix(",whole_train_loss,momentum"))
      #expect(rows[1].hasPrefix("mup,momentum,16,1,-3,1,") && rows[1].hasSuffix(",0.2"))
      let page = try String(
        contentsOf: out.appendingPathComponent("report.html"), encoding: .utf8)
      for part in [
        "Does the best momentum carry over along depth?", "Loss against momentum",
        "Best momentum against depth", "over steps, depth 3", "depths 1, 2 and 3",
      ] { #expect(page.contains(part), "\(part)") }
      #expect(!page.contains("learning rate carry over"))
      let again = try CommandRunner.run(arguments + ["--json"])
      #expect(again.errors.contains("all 18 runs are there already; nothing to run"))
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(again.output.utf8)) as? [String: Any])
      let report = try #require(object["report"] as? [String: Any])
      #expect(report["axes"] as? [String: String] == ["scale": "depth", "tune": "momentum"])
      // Not beside a sweep that asks something else.
      let other = directory.appendingPathComponent("other")
      let plain = try CommandRunner.run(
        ["sweep"] + Self.base + ["--widths", "8", "--log2-lr=-3", "--out", other.path])
      #expect(plain.status == 0, "\(plain.errors)")
      let compared = try CommandRunner.run([
        "report", other.path, out.path, "--out", directory.appendingPathComponent("c").path,
      ])
      #expect(compared.status != 0, "\(compared.errors)")
      let reason = "is of momentum along depth, the first of learning rate along width"
      #expect(compared.errors.contains(reason), "\(compared.errors)")
      // The same runs again by the file that the sweep left.
      let file = try CommandRunner.run([
        "sweep", out.appendingPathComponent("sweep.yaml").path, "--out", out.path,
      ])
      #expect(file.errors.contains("all 18 runs are there already"), "\(file.errors)")
    }
  }

  @Test func width_isTheScaleInShort_andOneByDefault() throws {
    func printed(_ arguments: [String]) throws -> [Substring] {
      let result = try CommandRunner.run(["sweep", "--print-config"] + arguments)
      #expect(result.status == 0, "\(result.errors)")
      return result.output.split(separator: "\n").filter { !$0.hasPrefix("#") }
    }
    let width = try printed(["--scale", "width=16,32"])
    #expect(width.contains("widths: [16, 32]") && !width.contains { $0.hasPrefix("scale:") })
    let depth = try printed(["--scale", "depth=2,4", "--tune", "output-multiplier=log2:-1:1:3"])
    #expect(
      depth.contains("widths: [256]") && depth.contains("log2-lr: \"-9\"")
        || depth.contains("log2-lr: -9"))
    #expect(depth.contains("scale: \"depth=2,4\""))
    #expect(depth.contains("tune: \"output-multiplier=0.5,1,2\""))
    #expect(try !printed([]).contains { $0.hasPrefix("scale") || $0.hasPrefix("tune") })
    // Before anything is trained.
    let target = try CommandRunner.run(["sweep", "--scale", "depth=2,4", "--target-width", "1024"])
    #expect(target.status == 64 && target.output.isEmpty)
    #expect(
      target.errors.contains("--target-width needs a sweep over widths"), "\(target.errors)")
  }

  @Test func file_givesAxesAsMappings() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let file = directory.appendingPathComponent("sweep.yaml")
      func errors(_ text: String) throws -> CommandResult {
        try text.write(to: file, atomically: true, encoding: .utf8)
        return try CommandRunner.run(["sweep", file.path, "--print-config"])
      }
      let good = try errors(
        "scale: {depth: [2, 4, 8]}\ntune:\n  weight-decay: [1e-4, 1e-3]\nwidths: [16]\n")
      #expect(good.status == 0, "\(good.errors)")
      #expect(good.output.contains("\nscale: \"depth=2,4,8\"\n"))
      #expect(good.output.contains("\ntune: \"weight-decay=0.0001,0.001\"\n"))
      #expect(good.output.contains("\nwidths: [16]\n"))
      let bad = try errors("scale: {depth: [2, 4]}\nwidths: [16, 32]\n")
      #expect(bad.status != 0 && bad.errors.contains(":1: scale: along depth there is one width"))
    }
  }
}
