import Foundation
import Testing
import Tensors
import Training

@testable import Experiments

@Suite struct TransferReportTests {
  static let rates = SyntheticSweep.grid(-8, 0, step: 0.5)

  /// Parabolas in log loss whose optimum drifts; each seed has its own place and slope.
  static func parabolas(
    drift: Double, seedSlopes: [Double] = [0.03, -0.03, 0], center: Double = -3.6,
    rates: [Double] = rates
  ) -> [SummaryRow] {
    SyntheticSweep.rows(rates: rates, seeds: 0..<UInt64(seedSlopes.count)) { width, rate, seed in
      let slope = drift + seedSlopes[Int(seed)]
      let distance = rate - center - slope * SyntheticSweep.octave(width)
      return 0.5 * exp(0.5 * distance * distance)
    }
  }

  static func group(_ rows: [SummaryRow], _ objective: Objective = .trainLoss) throws
    -> TransferGroup
  {
    try #require(TransferReport(rows: rows, objective: objective).groups.first)
  }

  /// The interval has a closed form: slopes ±0.03 have s = 0.03, and the fit is good to step/20.
  @Test(arguments: [-0.9, 0, 0.4])
  func drift_isRecoveredWithItsInterval(drift: Double) throws {
    let found = try #require(try Self.group(Self.parabolas(drift: drift)).drift)
    #expect(abs(found.octavesPerDoubling - drift) <= 1e-9 && found.seeds == 3)
    let interval = try #require(found.interval)
    let statistical = 4.302653 * 0.03 / 3.0.squareRoot()
    let resolution = 1.959964 * (0.5 / 20) / 5.0.squareRoot()
    let half = (statistical * statistical + resolution * resolution).squareRoot()
    #expect(abs(interval.upper - drift - half) <= 1e-6)
    #expect(abs(drift - interval.lower - half) <= 1e-6)
  }

  @Test func verdict_saysWhichWay() throws {
    func text(_ drift: Double, _ slopes: [Double]) throws -> String {
      try Self.group(Self.parabolas(drift: drift, seedSlopes: slopes)).verdict.text
    }
    #expect(
      try text(-0.02, [0.03, -0.03, 0])
        == "transfers: the optimum moves −0.02 octaves a doubling (95 % −0.10…0.06)")
    #expect(
      try text(-0.9, [0.03, -0.03, 0])
        == "does not transfer: drifts down by 0.90 octaves a doubling (95 % −0.98…−0.82)")
    #expect(
      try text(0.5, [0.03, -0.03, 0])
        == "does not transfer: drifts up by 0.50 octaves a doubling (95 % 0.42…0.58)")
    #expect(
      try text(0.1, [0.3, -0.3, 0])
        == "inconclusive: the optimum moves 0.10 octaves a doubling (95 % −0.65…0.85); the "
        + "interval is too wide to tell, add seeds or a finer grid")
    // Significantly not 0, but within what counts as transfer only in part.
    #expect(try text(0.2, [0.03, -0.03, 0]).hasPrefix("inconclusive: "))
    #expect(
      try text(-0.5, [0])
        == "inconclusive: the optimum moves −0.50 octaves a doubling; one seed gives no interval")
  }

  @Test func oneWidth_isInconclusive() throws {
    let rows = Self.parabolas(drift: 0).filter { $0.width == 128 }
    let group = try Self.group(rows)
    #expect(group.drift == nil && group.regret == nil && group.verdict.outcome == .inconclusive)
    #expect(
      group.verdict.text
        == "inconclusive: fewer than two widths have a run that did not diverge")
  }

  @Test func edges_makeItInconclusive() throws {
    let group = try Self.group(Self.parabolas(drift: -1.5, center: -5))
    #expect(group.widths.map(\.onEdge) == [false, false, true, true])
    #expect(
      group.verdict.text
        == "inconclusive: the best rate is at the edge of the grid at width 512, 1024; "
        + "add lower rates")
    #expect(try #require(group.drift).interval == nil)
    let high = try Self.group(Self.parabolas(drift: 1.5, center: -3))
    #expect(high.verdict.text.hasSuffix("at width 512, 1024; add higher rates"))
  }

  /// Networks that diverge just above their best rate, which falls by one octave a doubling.
  @Test func divergence_bracketsTheOptimum() throws {
    let rows = SyntheticSweep.rows(rates: Self.rates) { width, rate, seed in
      let limit = -2 - SyntheticSweep.octave(width)
      return rate > limit ? .infinity : (1 + 0.01 * Double(seed)) * exp(-0.3 * (rate - limit))
    }
    let group = try Self.group(rows)
    #expect(group.widths.map(\.log2LearningRate) == [-2, -3, -4, -5])
    #expect(group.widths.allSatisfy { !$0.onEdge && !$0.isRefined })
    #expect(group.widths.map(\.diverged) == [12, 18, 24, 30])
    let drift = try #require(group.drift)
    #expect(abs(drift.octavesPerDoubling + 1) <= 1e-12)
    // All seeds agree, so the interval is the grid's resolution alone: 1.96·0.5/√12/√5.
    let half = 1.959964 * 0.5 / 12.0.squareRoot() / 5.0.squareRoot()
    #expect(abs(try #require(drift.interval).upper + 1 - half) <= 1e-6)
    #expect(group.verdict.outcome == .doesNotTransfer)
    let regret = try #require(group.regret)
    #expect(regret.diverges && regret.absolute == nil && regret.relative == nil)
    #expect(group.widths.map(\.divergesAtNarrowRate) == [false, true, true, true])
  }

  @Test func oneDivergedSeed_rulesARateOut() throws {
    let rows = SyntheticSweep.rows(rates: Self.rates) { _, rate, seed in
      rate == -4 && seed == 1 ? .infinity : exp(0.5 * (rate + 4) * (rate + 4))
    }
    let optimum = try #require(try Self.group(rows).widths.first)
    #expect(optimum.gridLog2LearningRate == -4.5 && optimum.diverged == 1)
  }

  @Test func failedAndAbsentRuns_countAsMissing() throws {
    var rows = Self.parabolas(drift: 0)
    let total = rows.count
    rows.removeFirst()
    let last = rows.removeLast()
    rows.append(
      SummaryRow(
        parametrization: last.parametrization, optimizer: last.optimizer, width: last.width,
        depth: last.depth, log2LearningRate: last.log2LearningRate, seed: last.seed, run: "",
        result: RunResult(
          epochs: 0, steps: 0, outcome: .failed, message: "lost", seconds: 0, device: "cpu")))
    let group = try Self.group(rows)
    #expect(group.missing == 2 && group.widths.reduce(0) { $0 + $1.runs } == total - 2)
    #expect(abs(try #require(group.drift).octavesPerDoubling) <= 1e-9)
  }

  /// Losses by hand: at width 256 the rate −2 of width 128 costs 3 − 2 in the mean.
  @Test func regret_isExact() throws {
    let losses: [Int: [Double: [Double]]] = [
      128: [-3: [5, 5], -2: [4, 4], -1: [5, 5]],
      256: [-3: [1.5, 2.5], -2: [2, 4], -1: [5, 5]],
    ]
    let rows = SyntheticSweep.rows(widths: [128, 256], rates: [-3, -2, -1], seeds: 0..<2) {
      losses[$0]?[$1]?[Int($2)]
    }
    let regret = try #require(try Self.group(rows).regret)
    #expect(regret.log2LearningRate == -2 && regret.narrowWidth == 128 && regret.wideWidth == 256)
    #expect(regret.loss == 3 && regret.bestLoss == 2)
    #expect(regret.absolute == 1 && regret.relative == 0.5 && !regret.diverges)
    let validation = try #require(try Self.group(rows, .validationLoss).regret)
    #expect(validation.absolute == 2 && validation.relative == 0.5)
  }

  @Test func groups_keepTheOrderOfTheRows() {
    let rows = ["b", "a", "c"].flatMap { name in
      SyntheticSweep.rows(rates: [-1], parametrization: name) { _, _, _ in 1 }
    }
    #expect(
      TransferReport(rows: rows).groups.map(\.parametrization) == ["b", "a", "c"])
  }

  /// 95 % intervals over simulated sweeps: log losses with noise, lopsided by a third power, each
  /// seed with an optimum and a slope of its own.
  @Test(arguments: [3, 5])
  func interval_coversTheDrift(seeds: Int) throws {
    let state = 31_337 + UInt64(seeds)
    var random = Philox(seed: state, stream: 0)
    let trials = 300
    var covered = 0
    var halfSum = 0.0
    for trial in 0..<trials {
      let center = Double.random(in: -4.5..<(-3.5), using: &random)
      let drifts: [Double] = [-0.5, 0, 0.2]
      let drift: Double = drifts[trial % 3]
      let offsets = (0..<seeds).map { _ in 0.1 * random.normal() }
      let slopes = (0..<seeds).map { _ in 0.05 * random.normal() }
      let rows = SyntheticSweep.rows(rates: Self.rates, seeds: 0..<UInt64(seeds)) {
        (width: Int, rate: Double, seed: UInt64) -> Double? in
        let slope: Double = drift + slopes[Int(seed)]
        let place: Double = center + offsets[Int(seed)] + slope * SyntheticSweep.octave(width)
        let d: Double = rate - place
        let logarithm: Double = 0.06 * d * d + 0.004 * d * d * d
        return exp(logarithm + 0.02 * random.normal())
      }
      let interval = try #require(try Self.group(rows).drift?.interval)
      if interval.lower <= drift && drift <= interval.upper { covered += 1 }
      halfSum += (interval.upper - interval.lower) / 2
    }
    let coverage = Double(covered) / Double(trials)
    print(
      "seed \(state): coverage \(coverage) with \(seeds) seeds,"
        + " mean half width \(halfSum / Double(trials))")
    // 300 trials at 95 %: a standard error of 1.3 %, so within three of them.
    #expect((0.912...0.99).contains(coverage))
    #expect(halfSum / Double(trials) <= (seeds == 3 ? 0.25 : 0.12))
  }

  @Test func report_roundTripsThroughJSON() throws {
    var rows = Self.parabolas(drift: 0.1)
    rows += SyntheticSweep.rows(rates: [-1, 0], parametrization: "sp") { _, _, _ in .infinity }
    let report = TransferReport(rows: rows)
    let data = try CanonicalJSON.pretty(report)
    #expect(try JSONDecoder().decode(TransferReport.self, from: data) == report)
  }
}
