import Foundation

/// How the best learning rate moves with width.
public struct Drift: Codable, Hashable, Sendable {
  /// A 95 % interval, in octaves per doubling.
  public struct Interval: Codable, Hashable, Sendable {
    /// Its lower end.
    public let lower: Double
    /// Its upper end.
    public let upper: Double
  }

  /// Octaves of learning rate per doubling of width; negative where wide models want less.
  public let octavesPerDoubling: Double
  /// The 95 % interval; nil where fewer than two seeds are complete, or where the best rate of
  /// some width is at the edge of the grid, as the drift is then only a bound.
  public let interval: Interval?
  /// The seeds that count: those with an optimum at every width.
  public let seeds: Int

  /// The least-squares slope of the optimum against log2 of the width.
  ///
  ///     d_k = Σ_w c_w·r_kw,  c_w = (x_w − x̄)/Σ(x − x̄)²,  x_w = log2 w
  ///     d = mean_k d_k,  interval d ± √((t·s/√K)² + (1.96)²·Σ_w c_w²·q_w²)
  ///
  /// with r_kw the optimum of seed k at width w, s the standard deviation of the d_k, and t
  /// Student's 97.5 % point for K − 1 degrees. A seed is the unit, as runs of one seed share the
  /// order of their data at every width; so the slopes d_k, and nothing smaller, are independent.
  /// For three to five of them Student's interval is exact up to normality. The jackknife and the
  /// bootstrap on mean curves are not better: the former covers as well and is no narrower in the
  /// simulations of `LossCurve.window`, the latter has too few distinct resamples.
  ///
  /// q_w is what more seeds cannot reveal: the resolution of the grid, averaged over seeds (see
  /// `LossCurve.Optimum.resolution`). Without it, seeds that all pick the same grid point would
  /// give an interval of length zero.
  ///
  /// - means: the mean curve's optimum by width, the slope where fewer than two seeds are complete.
  /// - bySeed: for each seed the optimum by width.
  /// - Returns: nil for fewer than two widths.
  static func fit(
    means: [Int: LossCurve.Optimum], bySeed: [[Int: LossCurve.Optimum]]
  ) -> Drift? {
    let widths = means.keys.sorted()
    guard widths.count >= 2 else { return nil }
    let x = widths.map { log2(Double($0)) }
    let center = x.reduce(0, +) / Double(x.count)
    let spread = x.reduce(0) { $0 + ($1 - center) * ($1 - center) }
    let weights = x.map { ($0 - center) / spread }
    func slope(_ rates: [Double]) -> Double { zip(weights, rates).reduce(0) { $0 + $1.0 * $1.1 } }

    let complete = bySeed.map { seed in widths.compactMap { seed[$0] } }
      .filter { $0.count == widths.count }
    guard complete.count >= 2 else {
      let rates = widths.compactMap { means[$0]?.rate }
      return Drift(octavesPerDoubling: slope(rates), interval: nil, seeds: complete.count)
    }
    let count = Double(complete.count)
    let slopes = complete.map { slope($0.map(\.rate)) }
    let mean = slopes.reduce(0, +) / count
    let variance = slopes.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    let t = StudentT.percentile975(degreesOfFreedom: complete.count - 1)
    let resolution = weights.indices.reduce(0.0) { sum, w in
      let square = complete.reduce(0) { $0 + $1[w].resolution * $1[w].resolution } / count
      return sum + weights[w] * weights[w] * square
    }
    let z = StudentT.normalPercentile975
    let half = (t * t * variance / count + z * z * resolution).squareRoot()
    let isBound = means.values.contains { $0.edge != nil }
    return Drift(
      octavesPerDoubling: mean,
      interval: isBound ? nil : Interval(lower: mean - half, upper: mean + half),
      seeds: complete.count)
  }
}
