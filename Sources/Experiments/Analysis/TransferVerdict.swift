import Foundation

/// What "the best learning rate transfers" means in numbers.
///
/// The page docs/verdict.md argues for each.
public enum TransferCriteria {
  /// The drift that still counts as transfer, in octaves per doubling.
  ///
  /// The smallest drift that theory predicts of a wrong rule is ½ octave a doubling (a hidden
  /// update that grows as √width); this lies halfway between it and none.
  public static let drift = 0.25
  /// The distance of any width's best rate from the narrowest's that still does, in octaves: half of the
  /// step that people sweep rates by.
  public static let deviation = 0.5
  /// The share of loss that using the narrowest's best rate at the widest may cost.
  public static let regret = 0.02
  /// Fewer widths show no trend: of two, one difference is all there is.
  public static let widths = 3
  /// Fewer seeds tell too little of how much of it is chance.
  public static let seeds = 3
}

/// Whether the best learning rate carries over to wide models, in a word and in a sentence.
public struct TransferVerdict: Codable, Hashable, Sendable {
  /// The word.
  public enum Outcome: String, Codable, Hashable, Sendable {
    /// Drift, deviation and regret are within what `TransferCriteria` allows, with their intervals.
    case transfers
    /// One of them is beyond it, with its whole interval.
    case doesNotTransfer = "does not transfer"
    /// The data allow neither.
    case inconclusive
  }

  /// The word.
  public let outcome: Outcome
  /// A sentence that begins with it and gives the numbers.
  public let text: String
  /// Where inconclusive, about how many seeds would tell if they spread as those that are there; nil where
  /// more seeds alone would not.
  public let seedsToTell: Int?
}

/// What a verdict is judged by.
struct TransferEvidence {
  /// By width, of those that have an optimum.
  let curves: [Int: LossCurve]
  /// Widths where every rate lost a run.
  let lost: [Int]
  /// Rates at which some run diverged though at a higher one none did, by width.
  let holes: [(width: Int, log2LearningRate: Double, diverged: Int, runs: Int)]
  let drift: (drift: Drift, estimate: Uncertain)?
  let deviation: (deviation: Deviation, estimates: [(width: Int, difference: Uncertain)])?
  let regret: (regret: Regret, root: Uncertain?)?
  let axes: SweepAxes

  /// Beyond a tolerance with the whole interval: does not transfer. All within with their whole intervals,
  /// of at least three widths and seeds, none lost, none at the edge of the grid: transfers.
  ///
  /// Each interval's end is wrong in at most 5 % of sweeps. "Transfers" needs all of them, so it is wrong
  /// in at most 5 % by that alone; "does not transfer" needs one of three, whose tolerances are not met
  /// exactly at once.
  var verdict: TransferVerdict {
    let broken = violations
    if !broken.isEmpty { return verdict(.doesNotTransfer, broken.joined(separator: "; ")) }
    guard let drift, let deviation, let regret else {
      return verdict(.inconclusive, tooFew)
    }
    if !lost.isEmpty {
      return verdict(
        .inconclusive,
        "at \(axes.scaleName) \(list(lost)) every \(axes.tunedName) lost a run to divergence; add "
          + "lower \(axes.tunedValues)")
    }
    if let text = edges { return verdict(.inconclusive, text) }
    let moves =
      "the optimum moves \(ReportText.number(drift.drift.octavesPerDoubling, digits: 2)) octaves "
      + "a doubling"
    let seeds = drift.drift.seeds
    guard seeds >= 2, let largest = deviation.deviation.interval else {
      return verdict(.inconclusive, "\(moves); one seed gives no interval")
    }
    guard curves.count >= TransferCriteria.widths, seeds >= TransferCriteria.seeds else {
      return verdict(
        .inconclusive,
        "\(moves); transfer is told from at least \(TransferCriteria.widths) \(axes.scaleValues) and "
          + "\(TransferCriteria.seeds) seeds, here are \(curves.count) and \(seeds)")
    }
    let doubts = doubts
    if doubts.isEmpty {
      let cost = regret.regret.interval?.upper.map {
        "; \(axes.rate(of: regret.regret.narrowWidth)) costs at most "
          + "\(ReportText.percent($0)) at \(axes.scaleName) \(regret.regret.wideWidth)"
      }
      return verdict(
        .transfers,
        moves + " and is at most \(ReportText.number(largest.upper, digits: 2)) off at any "
          + axes.scaleName + (cost ?? ""))
    }
    return undecided(moves, doubts)
  }

  private func verdict(
    _ outcome: TransferVerdict.Outcome, _ reason: String, seeds: Int? = nil
  ) -> TransferVerdict {
    TransferVerdict(
      outcome: outcome, text: "\(outcome.rawValue): \(reason)\(holesInWords)", seedsToTell: seeds)
  }

  /// Why there is nothing to compare.
  private var tooFew: String {
    let known = curves.keys.sorted()
    guard lost.isEmpty else {
      return "fewer than two \(axes.scaleValues) have a \(axes.tunedName) at which no run diverged"
    }
    return known.isEmpty
      ? "no \(axes.scaleName) has results yet"
      : "only \(axes.scaleName) \(list(known)) has results yet"
  }

  /// What single runs have taken out of the running.
  private var holesInWords: String {
    guard let first = holes.first else { return "" }
    let others = holes.count > 1 ? ", and so \(holes.count - 1) more" : ""
    return ". At \(axes.scaleName) \(first.width) "
      + "\(first.diverged) of \(first.runs) runs diverged at "
      + "\(axes.short(log2: first.log2LearningRate)), though none at a higher \(axes.tunedName), which takes "
      + "it out of the running\(others): look at that run"
  }

  private func list(_ widths: [Int]) -> String {
    widths.map { "\($0)" }.joined(separator: ", ")
  }

  // MARK: Does not transfer

  /// What is beyond its tolerance, in words.
  private var violations: [String] {
    var texts: [String] = []
    if let drift = drift?.drift, let interval = drift.interval,
      max(interval.lower, -interval.upper) > TransferCriteria.drift
    {
      let size = ReportText.number(abs(drift.octavesPerDoubling), digits: 2)
      texts.append(
        "drifts \(drift.octavesPerDoubling < 0 ? "down" : "up") by \(size) octaves a doubling "
          + "(\(ReportText.interval(interval)))")
    }
    if let text = deviationViolation { texts.append(text) }
    if let text = regret?.regret.violation(axes) { texts.append(text) }
    return texts
  }

  /// A width that is too far off. Of one whose best rate is the last one tried, that is a bound, where it
  /// is off in that direction.
  private var deviationViolation: String? {
    guard let deviation, curves[deviation.deviation.narrowWidth]?.whole.edge == nil else {
      return nil
    }
    let found = deviation.estimates.compactMap { width, difference -> (Int, Uncertain, Double)? in
      let edge = curves[width]?.whole.edge
      if edge == .lowest && difference.value > 0 || edge == .highest && difference.value < 0 {
        return nil
      }
      return difference.reach(among: deviation.estimates.count).map {
        (width, difference, abs(difference.value) - $0)
      }
    }
    guard let (width, difference, least) = found.max(by: { $0.2 < $1.2 }),
      least > TransferCriteria.deviation
    else { return nil }
    let way = difference.value < 0 ? "below" : "above"
    return "at \(axes.scaleName) \(width) the optimum is at least "
      + "\(ReportText.number(least, digits: 1)) octaves \(way) that of \(axes.scaleName) "
      + "\(deviation.deviation.narrowWidth)"
  }

  // MARK: Inconclusive

  private var edges: String? {
    let found = curves.compactMap { width, curve in curve.whole.edge.map { (width, $0) } }
    guard !found.isEmpty else { return nil }
    let directions = Set(found.map(\.1))
    let ask =
      directions.count > 1 ? "both lower and higher" : directions == [.lowest] ? "lower" : "higher"
    return "the best \(axes.tunedName) is at the edge of the grid at \(axes.scaleName) "
      + "\(list(found.map(\.0).sorted())); add \(ask) \(axes.tunedValues)"
  }

  /// A tolerance that an interval reaches over.
  private struct Doubt {
    let name: String
    /// Of what is estimated, and the value it must not reach.
    let estimate: Uncertain?
    let tolerance: Double
  }

  private var doubts: [Doubt] {
    var doubts: [Doubt] = []
    if let drift, let interval = drift.drift.interval,
      max(interval.upper, -interval.lower) > TransferCriteria.drift
    {
      doubts.append(
        Doubt(name: "drift", estimate: drift.estimate, tolerance: TransferCriteria.drift))
    }
    if let deviation, let interval = deviation.deviation.interval,
      interval.upper > TransferCriteria.deviation
    {
      // The one that reaches furthest.
      let worst = deviation.estimates.max {
        abs($0.difference.value) + ($0.difference.reach() ?? 0)
          < abs($1.difference.value) + ($1.difference.reach() ?? 0)
      }
      doubts.append(
        Doubt(
          name: "deviation", estimate: worst?.difference, tolerance: TransferCriteria.deviation))
    }
    if let regret, let interval = regret.regret.interval,
      interval.upper ?? .infinity > TransferCriteria.regret
    {
      doubts.append(
        Doubt(
          name: "regret", estimate: regret.root,
          tolerance: log1p(TransferCriteria.regret).squareRoot()))
    }
    return doubts
  }

  /// What cannot be told, and what would tell it: as many seeds as bring every interval to the side of
  /// its tolerance on which the estimate is, or where that takes fewer, one that is beyond it.
  private func undecided(_ moves: String, _ doubts: [Doubt]) -> TransferVerdict {
    func needed(_ doubt: Doubt) -> Int? {
      doubt.estimate.flatMap { $0.seeds(forReachOf: abs(doubt.tolerance - abs($0.value))) }
    }
    let beyond = doubts.filter { abs($0.estimate?.value ?? 0) > $0.tolerance }
    let counts = (beyond.isEmpty ? doubts : beyond).map(needed)
    let seeds =
      beyond.isEmpty
      ? (counts.contains { $0 == nil } ? nil : counts.compactMap(\.self).max())
      : counts.compactMap(\.self).min()
    let names = doubts.map(\.name)
    let intervals =
      names.count == 1
      ? "the interval of the \(names[0]) reaches"
      : "the intervals of \(ReportParts.list(names)) reach"
    let has = drift?.drift.seeds ?? 0
    let ask =
      seeds.map { "about \(max($0, has + 1)) seeds would tell" }
      ?? "a finer grid of \(axes.tunedValues) would tell, more seeds alone would not"
    return verdict(
      .inconclusive,
      "\(moves), but \(intervals) over what is transfer; \(ask)",
      seeds: seeds.map { max($0, has + 1) })
  }
}

extension Regret {
  /// Why this is no transfer, in words; nil where it may be.
  fileprivate func violation(_ axes: SweepAxes) -> String? {
    let rate = axes.rate(of: narrowWidth)
    if mostDiverge { return "\(axes.scaleName) \(wideWidth) diverges at \(rate)" }
    if let interval, interval.lower > TransferCriteria.regret {
      let range =
        interval.upper.map { " (\(ReportText.percents(interval.lower, $0)))" } ?? ""
      let cost =
        relative.map { "\(ReportText.percent($0))\(range)" }
        ?? "at least \(ReportText.percent(interval.lower))"
      return "\(rate) costs \(cost) at \(axes.scaleName) \(wideWidth)"
    }
    return nil
  }
}
