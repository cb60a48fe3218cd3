import Foundation
import Testing
import Training

@testable import Experiments

/// Why one is better than another at the widest width: every case of the text.
@Suite struct WidestReasonsTests {
  private static let widths = SyntheticSweep.widths

  /// A comparison: 0.1 a square octave about −4, which moves by `drift` a doubling, with levels of
  /// `factor`; seeds differ by 0.1 % and, by `noise`, in their best rates.
  private struct Curve {
    let name: String
    var drift = 0.0, factor = 1.0, noise = 0.0
    /// Rates from here up diverge at the widest width.
    var limit = Double.infinity
    var rates = SyntheticSweep.grid(-9, 0, step: 0.5)

    func losses(seeds: Int) -> TransferReport.Losses {
      var losses: TransferReport.Losses = [:]
      for width in widths {
        for rate in rates {
          for seed in 1...seeds {
            let shift = noise * (Double(seed) - Double(seeds + 1) / 2)
            let octave = SyntheticSweep.octave(width)
            let x = rate + 4 - (drift + shift) * octave
            losses[width, default: [:]][rate, default: [:]][UInt64(seed)] =
              width == 1024 && rate >= limit
              ? .infinity : factor * (1 + 0.001 * Double(seed)) * exp(0.1 * x * x)
          }
        }
      }
      return losses
    }
  }

  private static func reasons(
    _ curves: [Curve], seeds: Int = 4, axes: SweepAxes = SweepAxes()
  ) -> [String] {
    TransferReport(
      results: curves.map { ($0.name, $0.losses(seeds: seeds)) }, loss: "loss", axes: axes
    ).reasons
  }

  @Test func movingRate_isWhatLoses() throws {
    let found = Self.reasons([Curve(name: "sp", drift: -1), Curve(name: "mup")])
    #expect(found.count == 2)
    // The best one first.
    #expect(found[0].hasPrefix("mup: its best rate stays, at most 0."))
    #expect(found[0].hasSuffix("at width 1024") && !found[0].contains("behind"))
    #expect(
      found[1].hasPrefix(
        "sp: its best rate falls by 3.00 octaves from width 128 to width 1024, so width 128's rate is "
          + "too high there and costs it 146 % (90 %"), "\(found)")
    #expect(found[1].hasSuffix("; that is all of what it is behind by"))
    let up = Self.reasons([Curve(name: "a"), Curve(name: "b", drift: 1)])
    #expect(up[1].contains("rises by 3.00 octaves") && up[1].contains("is too low there"))
  }

  /// Its rate costs 146 %; tuned there it is 25 % behind, or 5 times that.
  @Test(arguments: [(1.25, "that is most of"), (6, "most of what it is behind by stays where")])
  func costOfTheRate_isSetAgainstTheDifference(factor: Double, words: String) {
    let found = Self.reasons([Curve(name: "sp", drift: -1, factor: factor), Curve(name: "mup")])
    #expect(found.last?.contains(words) == true, "\(found)")
  }

  @Test func whereTheRateStays_itIsNotWhatLoses() {
    let found = Self.reasons([Curve(name: "a"), Curve(name: "b", factor: 1.2)])
    #expect(found.count == 2)
    #expect(found[1].hasPrefix("b: its best rate stays"))
    #expect(found[1].hasSuffix("which is not what it is behind by"), "\(found)")
  }

  @Test func divergence_isNamed() {
    let found = Self.reasons([Curve(name: "sp", drift: -1, limit: -5), Curve(name: "mup")])
    #expect(
      found.last
        == "sp: its best rate falls by 3.00 octaves from width 128 to width 1024, and width 128's rate "
        + "diverges at width 1024")
    let lost = Self.reasons([Curve(name: "sp", drift: -1, limit: -20), Curve(name: "mup")])
    #expect(lost.last == "sp: at width 1024 every rate lost a run to divergence")
  }

  /// The best rate is the lowest tried: how much it costs is a bound where the verdict is one, and not
  /// known where the narrowest's is at the edge.
  @Test func edges_boundOrHideTheCost() {
    let rates = SyntheticSweep.grid(-6, 0, step: 0.5)
    let bound = Self.reasons([Curve(name: "sp", drift: -1, rates: rates), Curve(name: "mup")])
    #expect(bound.last?.contains("falls by at least 2.00 octaves") == true, "\(bound)")
    #expect(bound.last?.contains("costs it at least ") == true)
    let hidden = Self.reasons([
      Curve(name: "sp", rates: SyntheticSweep.grid(-3, 0, step: 0.5)), Curve(name: "mup"),
    ])
    #expect(
      hidden.last
        == "sp: its best rate is at the edge of those tried, so what width 128's rate costs it at width "
        + "1024 is not known")
  }

  @Test func chance_isNoReason() {
    let one = Self.reasons([Curve(name: "sp", drift: -1), Curve(name: "mup")], seeds: 1)
    #expect(
      one.last == "sp: width 128's rate costs it 146 % at width 1024, as far as one seed shows")
    let open = Self.reasons([Curve(name: "a", noise: 0.4), Curve(name: "b")])
    let noisy = open.first { $0.hasPrefix("a: ") }
    #expect(noisy?.hasPrefix("a: it is open whether its best rate carries over") == true, "\(open)")
  }

  /// Tuned at the widest width the one that moves is 10 % better; of results from elsewhere it is not known
  /// that the layers' shares are what differs.
  @Test func betterWhereTuned_isSaid() throws {
    let curves = [Curve(name: "sp", drift: -1, factor: 0.9), Curve(name: "mup")]
    let found = Self.reasons(curves)
    #expect(found.count == 3)
    #expect(
      found[2]
        == "sp, tuned at width 1024 itself, is surely better than mup, which has 11 % more, though its own "
        + "rate does not carry over", "\(found)")
    // Depth has no such reason, and neither has one that is not better, or whose rate carries over.
    #expect(Self.reasons(curves, axes: SweepAxes(scale: "depth")).count == 2)
    for factor in [1, 0.9998] {
      #expect(
        Self.reasons([Curve(name: "sp", drift: -1, factor: factor), Curve(name: "mup")]).count == 2)
    }
    #expect(Self.reasons([Curve(name: "a", factor: 0.9), Curve(name: "b")]).count == 2)
    #expect(Self.reasons([Curve(name: "mup")]).isEmpty)
  }

  /// Of our parametrizations under one update rule, and of two rules, whose layers' shares are not what
  /// differs.
  @Test func parametrizationsUnderOneRule_leadToRatiosBetweenLayers() throws {
    func rows(_ optimizer: OptimizerKind, _ curve: Curve) -> [SummaryRow] {
      curve.losses(seeds: 4).flatMap { width, byRate in
        byRate.flatMap { rate, bySeed in
          bySeed.map { seed, loss in
            SummaryRow(
              parametrization: curve.name, optimizer: optimizer, width: width, depth: 2,
              log2LearningRate: rate, seed: seed, run: "",
              result: RunResult(
                epochs: 1, steps: 1, trainLoss: loss, outcome: .completed, seconds: 1,
                device: "cpu"))
          }
        }
      }
    }
    let better = Curve(name: "sp", drift: -1, factor: 0.9)
    let alike = TransferReport(rows: rows(.adam, better) + rows(.adam, Curve(name: "mup")))
    #expect(alike.reasons.count == 3)
    #expect(
      try #require(alike.reasons.last).contains(
        "does not carry over. That can be where its layers have other shares"))
    let apart = TransferReport(rows: rows(.sgd, better) + rows(.adam, Curve(name: "mup")))
    #expect(apart.reasons.count == 3)
    #expect(try #require(apart.reasons.last).hasSuffix("does not carry over"))
  }
}
