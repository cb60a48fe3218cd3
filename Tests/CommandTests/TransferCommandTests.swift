import Foundation
import Testing

/// `transfer`, run as a user would.
@Suite(.runsPrograms) struct TransferCommandTests {
  @Test func table_isJudged_andJSONHasTheNumbers() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let file = directory.appendingPathComponent("best.csv")
      try Data("width,lr\n128,1e-3\n256,5e-4\n512,2.5e-4\n".utf8).write(to: file)
      let shown = try CommandRunner.run(["transfer", file.path])
      #expect(shown.status == 0)
      #expect(shown.output.contains("drift      −1.00 octaves a doubling"), "\(shown.output)")
      #expect(shown.errors.contains("learning rate from lr"))
      let result = try CommandRunner.run(["transfer", file.path, "--json"])
      let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
      let object = try #require(value as? [String: Any])
      #expect(object["verdict"] as? String == "inconclusive")
      #expect(abs(try #require(object["octaves_per_doubling"] as? Double) + 1) <= 1e-6)
      #expect(object["interval"] is NSNull && object["regret"] is NSNull)
      let optima = try #require(object["optima"] as? [[String: Any]])
      #expect(optima.map { $0["scale"] as? Int } == [128, 256, 512])
      #expect(optima.allSatisfy { $0["loss"] is NSNull && $0["log2_learning_rate"] is Double })
    }
  }

  /// An optimum that moves an octave a doubling, carried on to a width that was not trained.
  @Test func targetWidth_isRecommendedARate() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let rows = [64, 128, 256].flatMap { width in
        (-9...(-3)).flatMap { rate in
          (1...3).map { seed in
            let off = Double(rate) + log2(Double(width) / 64) + 4.3
            return
              "\(width),\(exp2(Double(rate))),\(seed),\(exp(0.05 * off * off) + 0.001 * Double(seed))"
          }
        }
      }
      try Data(("width,lr,seed,loss\n" + rows.joined(separator: "\n")).utf8)
        .write(to: directory.appendingPathComponent("runs.csv"))
      let result = try CommandRunner.run(
        ["transfer", "runs.csv", "--target-width", "1024", "--json"], in: directory)
      let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
      let object = try #require(value as? [String: Any])
      #expect(object["verdict"] as? String == "does not transfer", "\(result.output)")
      let use = try #require(object["recommendation"] as? [String: Any])
      #expect(use["scale"] as? Int == 1024)
      #expect(abs(try #require(use["log2_learning_rate"] as? Double) + 8.3) <= 0.1)
      #expect((use["interval"] as? [Double])?.count == 2)
    }
  }

  private static let runs: String =
    "width,lr,seed,loss\n"
    + [64, 128].flatMap { width in
      [0.001, 0.002, 0.004].map { "\(width),\($0),1,\($0 == 0.002 ? 1 : 2)" }
    }.joined(separator: "\n")

  @Test func page_isWrittenWhereAskedFor_withPictures() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      try Data(Self.runs.utf8).write(to: directory.appendingPathComponent("runs.csv"))
      let plain = try CommandRunner.run(["transfer", "runs.csv"], in: directory)
      #expect(plain.status == 0)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["runs.csv"])
      let result = try CommandRunner.run(
        ["transfer", "runs.csv", "--out", "a/b", "--pictures", "svg", "--size", "100x70mm"],
        in: directory)
      #expect(result.status == 0 && result.output == plain.output, "\(result.errors)")
      #expect(result.errors.contains("report in a/b/report.html"))
      #expect(result.errors.contains("2 pictures in a/b/report-pictures"))
      let out = directory.appendingPathComponent("a/b")
      let page = try String(
        contentsOf: out.appendingPathComponent("report.html"), encoding: .utf8)
      #expect(page.contains("gputrain transfer runs.csv --out a/b --pictures svg"))
      let picture = try String(
        contentsOf: out.appendingPathComponent("report-pictures/loss-runs.svg"), encoding: .utf8)
      #expect(picture.contains("width=\"283.46pt\" height=\"198.43pt\""))
    }
  }

  /// The verdict is printed all the same.
  @Test func directoryThatCannotBe_losesNoVerdict() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      try Data(Self.runs.utf8).write(to: directory.appendingPathComponent("runs.csv"))
      // A page there would be lost.
      try Data("{}".utf8).write(to: directory.appendingPathComponent("sweep.json"))
      for out in ["runs.csv", "runs.csv/below", "/proc/none", "."] {
        let result = try CommandRunner.run(["transfer", "runs.csv", "--out", out], in: directory)
        #expect(result.status == 1 && result.output.contains("verdict    inconclusive"))
        let errors = result.errors.split(separator: "\n")
        #expect(errors.last?.contains(out) == true, "\(errors)")
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: directory.path)
      #expect(left.sorted() == ["runs.csv", "sweep.json"])
    }
  }

  /// Before the table is judged.
  @Test func wrongRequestsForAPage_areRefused() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      try Data(Self.runs.utf8).write(to: directory.appendingPathComponent("runs.csv"))
      let cases: [([String], String)] = [
        (["--out", ""], "--out: expected a directory, got an empty name"),
        (["--pictures", "svg"], "--out"),
        (["--out", "new", "--pictures", "gif"], "--pictures"),
        (["--out", "new", "--size", "85mm"], "give --pictures too"),
      ]
      for (options, part) in cases {
        let result = try CommandRunner.run(["transfer", "runs.csv"] + options, in: directory)
        #expect(result.status == 64 && result.output.isEmpty, "\(options)")
        #expect(result.errors.contains(part), "\(result.errors)")
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["runs.csv"])
    }
  }

  @Test(arguments: ["no.csv", "."]) func unreadableFile_isABadCommandLine(path: String) throws {
    let result = try CommandRunner.run(["transfer", path])
    #expect(result.status == 64 && result.output.isEmpty, "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
  }
}
