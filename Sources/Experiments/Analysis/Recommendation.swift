import Foundation

/// The rate to train a width with.
public struct Recommendation: Codable, Hashable, Sendable {
  /// Where the rate comes from.
  public enum Basis: String, Codable, Hashable, Sendable {
    /// It is the same at every width: the mean of all optima.
    case everyWidth = "every width"
    /// The width's own optimum, as it moves.
    case ownOptimum = "own optimum"
    /// The line through the optima, carried on to a width that was not trained.
    case line
  }

  /// The width.
  public let width: Int
  /// log2 of the rate.
  public let log2LearningRate: Double
  /// Its 90 % interval; nil for fewer than two seeds.
  public let interval: Interval?
  /// Where it comes from.
  public let basis: Basis
}

extension Recommendation {
  /// The rate for a width by the optima of others.
  ///
  /// Where the best rate transfers, the mean of the optima, of which each is as good as the others. Where
  /// it does not, the optimum of the width itself if it was trained, else the least-squares line in
  /// log2 of the width.
  ///
  /// - curves: by width.
  /// - Returns: nil without a verdict, and where an optimum is at an edge of its grid.
  init?(width: Int, _ curves: [Int: LossCurve], _ outcome: TransferVerdict.Outcome) {
    guard outcome != .inconclusive, !curves.values.contains(where: { $0.whole.edge != nil }) else {
      return nil
    }
    let optima = curves.sorted { $0.key < $1.key }.map { (width: $0.key, rate: $0.value.rate) }
    guard outcome == .transfers else {
      self.init(width: width, moving: optima)
      return
    }
    let rates = optima.map(\.rate)
    let mean = Uncertain.sum(rates.map { _ in 1 / Double(rates.count) }, rates)
    self.init(
      width: width, log2LearningRate: mean.value, interval: mean.interval, basis: .everyWidth)
  }

  /// The rate for a width by optima that move with it: its own where it was trained, else the line's.
  ///
  /// - optima: by ascending width.
  init?(width: Int, moving optima: [(width: Int, rate: Uncertain)]) {
    let own = optima.first { $0.width == width }?.rate
    let line = LineOverWidth(optima.map(\.width))
    guard let estimate = own ?? line.map({ .sum($0.value(at: width), optima.map(\.rate)) }) else {
      return nil
    }
    self.init(
      width: width, log2LearningRate: estimate.value, interval: estimate.interval,
      basis: own == nil ? .line : .ownOptimum)
  }

  /// That there is none, for the width that was asked for.
  public static func none(for target: Int?, _ axes: SweepAxes) -> String {
    "no \(axes.tunedName) is recommended"
      + (target.map { " for \(axes.scaleName) \($0)" } ?? "") + " from these runs"
  }

  /// What to do, in words.
  public func sentence(_ axes: SweepAxes) -> String {
    let range =
      interval.map {
        " (90 % \(axes.short(log2: $0.lower))…\(axes.short(log2: $0.upper)))"
      } ?? ""
    let value = axes.text(log2: log2LearningRate) + range
    return switch basis {
    case .everyWidth: "\(value) at every \(axes.scaleName), the mean of the optima"
    case .ownOptimum: "\(value) at \(axes.scaleName) \(width), which was tuned itself"
    case .line:
      "\(value) at \(axes.scaleName) \(width), by the line through the optima, which is a guess"
    }
  }
}
