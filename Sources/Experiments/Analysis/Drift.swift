import Foundation

/// How the best learning rate moves with width.
public struct Drift: Codable, Hashable, Sendable {
  /// Octaves of learning rate per doubling of width; negative where wide models want less.
  public let octavesPerDoubling: Double
  /// The 90 % interval; nil for fewer than two seeds, or where the best rate of some width is at the
  /// edge of the grid, as the drift is then only a bound.
  public let interval: Interval?
  /// The seeds that count.
  public let seeds: Int

  /// The least-squares slope of the optimum against log2 of the width:
  ///
  ///     d = Σ_w c_w·v_w,  c_w = (x_w − x̄)/Σ(x − x̄)²,  x_w = log2 w
  ///
  /// with v_w the optimum of the mean curve at width w. Its interval takes a seed as the unit, as runs of
  /// one seed share the order of their data at every width: seeds are drawn with replacement, the same at
  /// all widths, and d is computed of each draw (a bootstrap; its standard deviation enters Student's
  /// interval, as of few seeds its percentiles are too narrow).
  ///
  /// - curves: by width.
  /// - Returns: nil for fewer than two widths.
  static func fit(curves: [Int: LossCurve]) -> (drift: Drift, estimate: Uncertain)? {
    fit(
      curves.sorted { $0.key < $1.key }.map { ($0.key, $0.value.rate) },
      isBound: curves.values.contains { $0.whole.edge != nil })
  }

  /// The same of the optima themselves, by ascending width.
  ///
  /// - isBound: whether one of them is at the edge of its grid.
  static func fit(
    _ optima: [(width: Int, rate: Uncertain)], isBound: Bool = false
  ) -> (drift: Drift, estimate: Uncertain)? {
    guard let line = LineOverWidth(optima.map(\.width)) else { return nil }
    let estimate = Uncertain.sum(line.slope, optima.map(\.rate))
    return (
      Drift(
        octavesPerDoubling: estimate.value, interval: isBound ? nil : estimate.interval,
        seeds: estimate.seeds),
      estimate
    )
  }
}

/// The least-squares line of something against log2 of the width, as weights of its values.
struct LineOverWidth {
  /// Σ slope_i·value_i is the line's slope a doubling.
  let slope: [Double]
  private let center: Double

  /// - Returns: nil for fewer than two different widths.
  init?(_ widths: [Int]) {
    let x = widths.map { log2(Double($0)) }
    let center = x.reduce(0, +) / Double(x.count)
    let spread = x.reduce(0) { $0 + ($1 - center) * ($1 - center) }
    guard spread > 0 else { return nil }
    slope = x.map { ($0 - center) / spread }
    self.center = center
  }

  /// Σ value(at: width)_i·value_i is the line's value there.
  func value(at width: Int) -> [Double] {
    slope.map { 1 / Double(slope.count) + $0 * (log2(Double(width)) - center) }
  }
}

/// How far the best rate is off at the width where it is furthest from the narrowest's.
public struct Deviation: Codable, Hashable, Sendable {
  /// The narrowest width.
  public let narrowWidth: Int
  /// The width that is furthest off.
  public let width: Int
  /// Octaves of learning rate between the two; negative where that width wants less.
  public let octaves: Double
  /// The 90 % interval of the size of the largest deviation of any width: its lower end holds for all
  /// widths together, its upper end is the highest of any width's. nil for fewer than two seeds or where an
  /// optimum is at the edge of the grid.
  public let interval: Interval?
  /// Whether the best rate of some width is at the edge of the grid, so that it may be further off.
  public let isBound: Bool

  /// The largest of the differences v_w − v_narrow.
  ///
  /// The lower end is that of the width that has the highest, each at the error of Bonferroni for as many
  /// widths as are compared; the upper end needs no such share: it fails only where the width that in
  /// truth is furthest off is above its own.
  /// - Returns: nil for fewer than two widths; `estimates` are of the other widths.
  static func largest(
    _ curves: [Int: LossCurve]
  ) -> (deviation: Deviation, estimates: [(width: Int, difference: Uncertain)])? {
    let widths = curves.keys.sorted()
    guard widths.count >= 2, let narrow = curves[widths[0]] else { return nil }
    let estimates = widths.dropFirst().compactMap { width in
      curves[width].map { (width: width, difference: $0.rate - narrow.rate) }
    }
    let furthest = estimates.max { abs($0.difference.value) < abs($1.difference.value) }
    guard let furthest else { return nil }
    let ends = estimates.compactMap { _, difference -> Interval? in
      guard let below = difference.reach(among: estimates.count), let above = difference.reach()
      else { return nil }
      let size = abs(difference.value)
      return Interval(lower: max(0, size - below), upper: size + above)
    }
    let isBound = curves.values.contains { $0.whole.edge != nil }
    let interval =
      ends.count == estimates.count && !isBound
      ? Interval(
        lower: ends.map(\.lower).max() ?? 0, upper: ends.map(\.upper).max() ?? 0) : nil
    return (
      Deviation(
        narrowWidth: widths[0], width: furthest.width, octaves: furthest.difference.value,
        interval: interval, isBound: isBound), estimates
    )
  }
}
