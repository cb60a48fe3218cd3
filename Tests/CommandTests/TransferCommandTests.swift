import Foundation
import Testing

/// `transfer`, run as a user would.
@Suite struct TransferCommandTests {
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

  @Test(arguments: ["no.csv", "."]) func unreadableFile_isABadCommandLine(path: String) throws {
    let result = try CommandRunner.run(["transfer", path])
    #expect(result.status == 64 && result.output.isEmpty, "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
  }
}
