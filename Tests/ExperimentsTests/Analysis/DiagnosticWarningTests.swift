import Foundation
import Testing
import Training

@testable import Experiments

/// Each story is told when records tell it, once, of the layer at fault, and not otherwise.
@Suite struct DiagnosticWarningTests {
  /// A run of eight records, whose values of `name` are `series` after steps 0, 10, ….
  private func run(
    _ name: String, _ series: [Double], width: Int = 128, seed: UInt64 = 1, rate: Double = -6
  ) -> DiagnosticWarnings.Run {
    DiagnosticWarnings.Run(
      cell: RunCell(
        parametrization: "spectral", optimizer: .adam, width: width, log2LearningRate: rate,
        seed: seed),
      records: series.enumerated().map {
        RunRecord(epoch: 1, step: 10 * $0, values: [name: $1])
      })
  }

  private func warnings(_ runs: [DiagnosticWarnings.Run], baseWidth: Int? = 128)
    -> [DiagnosticWarning]
  {
    var experiment = Fixture.experiment
    (experiment.settings.baseWidth, experiment.settings.absolute) = (
      baseWidth ?? 1, baseWidth == nil
    )
    return DiagnosticWarnings(experiment: experiment, runs: runs).all
  }

  private func step(from start: Double, to end: Double) -> [Double] {
    (0..<8).map { $0 < 4 ? start : end }
  }

  @Test(
    arguments: [
      (.stableRankCollapse, "update_stable_rank", 8, 1.02, "layers.1"),
      (.alignmentDecay, "update_alignment", 0.6, 0.1, "layers.2"),
      (.epsilonDominance, "epsilon_dominance", 0.2, 0.9, "layers.0"),
    ] as [(DiagnosticWarning.Story, String, Double, Double, String)])
  func story_isToldOfItsLayer(
    story: DiagnosticWarning.Story, quantity: String, start: Double, end: Double, layer: String
  ) throws {
    let bad = run("\(layer)/\(quantity)", step(from: start, to: end))
    let good = run("\(layer)/\(quantity)", step(from: start, to: start * 0.9), seed: 2)
    let told = warnings([bad, good])
    let warning = try #require(told.first)
    #expect(told.count == 1 && warning.story == story)
    #expect(warning.text.contains("spectral, adam, width 128, \(layer), "))
    #expect(warning.text.contains("1 of 2 runs"), "\(warning.text)")
    #expect(warning.paragraph.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  @Test(
    arguments: [
      ("update_stable_rank", 8, 3),  // falls, but to more than one direction
      ("update_stable_rank", 1.1, 1.0),  // was one direction from the start
      ("update_alignment", 0.6, 0.4), ("epsilon_dominance", 0, 0.4),
      ("epsilon_dominance", 1, 0.2),  // no gradient before the readout has moved
    ] as [(String, Double, Double)])
  func milderChange_isNoStory(quantity: String, start: Double, end: Double) {
    #expect(warnings([run("layers.1/\(quantity)", step(from: start, to: end))]).isEmpty)
  }

  @Test func layersOfOneStory_areOneWarning() throws {
    let runs = (1...2).map {
      run("layers.\($0)/update_stable_rank", step(from: 8, to: 1), seed: UInt64($0))
    }
    let told = warnings(runs)
    #expect(told.count == 1)
    #expect(told.first?.text.contains("layers.1 layers.2, up to 1 of 2 runs") == true)
  }

  /// Three values are no trend.
  @Test func fewRecords_areNoStory() {
    #expect(warnings([run("layers.1/update_stable_rank", [8, 1, 1])]).isEmpty)
  }

  /// rms of the logits ∝ n^exponent, at two rates, over three widths.
  private func logits(_ exponent: Double, widths: [Int] = [64, 128, 256]) -> [DiagnosticWarnings
    .Run]
  {
    widths.flatMap { width in
      [-8.0, -6].map { rate in
        run(
          "layers.3/feature_rms", [1, 1, 1, pow(Double(width), exponent)], width: width, rate: rate)
      }
    }
  }

  @Test func logitsThatGrow_areNamedWithTheirExponent() throws {
    let warning = try #require(warnings(logits(0.5)).first)
    #expect(warning.story == .logitGrowth)
    #expect(warning.text.contains("n^0.50") && warning.text.contains("2 of 2 rates"))
    #expect(warnings(logits(0)).isEmpty)
    #expect(warnings(logits(0.5, widths: [64, 128])).isEmpty)
  }

  /// 10 outputs: at 32 the readout's norm is 1 + √(10/32) = 1.56 of its limit, at 128 1.28.
  @Test func smallBaseWidth_isTold_whereAnythingWasMeasured() throws {
    let measured = run("layers.1/weight_norm", [2, 2])
    let warning = try #require(warnings([measured], baseWidth: 16).first)
    #expect(warning.story == .smallBaseWidth && warning.text.contains("base width 16"))
    #expect(warnings([measured], baseWidth: 128).isEmpty)
    #expect(warnings([measured], baseWidth: nil).isEmpty)
    #expect(warnings([run("train_loss", [2, 2])], baseWidth: 16).isEmpty)
  }
}
