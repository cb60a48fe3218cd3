import Foundation
import Testing
import Training

@testable import Experiments

@Suite struct TransferTableTests {
  static func example() -> [SummaryRow] {
    func loss(_ drift: Double) -> (Int, Double, UInt64) -> Double? {
      { width, rate, seed in
        let octave = SyntheticSweep.octave(width)
        if width == 1024 && rate > -1 { return .infinity }
        let distance = rate + 3.6 - (drift + 0.01 * (Double(seed) - 1)) * octave
        return 0.5 * exp(0.5 * distance * distance - 0.5 * octave)
      }
    }
    let rates = SyntheticSweep.grid(-5, 0, step: 0.5)
    return SyntheticSweep.rows(rates: rates, loss: loss(-0.02))
      + SyntheticSweep.rows(rates: rates, parametrization: "standard", loss: loss(-0.9))
  }

  @Test func table_isTheGoldenText() {
    let expected = """
      spectral, sgd: training loss, 3 seeds
          width             best rate    best loss  loss at width 128's rate
            128      2^−3.60 = 0.0825       0.5000                    0.5000
            256      2^−3.62 = 0.0813       0.3033                    0.3033
            512      2^−3.64 = 0.0802       0.1840                    0.1841
           1024      2^−3.66 = 0.0791       0.1116                    0.1118
        drift      −0.02 octaves a doubling (90 % −0.06…0.02, 3 seeds)
        deviation  0.06 octaves at most, at width 1024 from width 128 (90 % 0.00…0.18)
        regret     0.1 % (90 % 0.0…1.5 %) at width 1024 with width 128's rate 2^−3.60
                   = 0.0825
        verdict    transfers: the optimum moves −0.02 octaves a doubling and is at
                   most 0.18 off at any width; width 128's rate costs at most 1.5 % at
                   width 1024
        use        2^−3.63 = 0.0808 (90 % 2^−3.67…2^−3.59) at every width, the mean of
                   the optima

      standard, sgd: training loss, 3 seeds
          width             best rate    best loss  loss at width 128's rate
            128      2^−3.60 = 0.0825       0.5000                    0.5000
            256      2^−4.50 = 0.0442       0.3033                    0.4639
            512      2^−5.00 = 0.0312*      0.1993                    0.9488
           1024      2^−5.00 = 0.0312*      0.2599                    4.3682
        drift      −0.47 octaves a doubling (no interval)
        deviation  at least 1.40 octaves, at width 512 from width 128
        regret     1581 % at width 1024 with width 128's rate 2^−3.60 = 0.0825
        verdict    does not transfer: at width 256 the optimum is at least 0.7 octaves
                   below that of width 128

      which is best at width 1024?
        tuned there       spectral, sgd: 0.1116
                          standard, sgd: 0.2599, 133 % more (90 % 118…149 %)
        width 128's rate  spectral, sgd: 0.1118
                          standard, sgd: 4.3682, 3807 % more (90 % 3317…4368 %)
        why               spectral, sgd: its best rate stays, at most 0.18 octaves off
                            at any width; width 128's rate costs it at most 1.5 % at
                            width 1024
                          standard, sgd: its best rate falls by at least 1.40 octaves
                            from width 128 to width 1024, so width 128's rate is too
                            high there and costs it at least 1581 %; that is most of
                            what it is behind by
        tuning at width 1024 takes runs 1.0 times as long as those of width 128

      * at the edge of the rates tried: the optimum may lie beyond

      """
    #expect(TransferReport(rows: Self.example()).table() == expected)
  }

  /// Where update rules are compared: what a step of each takes, the median over its runs at the widest width.
  @Test func stepCosts_areToldOfUnlikeRules() throws {
    func rows(_ optimizer: OptimizerKind, milliseconds: Double, bytes: Int) -> [SummaryRow] {
      Self.example().filter { $0.parametrization == "spectral" }.map { row in
        let steps = 100
        // One run in three takes longer, and narrow ones take nothing.
        let slow = row.seed == 1 ? 5.0 : 1
        return SummaryRow(
          parametrization: "spectral", optimizer: optimizer, width: row.width, depth: 2,
          log2LearningRate: row.log2LearningRate, seed: row.seed, run: "",
          result: RunResult(
            epochs: 1, steps: steps, trainLoss: row.result.trainLoss, outcome: row.result.outcome,
            seconds: 1, device: "cpu",
            stepSeconds: row.width == 1024 ? slow * milliseconds / 1e3 : 0, deviceBytes: bytes))
      }
    }
    let report = TransferReport(
      rows: rows(.muon, milliseconds: 0.5, bytes: 3 << 20)
        + rows(.adam, milliseconds: 0.25, bytes: 1 << 20))
    let costs = try #require(report.comparison?.stepCosts)
    #expect(costs.map(\.name) == ["spectral, adam", "spectral, muon"])
    #expect(abs(costs[0].seconds - 0.25e-3) <= 1e-9 && costs[1].deviceBytes == 3 << 20)
    #expect(
      report.table().contains(
        """
          a step there      spectral, adam: 0.25 ms and 1 MiB a run
                            spectral, muon: 0.5 ms and 3 MiB a run
        """))
    #expect(TransferReport(rows: Self.example()).comparison?.stepCosts == nil)
  }

  /// Between the widths trained, and where there is no answer.
  @Test func targetWidth_hasItsRow() {
    let lines = TransferReport(rows: Self.example(), target: 384).table().split(separator: "\n")
    let row = lines.firstIndex { $0.hasPrefix("      384") }
    #expect(
      row.map { lines[$0] }
        == "      384      2^−3.63 = 0.0808~           –                         –")
    #expect(row.map { lines[$0 + 1].hasPrefix("      512") } == true)
    #expect(lines.contains("  use        no rate is recommended for width 384 from these runs"))
    #expect(lines.last == "~ not trained: what the best rates of the others say")
  }

  @Test func table_fitsEightyColumns() {
    var rows = Self.example()
    rows += SyntheticSweep.rows(
      widths: [1_048_576, 2_097_152], rates: [-12.345678, -11.111111],
      parametrization: "explicitly-normalised-spectral-literal"
    ) { width, rate, _ in 1e-9 * Double(width) * exp(rate) }
    rows += SyntheticSweep.rows(rates: [-1, 0], parametrization: "sp") { _, _, _ in .infinity }
    let text = TransferReport(rows: rows, objective: .validationLoss).table()
    #expect(text.hasSuffix("\n") && !text.hasSuffix("\n\n"))
    for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    #expect(text.contains("all diverge"))
  }

  @Test func emptyReport_saysSo() {
    #expect(TransferReport(rows: []).table() == "No runs with a result.\n")
  }

  @Test func smallLosses_keepTheirDigits() {
    #expect(ReportText.loss(0.0001234) == "1.23e−04")
    #expect(ReportText.loss(0.0844) == "0.0844")
    #expect(ReportText.loss(nil) == "–")
  }
}
