import Foundation

/// How many times as fast one thing is as another, from timings taken in turn.
///
/// The mean of log(before/after) over pairs, with its 95 % interval by Student's t: what disturbs a
/// machine for longer than a pair disturbs both sides.
struct SpeedRatio {
  /// ln(before/after) of each pair.
  private var logs: [Double] = []
  private var beforeLogs: [Double] = []

  /// Faster by less than this is not worth a difference in rounding.
  static let leastGain = 1.01

  /// Adds a pair: milliseconds of each product before and after, the same products in both.
  mutating func add(before: [Double], after: [Double]) {
    precondition(before.count == after.count && !before.isEmpty, "timings of other products")
    func mean(_ values: [Double]) -> Double {
      values.reduce(0) { $0 + log($1) } / Double(values.count)
    }
    logs.append(mean(before) - mean(after))
    beforeLogs.append(mean(before))
  }

  /// Pairs so far.
  var count: Int { logs.count }

  /// Geometric mean over pairs and products of before/after; 1 without pairs.
  var ratio: Double { count == 0 ? 1 : exp(Self.mean(logs)) }

  /// Geometric means, ms.
  var milliseconds: (before: Double, after: Double) {
    let before = exp(Self.mean(beforeLogs))
    return (before, before / ratio)
  }

  /// Whether the interval lies wholly above `leastGain`; never with fewer than three pairs.
  var isFaster: Bool {
    guard count >= 3 else { return false }
    let mean = Self.mean(logs)
    let variance = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)
    let half =
      StudentT.quantile(0.975, degreesOfFreedom: count - 1)
      * (variance / Double(count)).squareRoot()
    return mean - half > log(Self.leastGain)
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }
}
