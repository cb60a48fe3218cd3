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

  /// Slopes ±0.03 have s = 0.03, the fit is good to step/20, and the draws of seeds give s to 10 %.
  @Test(arguments: [-0.9, 0, 0.4])
  func drift_isRecoveredWithItsInterval(drift: Double) throws {
    let found = try #require(try Self.group(Self.parabolas(drift: drift)).drift)
    #expect(abs(found.octavesPerDoubling - drift) <= 1e-3 && found.seeds == 3)
    let interval = try #require(found.interval)
    let variance = 0.03 * 0.03 / 3 + 0.025 * 0.025 / 5
    let half = 2.919986 * variance.squareRoot()
    #expect(abs((interval.upper - drift) / half - 1) <= 0.1)
    #expect(abs((drift - interval.lower) / half - 1) <= 0.1)
  }

  @Test func verdict_saysWhichWay() throws {
    func text(_ drift: Double, _ slopes: [Double] = [0.03, -0.03, 0]) throws -> String {
      try Self.group(Self.parabolas(drift: drift, seedSlopes: slopes)).verdict.text
    }
    #expect(
      try text(-0.01, [0.01, -0.01, 0]).hasPrefix(
        "transfers: the optimum moves −0.01 octaves a doubling and is "))
    #expect(
      try text(-0.9).hasPrefix("does not transfer: drifts down by 0.90 octaves a doubling (90 %"))
    #expect(
      try text(0.5).hasPrefix("does not transfer: drifts up by 0.50 octaves a doubling (90 %"))
    let wide = try text(0.1, [0.3, -0.3, 0])
    #expect(
      wide.hasPrefix("inconclusive: the optimum moves 0.10 octaves a doubling, but the interval"))
    #expect(wide.hasSuffix("seeds would tell"))
    #expect(
      try text(-0.5, [0])
        == "inconclusive: the optimum moves −0.50 octaves a doubling; one seed gives no interval")
    #expect(try text(0, [0.01, -0.01]).hasSuffix("3 seeds, here are 4 and 2"))
  }

  /// Level at the ends, more than an octave off between.
  @Test func bow_doesNotTransfer() throws {
    let rows = SyntheticSweep.rows(rates: Self.rates) { width, rate, seed in
      let place = -3.6 + ([256, 512].contains(width) ? 1.2 : 0) + 0.02 * Double(seed)
      return 0.5 * exp(0.3 * (rate - place) * (rate - place))
    }
    let group = try Self.group(rows)
    #expect(abs(try #require(group.drift).octavesPerDoubling) <= 1e-9)
    let deviation = try #require(group.deviation)
    #expect(abs(deviation.octaves - 1.2) <= 1e-9 && [256, 512].contains(deviation.width))
    #expect(try #require(deviation.interval).lower > 0.9)
    #expect(try #require(group.regret?.interval?.upper) < 0.02)
    #expect(group.verdict.outcome == .doesNotTransfer)
    #expect(group.verdict.text.contains("octaves above that of width 128"), "\(group.verdict.text)")
  }

  /// A width where every rate loses a seed is named, and is no transfer.
  @Test func lostWidth_isNamed() throws {
    let rows = SyntheticSweep.rows(rates: Self.rates) { width, rate, seed in
      if width == 1024 && (seed == 1 || rate > -4) { return .infinity }
      let distance = rate + 3.6
      return (1 + 0.01 * Double(seed)) * exp(0.3 * distance * distance)
    }
    let group = try Self.group(rows)
    #expect(group.verdict.outcome == .inconclusive)
    #expect(group.verdict.text.contains("at width 1024 every rate lost a run"))
    #expect(group.widths.map { $0.log2LearningRate == nil } == [false, false, false, true])
  }

  /// Seeds that were not run everywhere are left out, and said.
  @Test func partialSeeds_areLeftOutAndSaid() throws {
    let rows = Self.parabolas(drift: 0).filter { $0.seed < 2 || $0.width < 1024 }
    let group = try Self.group(rows)
    #expect(group.seeds == [0, 1] && group.partialSeeds == [2] && !group.seedsDiffer)
    #expect(group.seedText == "2 seeds, 17 runs missing, without seed 2, not run everywhere")
    let unlike = Self.parabolas(drift: 0).filter { $0.seed == ($0.width < 1024 ? 0 : 1) }
    let other = try Self.group(unlike)
    #expect(other.seedsDiffer && other.drift?.interval == nil)
    #expect(other.seedText.hasSuffix("not the same ones everywhere: means are of unlike runs"))
  }

  @Test func oneWidth_isInconclusive() throws {
    let rows = Self.parabolas(drift: 0).filter { $0.width == 128 }
    let group = try Self.group(rows)
    #expect(group.drift == nil && group.regret == nil && group.verdict.outcome == .inconclusive)
    #expect(group.verdict.text == "inconclusive: only width 128 has results yet")
  }

  /// One run that diverged takes the best rate out of the running, which is said.
  @Test func runThatDivergedAlone_isNamed() throws {
    let best = try #require(
      try Self.group(Self.parabolas(drift: 0)).widths.last?.gridLog2LearningRate)
    let rows = SyntheticSweep.rows(rates: Self.rates, seeds: 0..<3) { width, rate, seed in
      if width == 1024 && rate == best && seed == 1 { return .infinity }
      return 0.5 * exp(0.5 * (rate + 3.6) * (rate + 3.6))
    }
    let text = try Self.group(rows).verdict.text
    #expect(text.contains(". At width 1024 1 of 3 runs diverged at 2^"), "\(text)")
    #expect(text.hasSuffix("which takes it out of the running: look at that run"))
    // Large rates that diverge are as they should be.
    let steep = SyntheticSweep.rows(rates: Self.rates, seeds: 0..<3) { _, rate, seed in
      rate > -3 && seed == 1 || rate > -2.5
        ? .infinity : 0.5 * exp(0.5 * (rate + 3.6) * (rate + 3.6))
    }
    #expect(try !Self.group(steep).verdict.text.contains("out of the running"))
  }

  /// Where the best rate is an end of the grid, the optimum is only a bound.
  @Test func edges_makeItInconclusive() throws {
    let group = try Self.group(Self.parabolas(drift: -0.4, center: -7.2))
    #expect(group.widths.map(\.onEdge) == [false, false, true, true])
    #expect(
      group.verdict.text
        == "inconclusive: the best rate is at the edge of the grid at width 512, 1024; "
        + "add lower rates")
    #expect(try #require(group.drift).interval == nil && group.deviation?.interval == nil)
    let high = try Self.group(Self.parabolas(drift: 0.4, center: -0.8))
    #expect(high.verdict.text.hasSuffix("at width 512, 1024; add higher rates"))
  }

  /// A bound is enough where it is far off already, and only where it is off in the direction of the edge.
  @Test func farEdge_doesNotTransfer() throws {
    let down = try Self.group(Self.parabolas(drift: -1.5, center: -5))
    #expect(down.widths.map(\.onEdge) == [false, false, true, true])
    #expect(down.verdict.text.hasPrefix("does not transfer: at width "))
    #expect(down.verdict.text.hasSuffix("octaves below that of width 128"))
    let narrow = try Self.group(Self.parabolas(drift: -1.5, center: -0.1))
    #expect(narrow.widths[0].edge == .highest && narrow.verdict.outcome == .inconclusive)
  }

  /// Networks that diverge just above their best rate, which falls by one octave a doubling.
  @Test func divergence_bracketsTheOptimum() throws {
    let rows = SyntheticSweep.rows(rates: Self.rates) { width, rate, seed in
      let limit = -2 - SyntheticSweep.octave(width)
      return rate > limit ? .infinity : (1 + 0.01 * Double(seed)) * exp(-0.3 * (rate - limit))
    }
    let group = try Self.group(rows)
    #expect(group.widths.map(\.gridLog2LearningRate) == [-2, -3, -4, -5])
    #expect(group.widths.allSatisfy { !$0.onEdge })
    #expect(group.widths.map(\.diverged) == [12, 18, 24, 30])
    let drift = try #require(group.drift)
    #expect(abs(drift.octavesPerDoubling + 1) <= 1e-12)
    #expect(group.verdict.outcome == .doesNotTransfer)
    let regret = try #require(group.regret)
    #expect(regret.diverges && regret.mostDiverge && regret.absolute == nil)
    #expect(group.verdict.text.contains("width 1024 diverges at width 128's rate"))
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
    // Seeds 0 and 2 were not run everywhere.
    #expect(group.seeds == [1])
    #expect(abs(try #require(group.drift).octavesPerDoubling + 0.03) <= 1e-9)
  }

  /// By hand: ½(r + 2)² in log loss at width 128, ½(r + 3)² at 256, so that rate −2 costs √e − 1.
  @Test func regret_isExact() throws {
    let rows = SyntheticSweep.rows(widths: [128, 256], rates: Self.rates) { width, rate, seed in
      let distance = rate + (width == 128 ? 2 : 3)
      return (1 + 0.1 * Double(seed)) * exp(0.5 * distance * distance)
    }
    let regret = try #require(try Self.group(rows).regret)
    #expect(abs(regret.log2LearningRate + 2) <= 1e-9)
    #expect(regret.narrowWidth == 128 && regret.wideWidth == 256 && !regret.diverges)
    #expect(abs(regret.bestLoss - 1.1) <= 1e-9)
    let loss = try #require(regret.loss)
    #expect(abs(loss / 1.1 - exp(0.5)) <= 1e-9)
    #expect(abs(try #require(regret.absolute) - 1.1 * (exp(0.5) - 1)) <= 1e-9)
    // The grid's resolution is all that may be chance.
    #expect(abs(try #require(regret.relative) - (exp(0.5) - 1)) <= 0.01)
    let validation = try #require(try Self.group(rows, .validationLoss).regret)
    #expect(abs(validation.bestLoss - 2.2) <= 1e-9)
  }

  @Test func groups_keepTheOrderOfTheRows() {
    let rows = ["b", "a", "c"].flatMap { name in
      SyntheticSweep.rows(rates: [-1], parametrization: name) { _, _, _ in 1 }
    }
    #expect(
      TransferReport(rows: rows).groups.map(\.parametrization) == ["b", "a", "c"])
  }

  /// 90 % intervals over simulated sweeps: log losses with noise, lopsided by a third power, each
  /// seed with an optimum and a slope of its own.
  @Test(arguments: [3, 5])
  func interval_coversTheDrift(seeds: Int) throws {
    let state = 31_337 + UInt64(seeds)
    var random = Philox(seed: state, stream: 0)
    let trials = 60
    var (covered, halfSum) = (0, 0.0)
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
    // 120 trials at 90 %: a standard error of 2.7 %; wider is allowed, as the resolution is added.
    #expect(coverage >= 0.82)
    #expect(halfSum / Double(trials) <= (seeds == 3 ? 0.2 : 0.1))
  }

  @Test func report_roundTripsThroughJSON() throws {
    var rows = Self.parabolas(drift: 0.1)
    rows += SyntheticSweep.rows(rates: [-1, 0], parametrization: "sp") { _, _, _ in .infinity }
    let report = TransferReport(rows: rows)
    let data = try CanonicalJSON.pretty(report)
    #expect(try JSONDecoder().decode(TransferReport.self, from: data) == report)
  }
}
