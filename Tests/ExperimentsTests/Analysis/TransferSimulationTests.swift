import Foundation
import Tensors
import Testing

@testable import Experiments

/// Sweeps whose truth is known: how often the verdict's word is wrong, and how often it is a word at all.
///
/// `TRANSFER_TRIALS=300 swift test --filter TransferSimulation` prints the table of docs/verdict.md.
@Suite struct TransferSimulationTests {
  /// Log loss by octaves from the optimum.
  enum Shape: String, CaseIterable {
    /// 0.15 a square octave: an octave off costs 16 %.
    case plain
    /// An octave off costs 3 %.
    case flat
    /// An octave off costs 60 %; the rates are half an octave apart.
    case steep
    /// Five times as steep above the optimum as below, with a break between.
    case lopsided
    /// Slow below and steep above, as powers of the rate.
    case skewed
    /// Steep below and long above.
    case long
    /// As skewed at the widest, even at the narrowest.
    case turning
    /// Straight flanks.
    case vee
    /// Each seed diverges from somewhere about 1.5 octaves above.
    case cliff

    /// - share: from 0 at the narrowest width to 1 at the widest.
    func logLoss(_ x: Double, at share: Double = 1) -> Double {
      switch self {
      case .plain, .cliff: 0.15 * x * x
      case .flat: 0.03 * x * x
      case .steep: 0.5 * x * x
      case .lopsided: (x < 0 ? 0.08 : 0.4) * x * x
      case .skewed: Self.powers(x, below: 0.4, above: 1.5)
      case .long: 0.05 * log((6 * exp(0.9 * x) + 0.9 * exp(-6 * x)) / 6.9)
      case .turning: Self.powers(x, below: 0.5, above: 0.5 + 1.5 * share)
      case .vee: 0.45 * ((x * x + 0.25).squareRoot() - 0.5)
      }
    }

    /// ln of ½ and 0.3 at the lowest point, with flanks that grow as these powers.
    private static func powers(_ x: Double, below: Double, above: Double) -> Double {
      let flanks = (above * exp2(-below * x) + below * exp2(above * x)) / (below + above)
      return log((0.5 + 0.3 * flanks) / 0.8)
    }
  }

  /// Where the optimum of a width is, by octaves of width from the narrowest.
  enum Course: String, CaseIterable {
    case level = "0"
    case slow = "−0.11 a doubling"
    case drift = "−0.38 a doubling"
    case fast = "−0.6 a doubling"
    case bow = "0.25 off between"
    case arch = "1.2 off between"

    func octaves(_ x: Double, of last: Double) -> Double {
      let bulge = sin(.pi * x / last)
      switch self {
      case .level: return 0
      case .slow: return -0.11 * x
      case .drift: return -0.38 * x
      case .fast: return -0.6 * x
      case .bow: return 0.25 * bulge
      case .arch: return 1.2 * bulge
      }
    }
  }

  /// A simulated sweep's setting.
  struct Case: CustomStringConvertible {
    let shape: Shape
    /// Standard deviation of log loss from run to run.
    let noise: Double
    let course: Course
    var widths = [64, 96, 128, 256, 384]
    var seeds = 6

    var description: String { "\(shape.rawValue), noise \(noise), \(course.rawValue)" }

    private var octaves: [Double] { widths.map { log2(Double($0) / Double(widths[0])) } }

    /// By width.
    private var optima: [Double] {
      octaves.map { course.octaves($0, of: octaves[octaves.count - 1]) }
    }

    /// Drift, largest deviation and regret.
    var truth: (drift: Double, deviation: Double, regret: Double) {
      let mean = octaves.reduce(0, +) / Double(octaves.count)
      let spread = octaves.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      let slope = zip(octaves, optima).reduce(0) { $0 + ($1.0 - mean) * $1.1 } / spread
      return (
        slope, optima.map(abs).max() ?? 0,
        exp(shape.logLoss(optima[0] - optima[optima.count - 1])) - 1
      )
    }

    /// The word that is right, where the truth is clear.
    var outcome: TransferVerdict.Outcome? {
      let (drift, deviation, regret) = truth
      if abs(drift) <= 0.15 && deviation <= 0.3 && regret <= 0.01 { return .transfers }
      if abs(drift) >= 0.35 || deviation >= 0.8 || regret >= 0.04 { return .doesNotTransfer }
      return nil
    }

    /// One sweep, and the best rates by width.
    func sweep(_ random: inout Philox) -> (rows: [SummaryRow], best: [Double]) {
      let center = Double.random(in: -8.5..<(-7.5), using: &random)
      let step = shape == .steep ? 0.5 : 1
      let rates = SyntheticSweep.grid(-11.5, -4.5, step: step)
      let levels = (0..<seeds).map { _ in 2 * noise * random.normal() }
      var losses: [[Double]] = []
      var rows: [SummaryRow] = []
      for ((width, octave), optimum) in zip(zip(widths, octaves), optima) {
        let share = octave / octaves[octaves.count - 1]
        let shifts = (0..<seeds).map { _ in 0.1 * random.normal() }
        let limits = (0..<seeds).map { _ in 1.5 + 0.4 * random.normal() }
        losses = rates.map { rate in
          (0..<seeds).map { seed in
            let x = rate - center - optimum - shifts[seed]
            if shape == .cliff && x > limits[seed] { return .infinity }
            return exp(shape.logLoss(x, at: share) - 1 + levels[seed] + noise * random.normal())
          }
        }
        rows += SyntheticSweep.rows(
          widths: [width], rates: rates, seeds: 0..<UInt64(seeds)
        ) { _, rate, seed in losses[rates.firstIndex(of: rate) ?? 0][Int(seed)] }
      }
      return (rows, optima.map { center + $0 })
    }

    /// How far off best rates and the drift are, as root mean squares, and how often the drift is beyond its
    /// interval.
    func errors(trials: Int) throws -> (rate: Double, drift: Double, misses: Int) {
      var random = Philox(seed: 2026, stream: Philox.stream("errors of \(description)"))
      var (rate, drift, misses) = (0.0, 0.0, 0)
      for _ in 0..<trials {
        let (rows, best) = sweep(&random)
        let group = try #require(TransferReport(rows: rows).groups.first)
        for (width, best) in zip(group.widths, best) {
          let off = try #require(width.log2LearningRate) - best
          rate += off * off / Double(trials * widths.count)
        }
        let found = try #require(group.drift)
        drift += pow(found.octavesPerDoubling - truth.drift, 2) / Double(trials)
        if let interval = found.interval,
          !(interval.lower...interval.upper).contains(truth.drift)
        {
          misses += 1
        }
      }
      return (rate.squareRoot(), drift.squareRoot(), misses)
    }

    /// How often each word is said.
    func words(trials: Int) throws -> [TransferVerdict.Outcome: Int] {
      var random = Philox(seed: 2026, stream: Philox.stream(description))
      var words: [TransferVerdict.Outcome: Int] = [:]
      for _ in 0..<trials {
        let group = try #require(TransferReport(rows: sweep(&random).rows).groups.first)
        words[group.verdict.outcome, default: 0] += 1
      }
      return words
    }
  }

  /// More by TRANSFER_TRIALS.
  static let trials =
    ProcessInfo.processInfo.environment["TRANSFER_TRIALS"].flatMap(Int.init) ?? 6

  private func words(
    _ simulated: Case, _ trials: Int = trials
  ) throws -> [TransferVerdict.Outcome: Int] {
    let words = try simulated.words(trials: trials)
    let (drift, deviation, regret) = simulated.truth
    let counts: [TransferVerdict.Outcome] = [.transfers, .doesNotTransfer, .inconclusive]
    print(
      "| \(simulated) | \(ReportText.number(drift, digits: 2)) | "
        + "\(ReportText.number(deviation, digits: 2)) | \(ReportText.percent(regret)) | "
        + counts.map { "\(words[$0] ?? 0)" }.joined(separator: " | ") + " |")
    return words
  }

  /// At most 5 of 100; of few trials all of a shape together.
  @Test(arguments: Shape.allCases) func word_isSeldomWrong(shape: Shape) throws {
    var (wrong, total) = (0, 0)
    for noise in shape == .plain || shape == .cliff ? [0.02, 0.15] : [0.02] {
      for course in Course.allCases {
        let simulated = Case(shape: shape, noise: noise, course: course)
        guard let right = simulated.outcome else { continue }
        let other: TransferVerdict.Outcome =
          right == .transfers ? .doesNotTransfer : .transfers
        wrong += try words(simulated)[other] ?? 0
        total += Self.trials
      }
    }
    #expect(20 * wrong <= total, "\(wrong) of \(total) wrong")
  }

  /// Steep, long and skewed curves alike; what bias is left is that of breaks and of long flanks.
  @Test(arguments: Shape.allCases) func bestRates_areFound(shape: Shape) throws {
    let (rate, drift, misses) = try Case(shape: shape, noise: 0.015, course: .fast)
      .errors(trials: Self.trials)
    print(
      "| \(shape.rawValue) | \(ReportText.number(rate, digits: 2)) | "
        + "\(ReportText.number(drift, digits: 2)) | \(misses) |")
    let limit = shape == .long ? 0.6 : shape == .lopsided ? 0.3 : 0.15
    #expect(rate <= limit && drift <= 0.12, "\(rate), \(drift)")
  }

  /// With the widths, rates and seeds of `gputrain sweep` and the noise of its job.
  @Test func power_isEnoughAtTheDefaultSettings() throws {
    let trials = 2 * Self.trials
    let level = try words(Case(shape: .plain, noise: 0.03, course: .level), trials)
    #expect(Double(level[.transfers] ?? 0) >= 0.8 * Double(trials), "\(level)")
    let fast = try words(Case(shape: .plain, noise: 0.03, course: .fast), trials)
    #expect(Double(fast[.doesNotTransfer] ?? 0) >= 0.9 * Double(trials), "\(fast)")
  }

  /// Three seeds and three widths are enough for a clear case, and not for fewer.
  @Test func fewSeeds_areToldApart() throws {
    let three = try words(
      Case(shape: .plain, noise: 0.005, course: .fast, widths: [64, 128, 256], seeds: 3))
    #expect(three[.transfers] == nil && three[.doesNotTransfer] ?? 0 > Self.trials / 2)
    let two = try words(
      Case(shape: .plain, noise: 0.005, course: .level, widths: [64, 128, 256], seeds: 2))
    #expect(two[.transfers] == nil)
  }
}
