import Foundation
import Testing

/// Numbers in place of classes, through every command that trains.
@Suite(.serialized, .runsPrograms) struct RegressionCommandTests {
  private static let network = [
    "--data", "houses.csv", "--task", "regression", "--label", "price", "--depth", "1",
    "--batch-size", "20",
  ]

  private func writeHouses(_ directory: URL) throws {
    let rows = (0..<80).map { row in
      let (a, b) = (row * 37 % 19, row * 11 % 23)
      return "\(a),\(b),\(Double(a * b) / 8 + 1000)"
    }
    try Data((["rooms,area,price"] + rows).joined(separator: "\n").utf8)
      .write(to: directory.appendingPathComponent("houses.csv"))
  }

  @Test func regression_trainsResumesAndSaves() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      try writeHouses(directory)
      let refused = try CommandRunner.run(["train", "--data", "houses.csv"], in: directory)
      #expect(refused.status != 0)
      #expect(refused.errors.contains("--task regression") && refused.errors.contains("--label"))
      let result = try CommandRunner.run(
        ["train", "--width", "8", "--steps", "12", "--checkpoint-every", "6", "--out", "out"]
          + Self.network, in: directory)
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("2 inputs, target price"))
      #expect(result.errors.contains("target: column 3 \"price\""))
      #expect(result.output.contains("validation loss") && !result.output.contains("accuracy"))
      let resumed = try CommandRunner.run(["train", "--resume", "out"], in: directory)
      #expect(resumed.status == 0, "\(resumed.errors)")
      #expect(resumed.output == result.output)
    }
  }

  @Test func regression_sweepsChecksAndReports() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      try writeHouses(directory)
      let sweep =
        [
          "sweep", "--widths", "8,16", "--log2-lr=-8,-6,-4", "--seeds", "2", "--steps", "20",
          "--parametrization", "spectral", "--keep-best", "--out", "out",
        ] + Self.network
      let result = try CommandRunner.run(sweep, in: directory)
      #expect(result.status == 0, "\(result.errors)")
      let out = directory.appendingPathComponent("out")
      let best = try FileManager.default.contentsOfDirectory(
        atPath: out.appendingPathComponent("best").path)
      #expect(
        best.sorted() == [
          "spectral-adam-width16.safetensors", "spectral-adam-width8.safetensors",
        ])
      let report = try CommandRunner.run(["report", "out"], in: directory)
      #expect(report.status == 0, "\(report.errors)")
      let page = try String(contentsOf: out.appendingPathComponent("report.html"), encoding: .utf8)
      #expect(page.contains("target price"))
      // The data decide what a store holds, not the words that they were asked for with.
      let again = try CommandRunner.run(sweep.map { $0 == "price" ? "3" : $0 }, in: directory)
      #expect(again.errors.contains("nothing to run"), "\(again.errors)")
      let check = try CommandRunner.run(
        ["check", "--widths", "8,16", "--seeds", "2", "--out", "checked"] + Self.network,
        in: directory)
      #expect(check.output.contains("verdict"), "\(check.errors)")
    }
  }
}
