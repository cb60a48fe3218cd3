import Foundation
import Testing

/// `gputrain bench` on sizes that take no time; how fast they are is no matter here.
@Suite(.serialized, .runsPrograms) struct BenchCommandTests {
  /// Operations of one repetition, counted by hand: two a multiply-add.
  static let benches: [(arguments: [String], operations: Double)] = [
    // 6–8–8–10, forward and weights' gradients of all layers, inputs' gradients of the last two.
    (
      ["step", "--inputs", "6", "--width", "8", "--batch-size", "4", "--optimizer", "sgd"],
      2 * 4 * Double(2 * (6 * 8 + 8 * 8 + 8 * 10) + 8 * 8 + 8 * 10)
    ),
    (
      ["sweep", "--inputs", "6", "--width", "8", "--depth", "1", "--replicas", "3"],
      3 * 2 * 64 * Double(2 * (6 * 8 + 8 * 10) + 8 * 10)
    ),
    (
      ["gemm", "--transpose", "tn", "--m", "5", "--n", "7", "--k", "11", "--replicas", "2"],
      2 * 2 * 5 * 7 * 11
    ),
  ]

  private func figure(_ arguments: [String]) throws -> [String: Any] {
    let result = try CommandRunner.run(["bench"] + arguments + ["--seconds", "0.01", "--json"])
    #expect(result.status == 0, "\(result.errors)")
    let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    return try #require(value as? [String: Any])
  }

  @Test(arguments: benches.indices) func json_countsWhatTheThingNeeds(index: Int) throws {
    let bench = Self.benches[index]
    let figure = try figure(bench.arguments)
    let milliseconds = try #require(figure["milliseconds"] as? Double)
    let gflops = try #require(figure["gflops"] as? Double)
    #expect(abs(gflops * milliseconds * 1e6 / bench.operations - 1) <= 1e-9)
    let least = try #require(figure["least_milliseconds"] as? Double)
    let most = try #require(figure["most_milliseconds"] as? Double)
    #expect(0 < least && least <= milliseconds && milliseconds <= most)
    #expect(try #require(figure["gigabytes_per_second"] as? Double) > 0)
    #expect(try #require(figure["blocks"] as? Int) >= 5)
    #expect(figure["precision"] as? String == "fp32")
    #expect((figure["device"] as? String)?.isEmpty == false)
  }

  @Test func spectral_countsItsPasses() throws {
    let figure = try figure(["spectral", "--width", "20", "--inputs", "30"])
    let details = try #require(figure["details"] as? [String: Double])
    let passes = try #require(details["passes"])
    #expect(passes >= 1)
    let rate = try #require(figure["gigabytes_per_second"] as? Double)
    let milliseconds = try #require(figure["milliseconds"] as? Double)
    // The last repetition's passes and the median's time.
    #expect(abs(rate * milliseconds * 1e6 / (4 * 600 * passes) - 1) <= 1e-9)
  }

  /// Two replicas, of which the second must be compared with its own operands.
  @Test(arguments: ["opencl", "openblas", "clblast", "tiled"])
  func gemm_saysItsError(gemm: String) throws {
    let figure = try figure(
      ["gemm", "--m", "33", "--n", "20", "--k", "70", "--replicas", "2", "--gemm", gemm])
    let details = try #require(figure["details"] as? [String: Double])
    let error = try #require(details["relative_error"])
    #expect(error > 0 && error < 1e-6)
    #expect(figure["gemm"] as? String == gemm)
  }

  @Test func text_saysWhatWasTimed() throws {
    let result = try CommandRunner.run(
      ["bench", "gemm", "--m", "8", "--n", "8", "--k", "8", "--seconds", "0.01"])
    #expect(result.status == 0)
    #expect(result.output.contains("gemm nt 8×8×8") && result.output.contains("GFLOP/s, fp32"))
  }

  @Test(
    arguments: [
      (["step", "--width", "0"], "--width must be from 1"),
      (["sweep", "--replicas", "0"], "--replicas must be from 1"),
      (["gemm", "--m", "-3"], "--m must be from 1"),
      (["gemm", "--transpose", "tt"], "--transpose"),
      (["spectral", "--seconds", "0"], "--seconds must be positive"),
      (["step", "--device", "nowhere"], "nowhere"),
    ] as [([String], String)])
  func badOption_isNamed(arguments: [String], part: String) throws {
    let result = try CommandRunner.run(["bench"] + arguments)
    #expect(result.status != 0 && result.errors.contains(part), "\(result.errors)")
  }
}
