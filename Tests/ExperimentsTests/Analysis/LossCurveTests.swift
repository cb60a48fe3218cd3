import Foundation
import Tensors
import Testing

@testable import Experiments

@Suite struct LossCurveTests {
  static func curve(_ rates: [Double], _ loss: (Double) -> Double) -> LossCurve {
    LossCurve(Dictionary(uniqueKeysWithValues: rates.map { ($0, loss($0)) }))
  }
  static let rates = SyntheticSweep.grid(-8, 0, step: 0.5)

  /// Steep and flat, so with three points in the fit and with many.
  @Test(arguments: [0.01, 0.1, 1, 5], [-4.2, -3.9, -4.0, -6.05])
  func parabola_isRecovered(curvature: Double, center: Double) throws {
    let optimum = try #require(
      Self.curve(Self.rates) { 0.3 * exp(curvature * ($0 - center) * ($0 - center)) }.optimum())
    #expect(abs(optimum.rate - center) <= 1e-9)
    #expect(abs(optimum.gridRate - center) <= 0.25)
    #expect(optimum.isRefined && optimum.edge == nil)
  }

  @Test func unevenGrid_isFittedExactly() throws {
    let optimum = try #require(
      Self.curve([-9, -5, -4.5, -3, -2.9, 0]) { exp(0.02 * ($0 + 4) * ($0 + 4)) }.optimum())
    #expect(abs(optimum.rate + 4) <= 1e-9)
  }

  @Test func unit_doesNotMatter() throws {
    func loss(_ rate: Double) -> Double { 1 + abs(rate + 3.3) + 0.1 * rate * rate }
    let one = try #require(Self.curve(Self.rates, loss).optimum())
    let many = try #require(Self.curve(Self.rates) { 1000 * loss($0) }.optimum())
    #expect(abs(one.rate - many.rate) <= 1e-9)
  }

  @Test func edges_areMarkedAndNotRefined() throws {
    let falling = try #require(Self.curve(Self.rates) { exp(-$0) }.optimum())
    #expect(falling.edge == .highest && falling.rate == 0 && !falling.isRefined)
    let rising = try #require(Self.curve(Self.rates) { exp($0) }.optimum())
    #expect(rising.edge == .lowest && rising.rate == -8)
    let lone = try #require(Self.curve([-2]) { _ in 1 }.optimum())
    #expect(lone.edge == .lowest && lone.resolution == 0)
  }

  @Test func lastRateBeforeDivergence_isNoEdge() throws {
    let optimum = try #require(
      Self.curve(Self.rates) { $0 > -2 ? .infinity : exp(-$0) }.optimum())
    #expect(optimum.edge == nil && !optimum.isRefined && optimum.rate == -2)
    #expect(abs(optimum.resolution - 0.5 / 12.0.squareRoot()) <= 1e-12)
  }

  @Test func allDiverged_hasNoOptimum() {
    #expect(Self.curve(Self.rates) { _ in .infinity }.optimum() == nil)
    #expect(LossCurve([:]).optimum() == nil)
  }

  /// Zero cannot enter a logarithm; the parabola through the losses themselves can hold it.
  @Test func zeroLoss_isFittedWithoutLogarithm() throws {
    let optimum = try #require(
      Self.curve([-3, -2, -1, 0]) { ($0 + 1.8) * ($0 + 1.8) - 0.04 }.optimum())
    #expect(abs(optimum.rate + 1.8) <= 1e-9)
  }

  @Test func vertex_staysWithinTheFit() throws {
    let optimum = try #require(
      LossCurve([-3: 1, -2: 1, -1: 1, 0: 0.99, 1: 0.991, 2: 9]).optimum())
    #expect((-3...1).contains(optimum.rate))
  }

  /// At a flat minimum with noise the wide fit must beat the three-point one by a lot.
  @Test func flatNoisyMinimum_isSteady() throws {
    let seed: UInt64 = 20_231
    var random = Philox(seed: seed, stream: 0)
    var sum = 0.0
    let trials = 400
    for _ in 0..<trials {
      let center = Double.random(in: -4.5..<(-3.5), using: &random)
      let curve = Self.curve(Self.rates) {
        exp(0.01 * ($0 - center) * ($0 - center) + 0.02 * random.normal())
      }
      let optimum = try #require(curve.optimum())
      sum += (optimum.rate - center) * (optimum.rate - center)
    }
    let error = (sum / Double(trials)).squareRoot()
    print("seed \(seed): error of a flat minimum \(error) octaves")
    // One grid step is 0.5; the lowest grid point alone is off by about 1 octave here.
    #expect(error <= 0.15)
  }

  @Test func lossBetweenRates_isInterpolatedInTheLogarithm() throws {
    let curve = LossCurve([-3: 1, -2: 4, -1: .infinity])
    #expect(curve.loss(at: -3) == 1 && curve.loss(at: -2) == 4)
    #expect(abs(try #require(curve.loss(at: -2.5)) - 2) <= 1e-12)
    #expect(curve.loss(at: -1.5) == .infinity && curve.loss(at: -1) == .infinity)
    #expect(curve.loss(at: -3.1) == nil && curve.loss(at: -0.9) == nil)
  }

  /// Two-sided 95 % points from printed tables.
  @Test(arguments: [
    (1, 12.7062), (2, 4.3027), (4, 2.7764), (9, 2.2622), (10, 2.2281), (15, 2.1314), (30, 2.0423),
    (120, 1.9799),
  ])
  func studentT_matchesTables(degrees: Int, value: Double) {
    #expect(abs(StudentT.percentile975(degreesOfFreedom: degrees) - value) <= 1e-4)
  }
}
