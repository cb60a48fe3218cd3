import Foundation

/// Which comparison has the least loss at the widest width: tuned there, and with the rate that is best at
/// the narrowest.
public struct WidestComparison: Codable, Hashable, Sendable {
  /// One of those compared.
  public struct Entry: Codable, Hashable, Sendable {
    /// Parametrization and update rule.
    public let name: String
    /// The loss, of the mean over seeds; nil where the network diverges or was not run at that rate.
    public let loss: Double?
    /// The share by which it is above the least of all; nil without a loss.
    public let excess: Double?
    /// Its 90 % interval, with the seeds paired; nil for the least itself and for fewer than two seeds.
    public let interval: Interval?
  }

  /// What a step takes of one of those compared, at the widest width.
  public struct StepCost: Codable, Hashable, Sendable {
    /// Parametrization and update rule.
    public let name: String
    /// Seconds of a run's share of a step of its group, the median over runs.
    public let seconds: Double
    /// Bytes of the device's memory that are planned for a run; nil where it is not known.
    public let deviceBytes: Int?
  }

  /// The widest width.
  public let width: Int
  /// The narrowest width.
  public let narrowWidth: Int
  /// With the best rate of the widest width, the least loss first.
  public let tuned: [Entry]
  /// With the best rate of the narrowest width, the least loss first.
  public let transferred: [Entry]
  /// How many times as long the runs of the widest width took as those of the narrowest; nil where it is
  /// not known.
  public let cost: Double?
  /// What a step takes under each update rule, the cheapest first; nil where all have one rule, or it is not
  /// known.
  public let stepCosts: [StepCost]?

  /// A comparison's losses under its name.
  typealias Named = (name: String, losses: TransferReport.Losses)

  /// Compares over the seeds that all have, at the narrowest and widest width of all.
  ///
  /// - stepCosts: what a step takes at a width.
  /// - Returns: nil for fewer than two comparisons, widths or seeds in common, and where losses are not
  ///   positive.
  init?(_ named: [Named], cost: Double?, stepCosts: (Int) -> [StepCost]? = { _ in nil }) {
    let widths = (named.first?.losses.keys).map { first in
      first.filter { width in named.allSatisfy { $0.losses[width] != nil } }
    }
    guard named.count >= 2, let narrow = widths?.min(), let wide = widths?.max(), narrow < wide
    else { return nil }
    let cells = named.flatMap { entry in
      [narrow, wide].flatMap { width in
        (entry.losses[width] ?? [:]).values.filter { !$0.isEmpty }
      }
    }
    let seeds = Set(cells.flatMap(\.keys)).sorted().filter { seed in
      cells.allSatisfy { $0[seed] != nil }
    }
    guard !seeds.isEmpty else { return nil }
    let resampling = Resampling(seeds: seeds.count)
    /// Of the widths that have these seeds, as their curves are fitted together.
    func curves(_ losses: TransferReport.Losses) -> [Int: LossCurve] {
      LossCurve.jointly(
        losses.mapValues { byRate in
          byRate.filter { !$0.value.isEmpty }.mapValues { cell in seeds.compactMap { cell[$0] } }
        }.filter { $0.value.values.allSatisfy { $0.count == seeds.count } }, resampling)
    }
    let pairs = named.map { name, losses in
      let curves = curves(losses)
      return (name: name, narrow: curves[narrow], wide: curves[wide])
    }
    guard pairs.allSatisfy({ $0.wide?.whole.isLogarithmic ?? true }) else { return nil }
    (width, narrowWidth, self.cost, self.stepCosts) = (wide, narrow, cost, stepCosts(wide))
    tuned = Self.entries(pairs.map { ($0.name, $0.wide?.uncertain(\.height)) })
    transferred = Self.entries(
      pairs.map { name, narrow, wide in
        guard let narrow, let wide, let height = wide.whole.height(at: narrow.whole.rate) else {
          return (name, nil)
        }
        let draws = zip(narrow.draws, wide.draws).map { narrow, wide in
          wide.height(at: narrow.rate) ?? height
        }
        return (name, Uncertain(value: height, draws: draws, seeds: seeds.count, resolution: 0))
      })
  }

  private static func entries(_ heights: [(name: String, height: Uncertain?)]) -> [Entry] {
    let known = heights.compactMap { name, height in height.map { (name: name, height: $0) } }
      .sorted { $0.height.value < $1.height.value }
    let lost = heights.filter { $0.height == nil }
    return known.enumerated().map { place, entry in
      let excess = entry.height - known[0].height
      return Entry(
        name: entry.name, loss: exp(entry.height.value), excess: exp(excess.value) - 1,
        interval: place == 0
          ? nil
          : excess.interval.map {
            Interval(lower: exp($0.lower) - 1, upper: exp($0.upper) - 1)
          })
    } + lost.map { Entry(name: $0.name, loss: nil, excess: nil, interval: nil) }
  }
}

extension WidestComparison {
  /// The comparison as lines of at most 80 columns, without a newline at the end.
  ///
  /// - reasons: why they differ, as `TransferReport.reasons` has it.
  func block(_ axes: SweepAxes, reasons: [String]) -> String {
    let narrow = axes.rate(of: narrowWidth)
    let size = max(stepCosts == nil ? 11 : 12, narrow.count) + 2
    func lines(_ title: String, _ texts: [String]) -> [String] {
      texts.enumerated().map { place, text in
        ReportText.wrapped(
          text, after: "  " + ReportText.left(place == 0 ? title : "", size), indent: size + 4)
      }
    }
    var text =
      [question(axes)] + lines("tuned there", tuned.map(\.sentence))
      + lines(narrow, transferred.map(\.sentence))
      + lines("a step there", (stepCosts ?? []).map(\.sentence)) + lines("why", reasons)
    if let price = price(axes) { text.append(ReportText.wrapped(price, after: "  ", indent: 4)) }
    return text.joined(separator: "\n")
  }

  /// "which is best at width 384?"
  func question(_ axes: SweepAxes) -> String { "which is best at \(axes.scaleName) \(width)?" }

  /// How many times as long the runs take with which one tunes at the widest width; nil where it is not
  /// known.
  func price(_ axes: SweepAxes) -> String? {
    cost.map {
      "tuning at \(axes.scaleName) \(width) takes runs \(ReportText.number($0, digits: $0 < 9.5 ? 1 : 0)) "
        + "times as long as those of \(axes.scaleName) \(narrowWidth)"
    }
  }
}

extension WidestComparison.StepCost {
  /// "spectral, muon: 0.310 ms and 2.1 MiB a run".
  var sentence: String {
    "\(name): " + String(format: "%.3g ms", seconds * 1e3)
      + (deviceBytes.map { String(format: " and %.3g MiB", Double($0) / 0x1p20) } ?? "") + " a run"
  }
}

extension WidestComparison.Entry {
  /// Whether its loss is above the least with the whole interval, or it has none.
  var isSurelyMore: Bool { loss == nil || (interval?.lower ?? 0) > 0 }

  /// "spectral, adam: 0.5125, 3.0 % more (90 % 1.2…4.9 %)".
  var sentence: String {
    guard let loss, let excess else { return "\(name): \(Self.noLoss)" }
    var text = "\(name): \(ReportText.loss(loss))"
    guard excess > 0 || interval != nil else { return text }
    text += ", \(ReportText.percent(excess)) more"
    guard let interval else { return text }
    text += " (\(ReportText.percents(interval.lower, interval.upper)))"
    return isSurelyMore ? text : "\(text): \(Self.unsure)"
  }

  /// Where there is no loss.
  static let noLoss = "diverges or was not run"
  /// Where the interval holds 0.
  static let unsure = "no difference that is sure"
}
