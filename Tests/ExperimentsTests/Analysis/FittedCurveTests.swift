import Foundation
import Tensors
import Testing

@testable import Experiments

@Suite struct FittedCurveTests {
  static func curve(
    _ rates: [Double], noise: LossNoise = .unknown, _ loss: (Double) -> Double
  ) -> FittedCurve? {
    FittedCurve(rates: rates, losses: rates.map(loss), noise: noise)
  }
  static let rates = SyntheticSweep.grid(-8, 0, step: 0.5)

  /// Steep and flat, so with three points in the fit and with many.
  @Test(arguments: [0.01, 0.1, 1, 5], [-4.2, -3.9, -4.0, -6.05])
  func parabola_isRecovered(curvature: Double, center: Double) throws {
    let optimum = try #require(
      Self.curve(Self.rates) { 0.3 * exp(curvature * ($0 - center) * ($0 - center)) })
    #expect(abs(optimum.rate - center) <= 1e-9)
    #expect(abs(optimum.gridRate - center) <= 0.25)
    #expect(optimum.fit != nil && optimum.edge == nil)
  }

  @Test func unevenGrid_isFittedExactly() throws {
    let optimum = try #require(
      Self.curve([-9, -5, -4.5, -3, -2.9, 0]) { exp(0.02 * ($0 + 4) * ($0 + 4)) })
    #expect(abs(optimum.rate + 4) <= 1e-9)
  }

  @Test func unit_doesNotMatter() throws {
    func loss(_ rate: Double) -> Double { 1 + abs(rate + 3.3) + 0.1 * rate * rate }
    let one = try #require(Self.curve(Self.rates, loss))
    let many = try #require(Self.curve(Self.rates) { 1000 * loss($0) })
    #expect(abs(one.rate - many.rate) <= 1e-9)
  }

  @Test func edges_areMarkedAndNotRefined() throws {
    let falling = try #require(Self.curve(Self.rates) { exp(-$0) })
    #expect(falling.edge == .highest && falling.rate == 0 && falling.fit == nil)
    let rising = try #require(Self.curve(Self.rates) { exp($0) })
    #expect(rising.edge == .lowest && rising.rate == -8)
    let lone = try #require(Self.curve([-2]) { _ in 1 })
    #expect(lone.edge == .lowest && lone.resolution == 0)
  }

  /// The two rates below take the place of the one that diverges; the vertex is half a step away at
  /// most.
  @Test func lastRateBeforeDivergence_isNoEdge() throws {
    func optimum(_ center: Double) throws -> FittedCurve {
      try #require(
        Self.curve(Self.rates) { $0 > -2 ? .infinity : exp(0.3 * ($0 - center) * ($0 - center)) })
    }
    let near = try optimum(-1.9)
    #expect(near.edge == nil && near.gridRate == -2 && abs(near.rate + 1.9) <= 1e-9)
    #expect(abs(near.resolution - 0.5 / 6) <= 1e-12)
    #expect(try optimum(-1).rate == -1.75)
    // Concave: the grid's rate.
    let falling = try #require(Self.curve(Self.rates) { $0 > -2 ? .infinity : 9 - exp($0) })
    #expect(falling.edge == nil && falling.fit == nil && falling.rate == -2)
    #expect(abs(falling.resolution - 0.5 / 12.0.squareRoot()) <= 1e-12)
  }

  @Test func allDiverged_hasNoOptimum() {
    #expect(Self.curve(Self.rates) { _ in .infinity } == nil)
    #expect(Self.curve([]) { _ in 1 } == nil)
  }

  /// Zero cannot enter a logarithm; the parabola through the losses themselves can hold it.
  @Test func zeroLoss_isFittedWithoutLogarithm() throws {
    let optimum = try #require(
      Self.curve([-3, -2, -1, 0]) { ($0 + 1.8) * ($0 + 1.8) - 0.04 })
    #expect(abs(optimum.rate + 1.8) <= 1e-9)
  }

  @Test func vertex_staysWithinTheFit() throws {
    let optimum = try #require(
      FittedCurve(rates: [-3, -2, -1, 0, 1, 2], losses: [1, 1, 1, 0.99, 0.991, 9]))
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
      let curve = Self.curve(Self.rates, noise: LossNoise(deviation: 0.02)) {
        exp(0.01 * ($0 - center) * ($0 - center) + 0.02 * random.normal())
      }
      let optimum = try #require(curve)
      sum += (optimum.rate - center) * (optimum.rate - center)
    }
    let error = (sum / Double(trials)).squareRoot()
    print("seed \(seed): error of a flat minimum \(error) octaves")
    // One grid step is 0.5; the lowest grid point alone is off by about 1 octave here.
    #expect(error <= 0.18)
  }

  /// Of a shape that is among those fitted the optimum is exact, whatever the grid's place.
  @Test(arguments: [0.5, 2, -1.3], [-4.2, -3.9, -4.0, -3.55])
  func skewedParabola_isRecovered(skew: Double, center: Double) throws {
    let shape = SkewedParabola(lowest: center, least: -1, curvature: 0.2, skew: skew)
    let optimum = try #require(Self.curve(Self.rates) { exp(shape.value(at: $0)) })
    let fit = try #require(optimum.fit)
    #expect(abs(optimum.rate - center) <= 1e-6 && fit.curve.skew == skew)
    #expect(abs(optimum.height + 1) <= 1e-9 && abs(fit.curve.curvature - 0.2) <= 1e-6)
  }

  /// Slow below and steep above, as losses are that rise as powers of the rate: within an eighth of
  /// an octave, where a parabola through the losses within a factor 1.25 is off by up to 0.37.
  @Test(arguments: [(0.4, 1.5), (0.5, 2), (1.5, 0.4), (2, 0.5)], [0, 0.25, 0.5, 0.75])
  func lopsidedMinima_areFoundWithoutBias(slopes: (Double, Double), shift: Double) throws {
    let rates = SyntheticSweep.grid(-8, 0, step: 1)
    let (below, above) = slopes
    let curve = Self.curve(rates, noise: LossNoise(deviation: 0.005)) {
      let x = $0 + 4 + shift
      return 0.5 + 0.3 * (above * exp2(-below * x) + below * exp2(above * x)) / (below + above)
    }
    #expect(abs(try #require(curve).rate + 4 + shift) <= 0.125, "\(curve?.rate ?? .nan)")
  }

  /// A steep side and a long one, measured under Muon at 16 and 32 residual blocks without a depth
  /// rule: the lowest point of the parabola through all of them is at −12 and at −20.
  @Test(arguments: [
    ([0.9112, 0.893, 0.9281, 0.9748, 1.01, 1.0516, 1.0826], -8.4),
    ([0.9236, 0.9169, 0.9664, 1.0117, 1.0395, 1.0775, 1.1193], -8.6),
  ])
  func longMinimum_staysAtTheLeastLoss(losses: [Double], expected: Double) throws {
    let rates = (-9 ... -3).map(Double.init)
    let curve = try #require(
      FittedCurve(rates: rates, losses: losses, noise: LossNoise(deviation: 0.005)))
    #expect(abs(curve.rate - expected) <= 0.1, "\(curve.rate)")
    #expect(curve.gridRate == -8 && curve.edge == nil && curve.loss <= 0.918)
  }

  /// Where the fit's lowest point is beyond all that it is of, three points are taken.
  @Test func lowestPointBeyond_isThatOfThreePoints() throws {
    let losses = [1.2, 1.0, 1.02, 1.021, 1.022, 1.023, 1.0235, 1.024]
    let curve = try #require(FittedCurve(rates: (0...7).map(Double.init), losses: losses))
    #expect((0...7).contains(curve.rate) && curve.gridRate == 1)
  }

  /// A width that sees one side alone has the skew that the others agree on.
  @Test func skew_isShared() throws {
    let shape = SkewedParabola(lowest: -4, least: 0, curvature: 0.3, skew: 1)
    let losses = Self.rates.map { exp(shape.value(at: $0)) }
    let cut = zip(Self.rates, losses).map { $0 > -4 ? .infinity : $1 }
    let curves = FittedCurve.jointly(
      [(Self.rates, losses), (Self.rates, cut), (Self.rates, losses)],
      LossNoise(deviation: 0.005))
    #expect(curves.map { $0?.fit?.curve.skew } == [1, 1, 1])
    #expect(abs(try #require(curves[1]).rate + 4) <= 1e-6)
    #expect(FittedCurve(rates: Self.rates, losses: cut)?.fit?.curve.skew == 0)
  }

  @Test func heightBetweenRates_isInterpolatedInTheLogarithm() throws {
    let curve = try #require(FittedCurve(rates: [-3, -2, -1], losses: [1, 4, .infinity]))
    #expect(curve.height(at: -3) == 0 && curve.height(at: -2) == log(4))
    #expect(abs(try #require(curve.height(at: -2.5)) - log(2)) <= 1e-12)
    #expect(curve.height(at: -1.5) == nil && curve.height(at: -1) == nil)
    #expect(curve.height(at: -1.5, isBound: true) == log(4))
    #expect(curve.height(at: -3.1) == nil && curve.height(at: -0.9) == nil)
  }

  /// Within its span the fit stands for the curve.
  @Test func heightWithinTheFit_isTheFits() throws {
    let curve = try #require(Self.curve(Self.rates) { exp(0.5 * ($0 + 4.1) * ($0 + 4.1)) })
    #expect(abs(try #require(curve.height(at: -4.25)) - 0.5 * 0.15 * 0.15) <= 1e-9)
    #expect(abs(curve.height) <= 1e-9 && abs(curve.loss - 1) <= 1e-9)
  }
}

@Suite struct LossNoiseTests {
  /// What seeds share at all rates of a width, and the curve, are no noise.
  @Test func noise_isThatOfTheMean() {
    var random = Philox(seed: 11, stream: 0)
    func losses(_ noise: Double, seeds: Int) -> [[[Double]]] {
      (0..<5).map { _ in
        let levels = (0..<seeds).map { _ in 0.2 * random.normal() }
        return (-3...3).map { x in
          levels.map { exp(0.02 * Double(x * x) + $0 + noise * random.normal()) }
        }
      }
    }
    let six = LossNoise(losses(0.03, seeds: 6))
    #expect(abs(six.deviation / (0.03 / 6.0.squareRoot()) - 1) <= 0.2, "\(six.deviation)")
    #expect(LossNoise(losses(0, seeds: 3)).deviation == 0.004)
    #expect(LossNoise(losses(0.03, seeds: 1)) == .unknown && LossNoise([]) == .unknown)
    #expect(LossNoise([[[1, 2], [.infinity, 1], [3]], [[0, 1]]]) == .unknown)
  }

  /// One width's own skew, all widths' common one, and none where there is little to gain.
  @Test func skews_followWhatLossesSay() {
    let noise = LossNoise(deviation: 0.01)
    let (flat, bent) = (
      LossNoise.skews.map { _ in 1e-3 as Double? }, LossNoise.skews.firstIndex(of: 1)
    )
    func lower(_ amount: Double) -> [Double?] {
      zip(LossNoise.skews, flat).map { $0 == 1 ? $1.map { $0 - amount } : $1 }
    }
    let place = bent ?? 0
    #expect(noise.skews([lower(5e-4), flat]) == [place, 0])
    #expect(noise.skews([lower(2e-4), flat]) == [0, 0])
    #expect(noise.skews([lower(2e-4), lower(2.5e-4), []]) == [place, place, place])
    #expect(noise.skews([]) == [] && noise.skews([[], []]) == [0, 0])
  }
}

@Suite struct UncertainTests {
  /// Points from printed tables.
  @Test(arguments: [
    (0.975, 1, 12.7062), (0.975, 2, 4.3027), (0.975, 4, 2.7764), (0.975, 9, 2.2622),
    (0.975, 10, 2.2281), (0.975, 15, 2.1314), (0.975, 30, 2.0423), (0.975, 120, 1.9799),
    (0.95, 1, 6.3138), (0.95, 2, 2.9200), (0.95, 5, 2.0150), (0.9875, 5, 3.1634),
    (0.99, 3, 4.5407), (0.5, 7, 0),
  ])
  func studentT_matchesTables(probability: Double, degrees: Int, value: Double) {
    #expect(abs(StudentT.quantile(probability, degreesOfFreedom: degrees) - value) <= 1e-4)
  }

  /// The mean of K numbers has the standard error s/√K, which the draws meet as well as their
  /// number allows.
  @Test(arguments: [2, 3, 6, 20]) func drawsOfAMean_haveItsStandardError(seeds: Int) throws {
    var random = Philox(seed: 7, stream: 0)
    let values = (0..<seeds).map { _ in random.normal() }
    let mean = values.reduce(0, +) / Double(seeds)
    let deviation = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(seeds - 1)
    let draws = Resampling(seeds: seeds).draws.map { weights in
      zip(weights, values).reduce(0) { $0 + $1.0 * $1.1 } / Double(seeds)
    }
    let estimate = Uncertain(value: mean, draws: draws, seeds: seeds, resolution: 0)
    let error = (deviation / Double(seeds)).squareRoot()
    #expect(abs(try #require(estimate.standardError) / error - 1) <= 0.15)
    let difference = estimate - estimate
    #expect(difference.value == 0 && difference.standardError == 0)
  }

  @Test func seedsThatWouldTell_bringTheReachBelowTheMargin() throws {
    let draws = (0..<300).map { Double($0 % 2) - 0.5 }
    let estimate = Uncertain(value: 0, draws: draws, seeds: 4, resolution: 0)
    let count = try #require(estimate.seeds(forReachOf: 0.2))
    func reach(_ seeds: Int) -> Double {
      (0.25 * 4 / 3 * 4 / Double(seeds)).squareRoot()
        * StudentT.quantile(0.95, degreesOfFreedom: seeds - 1)
    }
    #expect(reach(count) <= 0.2 && reach(count - 1) > 0.2)
    let coarse = Uncertain(value: 0, draws: draws, seeds: 4, resolution: 0.2)
    #expect(coarse.seeds(forReachOf: 0.2) == nil)
    let lone = Uncertain(value: 0, draws: [], seeds: 1, resolution: 0.2)
    #expect(lone.seeds(forReachOf: 9) == nil && lone.interval == nil)
  }
}
