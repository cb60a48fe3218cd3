import Foundation
import Testing

@testable import Experiments

@Suite struct TransferTableTests {
  static func example() -> [SummaryRow] {
    func loss(_ drift: Double) -> (Int, Double, UInt64) -> Double? {
      { width, rate, seed in
        let octave = SyntheticSweep.octave(width)
        if width == 1024 && rate > -1 { return .infinity }
        let distance = rate + 3.6 - (drift + 0.03 * (Double(seed) - 1)) * octave
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
          width   best log2 rate    best loss  loss at width 128's rate
            128            −3.60       0.5025                    0.5025
            256            −3.62       0.3055                    0.3055
            512            −3.64       0.1860                    0.1860
           1024            −3.66       0.1133                    0.1133
        drift    −0.02 octaves a doubling (95 % −0.10…0.06, 3 seeds)
        regret   0 (0.0 %) at width 1024 with width 128's rate 2^−3.50
        verdict  transfers: the optimum moves −0.02 octaves a doubling (95 %
                 −0.10…0.06)

      standard, sgd: training loss, 3 seeds
          width   best log2 rate    best loss  loss at width 128's rate
            128            −3.60       0.5025                    0.5025
            256            −4.50       0.3034                    0.5003
            512            −5.00*      0.1995                    1.1246
           1024            −5.00*      0.2616                    5.7583
        drift    −0.47 octaves a doubling (no interval)
        regret   5.4967 (2101.1 %) at width 1024 with width 128's rate 2^−3.50
        verdict  inconclusive: the best rate is at the edge of the grid at width 512,
                 1024; add lower rates

      * at the edge of the rates tried: the optimum may lie beyond

      """
    #expect(TransferReport(rows: Self.example()).table() == expected)
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
