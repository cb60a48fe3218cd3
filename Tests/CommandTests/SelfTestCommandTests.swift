import Foundation
import Testing

/// `gputrain selftest` on every way to multiply.
@Suite(.serialized, .runsPrograms) struct SelfTestCommandTests {
  @Test(arguments: ["opencl", "openblas", "clblast", "tiled"])
  func everything_passes(gemm: String) throws {
    let result = try CommandRunner.run(
      ["selftest", "--device", "cpu", "--gemm", gemm, "--json"])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    let output = try #require(value as? [String: Any])
    #expect(output["passes"] as? Bool == true)
    #expect(output["gemm"] as? String == gemm && output["precision"] as? String == "fp32")
    let items = try #require(output["items"] as? [[String: Any]])
    #expect(items.count >= 16)
    for item in items {
      let (error, bound) = (item["error"] as? Double, item["bound"] as? Double)
      #expect(try #require(error) <= #require(bound), "\(item)")
    }
  }

  @Test func text_isATable() throws {
    let result = try CommandRunner.run(["selftest", "--device", "cpu"])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let lines = result.output.split(separator: "\n")
    #expect(lines.dropFirst().dropLast().allSatisfy { $0.hasPrefix("pass  ") })
    #expect(lines.last?.hasPrefix("all ") == true)
  }

  @Test(arguments: ["tf32", "tf32x3", "bf16"])
  func precisionThatTheDeviceLacks_isRefused(precision: String) throws {
    for command in [["selftest"], ["bench", "gemm"], ["train"], ["check"]] {
      let result = try CommandRunner.run(
        command + ["--device", "cpu", "--precision", precision])
      #expect(result.status == 64)
      #expect(
        result.errors.contains("--precision \(precision) needs NVIDIA tensor cores"),
        "\(result.errors)")
    }
  }
}
