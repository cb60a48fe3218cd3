import Foundation
import Tensors

/// A range that holds what was estimated.
public struct Interval: Codable, Hashable, Sendable {
  /// Its lower end.
  public let lower: Double
  /// Its upper end.
  public let upper: Double

  /// From `lower` to `upper`.
  public init(lower: Double, upper: Double) { (self.lower, self.upper) = (lower, upper) }
}

/// Draws of seeds with replacement, the same ones for whatever is estimated, so that estimates of one
/// draw share what its seeds share.
struct Resampling {
  let seeds: Int
  /// For each draw how often each seed is in it; a draw's sum is the number of seeds. Empty for fewer
  /// than two seeds, of which nothing can be learned.
  let draws: [[Double]]

  /// - seeds: how many there are. The draws depend on nothing else.
  init(seeds: Int) {
    self.seeds = seeds
    var random = Philox(seed: 0, stream: Philox.stream("resampling"))
    let count = seeds < 2 ? 0 : Self.count
    draws = (0..<count).map { _ in
      var weights = [Double](repeating: 0, count: seeds)
      for _ in 0..<seeds { weights[Int.random(in: 0..<seeds, using: &random)] += 1 }
      return weights
    }
  }

  /// Enough for a standard deviation that is good to 5 %.
  private static let count = 200
}

/// A number estimated from several seeds, with what it is in draws of them.
struct Uncertain: Hashable {
  /// The estimate from all seeds together.
  let value: Double
  /// The estimate in each of `Resampling.draws`.
  let draws: [Double]
  /// How many seeds there are.
  let seeds: Int
  /// What more seeds do not reveal, as a standard deviation: the grid's resolution.
  let resolution: Double

  /// The chance that the truth is beyond an end of an interval.
  static let error = 0.05

  /// Σ_i weights_i·parts_i, draw by draw; resolutions add up as independent.
  static func sum(_ weights: [Double], _ parts: [Uncertain]) -> Uncertain {
    func total(_ values: [Double]) -> Double {
      zip(weights, values).reduce(0) { $0 + $1.0 * $1.1 }
    }
    return Uncertain(
      value: total(parts.map(\.value)),
      draws: parts[0].draws.indices.map { draw in total(parts.map { $0.draws[draw] }) },
      seeds: parts[0].seeds,
      resolution: zip(weights, parts).reduce(0) {
        $0 + $1.0 * $1.0 * $1.1.resolution * $1.1.resolution
      }.squareRoot())
  }

  static func - (a: Uncertain, b: Uncertain) -> Uncertain { sum([1, -1], [a, b]) }

  /// The variance of the estimate by its seeds: that of the draws, which fall short of it by (K − 1)/K.
  private var variance: Double {
    let count = Double(draws.count)
    let mean = draws.reduce(0, +) / count
    let square = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    return square * Double(seeds) / Double(seeds - 1)
  }

  /// The standard error; nil for fewer than two seeds.
  var standardError: Double? {
    draws.isEmpty ? nil : (variance + resolution * resolution).squareRoot()
  }

  /// How far the truth may be off to one side, but for a chance of `error`/`count`; nil for fewer than
  /// two seeds.
  ///
  ///     t·√(s² + q²),  t = Student's point for K − 1 degrees
  ///
  /// with s the standard deviation over the draws of seeds, q the resolution.
  func reach(among count: Int = 1) -> Double? {
    standardError.map {
      $0 * StudentT.quantile(1 - Self.error / Double(count), degreesOfFreedom: seeds - 1)
    }
  }

  /// The 90 % interval: the truth is below it in at most 5 of 100 cases, above it in at most 5.
  var interval: Interval? {
    reach().map { Interval(lower: value - $0, upper: value + $0) }
  }

  /// About how many seeds would bring the reach below `margin`, if they spread as those that are
  /// there; nil where even 200 would not.
  func seeds(forReachOf margin: Double) -> Int? {
    guard !draws.isEmpty, margin > 0 else { return nil }
    let ofOne = variance * Double(seeds)
    return (seeds...max(200, seeds)).first { count in
      let error = (ofOne / Double(count) + resolution * resolution).squareRoot()
      return error * StudentT.quantile(1 - Self.error, degreesOfFreedom: count - 1) <= margin
    }
  }
}
