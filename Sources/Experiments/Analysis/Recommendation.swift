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
  /// - curves: by width.
  /// - Returns: nil without a verdict, and where an optimum is at an edge of its grid.
  init?(width: Int, _ curves: [Int: LossCurve], _ outcome: TransferVerdict.Outcome) {
    guard outcome != .inconclusive, !curves.values.contains(where: { $0.whole.edge != nil }) else {
      return nil
    }
    let optima = curves.sorted { $0.key < $1.key }
    let rates = optima.map(\.value.rate)
    let estimate: Uncertain
    if outcome == .transfers {
      basis = .everyWidth
      estimate = .sum(rates.map { _ in 1 / Double(rates.count) }, rates)
    } else if let own = curves[width] {
      basis = .ownOptimum
      estimate = own.rate
    } else {
      guard let line = LineOverWidth(optima.map(\.key)) else { return nil }
      basis = .line
      estimate = .sum(line.value(at: width), rates)
    }
    self.width = width
    (log2LearningRate, interval) = (estimate.value, estimate.interval)
  }

  /// What to do, in words.
  func sentence(_ axes: SweepAxes) -> String {
    let range =
      interval.map {
        " (90 % \(axes.short(log2: $0.lower))…\(axes.short(log2: $0.upper)))"
      } ?? ""
    let value = axes.text(log2: log2LearningRate) + range
    return switch basis {
    case .everyWidth: "\(value) at any \(axes.scaleName)"
    case .ownOptimum: "\(value) at \(axes.scaleName) \(width), which was tuned itself"
    case .line:
      "\(value) at \(axes.scaleName) \(width), by the line through the optima, which is a guess"
    }
  }
}
