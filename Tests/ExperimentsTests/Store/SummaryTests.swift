import Foundation
import Testing
import Training

@testable import Experiments

@Suite struct SummaryTests {
  static func row(
    _ parametrization: String = "spectral", _ optimizer: OptimizerKind = .sgd, width: Int = 128,
    rate: Double = -3, seed: UInt64 = 1, result: RunResult = Fixture.result
  ) -> SummaryRow {
    SummaryRow(
      parametrization: parametrization, optimizer: optimizer, width: width, depth: 3,
      log2LearningRate: rate, seed: seed, run: "00", result: result)
  }

  @Test func csv_isTheGoldenText() {
    let diverged = RunResult(
      epochs: 0, steps: 5, trainLoss: .nan, outcome: .diverged, divergedAtStep: 5, seconds: 2,
      device: "cpu")
    let rows = [
      Self.row(rate: -5.473684), Self.row(rate: 0, result: diverged),
      Self.row("a,\"b\"", .adamw, rate: -2.5, seed: .max),
    ]
    let expected = #"""
      parametrization,optimizer,width,depth,log2_learning_rate,seed,epochs,steps,\#
      first_epoch_train_loss,train_loss,validation_loss,validation_accuracy,outcome,seconds,run,\#
      best_validation_loss,whole_train_loss
      spectral,sgd,128,3,-5.473684,1,3,72,2.25,0.1,0.3,0.925,completed,1.235,00,0.25,0.0625
      spectral,sgd,128,3,0,1,0,5,,,,,diverged,2,00,,
      "a,""b""",adamw,128,3,-2.5,18446744073709551615,3,72,2.25,0.1,0.3,0.925,completed,1.235,00,0.25,0.0625

      """#
    #expect(SummaryRow.csv(rows) == expected)
  }

  @Test func rows_areSortedByEveryKeyInTurn() {
    let sorted = [
      Self.row("sp", .sgd), Self.row("spectral", .sgd, width: 64, rate: 0),
      Self.row("spectral", .sgd, width: 128, rate: -10),
      Self.row("spectral", .sgd, width: 128, rate: -9, seed: 2),
      Self.row("spectral", .sgd, width: 128, rate: -9, seed: 10),
      Self.row("spectral", .adam, width: 8), Self.row("aa"), Self.row("mup"),
    ]
    for shift in sorted.indices {
      let rotated = Array(sorted[shift...] + sorted[..<shift])
      #expect(SummaryRow.sorted(rotated, parametrizations: ["sp", "spectral"]) == sorted)
    }
  }

  @Test func summary_listsAllRunsUnderTheSettings() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      try store.save(Fixture.result, for: Fixture.configuration(width: 256))
      try store.save(Fixture.result, for: Fixture.configuration(width: 128))
      var other = Fixture.experiment
      other.settings.depth = 7
      try store.save(Fixture.result, for: Fixture.configuration(other))
      let rows = try store.writeSummary(of: Fixture.experiment, parametrizations: [])
      #expect(rows.map(\.width) == [128, 256])
      #expect(rows.map(\.run) == [128, 256].map { Fixture.configuration(width: $0).identifier })
      #expect(
        try String(contentsOf: store.summaryFile, encoding: .utf8) == SummaryRow.csv(rows))
    }
  }

  @Test func decimals_haveNoZerosAtTheEnd() {
    let cases: [(Double, String)] = [
      (0, "0"), (-0.0, "0"), (-1e-9, "0"), (10, "10"), (-100, "-100"), (0.25, "0.25"),
      (-5.4736842, "-5.473684"),
    ]
    for (value, text) in cases { #expect(DecimalText.trimmed(value, digits: 6) == text) }
  }
}
