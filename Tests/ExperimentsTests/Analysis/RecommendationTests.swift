import Foundation
import Spectral
import Testing
import Training

@testable import Experiments

@Suite struct RecommendationTests {
  private static let rates = SyntheticSweep.grid(-8, 0, step: 0.5)

  /// ½ a square octave about −4, less `drift` a doubling, with levels of `factor`; seeds differ by 1 %.
  private static func rows(
    _ name: String, drift: Double, factor: Double = 1, seeds: Range<UInt64> = 0..<4
  ) -> [SummaryRow] {
    SyntheticSweep.rows(rates: rates, seeds: seeds, parametrization: name) { width, rate, seed in
      let x = rate + 4 - drift * SyntheticSweep.octave(width)
      return factor * (1 + 0.01 * Double(seed)) * exp(0.1 * x * x)
    }
  }

  @Test func transferredRate_isTheMeanOfAllOptima() throws {
    let group = try #require(TransferReport(rows: Self.rows("a", drift: 0.02)).groups.first)
    let use = try #require(group.recommendation)
    #expect(use.basis == .everyWidth && use.width == 1024)
    #expect(abs(use.log2LearningRate + 3.97) <= 1e-9)
    #expect(use.sentence(SweepAxes()).hasSuffix("at every width, the mean of the optima"))
    let interval = try #require(use.interval)
    #expect(interval.lower < use.log2LearningRate && use.log2LearningRate < interval.upper)
  }

  @Test func driftingRate_isTheWidthsOwn_orOnTheLine() throws {
    let rows = Self.rows("a", drift: -1)
    let own = try #require(TransferReport(rows: rows).groups.first?.recommendation)
    #expect(own.basis == .ownOptimum && abs(own.log2LearningRate + 7) <= 1e-9)
    let beyond = try #require(
      TransferReport(rows: rows, target: 4096).groups.first?.recommendation)
    #expect(beyond.basis == .line && abs(beyond.log2LearningRate + 9) <= 1e-9)
    #expect(try #require(beyond.interval?.upper) - #require(beyond.interval?.lower) > 0)
    // Nothing is recommended where nothing is known.
    let lone = Self.rows("a", drift: 0, seeds: 0..<1)
    #expect(TransferReport(rows: lone).groups.first?.recommendation == nil)
  }

  /// b is tuned 10 % better at the widest, and loses e^(0.1·9) at a's kind of rate.
  @Test func comparison_isOfTheWidest_tunedAndTransferred() throws {
    let rows = Self.rows("a", drift: 0) + Self.rows("b", drift: -1, factor: 0.9)
    let comparison = try #require(TransferReport(rows: rows).comparison)
    #expect(comparison.width == 1024 && comparison.narrowWidth == 128)
    #expect(comparison.tuned.map(\.name) == ["b, sgd", "a, sgd"])
    let excess = try #require(comparison.tuned[1].excess)
    #expect(abs(excess - (1 / 0.9 - 1)) <= 1e-9)
    // Seeds are paired, and differ alike: nothing is left to chance.
    let interval = try #require(comparison.tuned[1].interval)
    #expect(interval.upper - interval.lower <= 1e-9 && comparison.tuned[0].interval == nil)
    #expect(comparison.transferred.map(\.name) == ["a, sgd", "b, sgd"])
    let lost = try #require(comparison.transferred[1].excess)
    #expect(abs(lost / (0.9 * exp(0.9) - 1) - 1) <= 1e-6)
    #expect(comparison.cost == 1)
    #expect(TransferReport(rows: Self.rows("a", drift: 0)).comparison == nil)
  }

  /// Only seeds that both have are compared.
  @Test func comparison_takesCommonSeedsAlone() throws {
    let rows =
      Self.rows("a", drift: 0, seeds: 0..<3) + Self.rows("b", drift: 0, factor: 1, seeds: 2..<6)
    let comparison = try #require(TransferReport(rows: rows).comparison)
    #expect(comparison.tuned.map(\.excess) == [0, 0] && comparison.tuned[1].interval == nil)
    let apart = Self.rows("a", drift: 0, seeds: 0..<3) + Self.rows("b", drift: 0, seeds: 3..<6)
    #expect(TransferReport(rows: apart).comparison == nil)
  }
}
