import Foundation

/// What it costs to tune on the narrowest model: its best rate used at the widest.
public struct Regret: Codable, Hashable, Sendable {
  /// The narrowest width.
  public let narrowWidth: Int
  /// The widest width.
  public let wideWidth: Int
  /// The narrowest width's best rate, as log2.
  public let log2LearningRate: Double
  /// Loss at the widest width with that rate, of the mean over seeds; nil where it diverges or where
  /// the rate lies outside the rates tried there.
  public let loss: Double?
  /// Least loss at the widest width, of the mean over seeds.
  public let bestLoss: Double
  /// `loss − bestLoss`, ≥ 0.
  public let absolute: Double?
  /// (loss − bestLoss)/bestLoss, less what chance alone adds to it; nil where there is no loss, and where
  /// losses are not positive.
  public let relative: Double?
  /// The 90 % interval of `relative`; its upper end is nil where the widest model may diverge. nil for
  /// fewer than two seeds, and where an optimum is at the edge of the grid.
  public let interval: OpenInterval?
  /// Whether some seed of the widest model diverges at that rate, or at a rate tried beside it.
  public let diverges: Bool
  /// Whether more than half of its seeds diverge at every rate tried that the narrowest's best rate may
  /// be.
  public let mostDiverge: Bool

  /// A range whose upper end may be unknown.
  public struct OpenInterval: Codable, Hashable, Sendable {
    /// Its lower end.
    public let lower: Double
    /// Its upper end; nil where there is none.
    public let upper: Double?
  }

  /// A width with its curve.
  typealias Place = (width: Int, curve: LossCurve)

  /// The regret between two widths.
  ///
  /// With h the curve of ln loss at the widest width, v_0 and v_1 the optima of the narrowest and the
  /// widest, the relative regret is exp(h(v_0) − h(v_1)) − 1. Chosen by the same losses that it is
  /// computed from, it is never negative, and so too large in the mean: where h is the fitted curve, by
  /// exp(s²), with s the standard error of ±√(h(v_0) − h(v_1)), of a parabola c·(r − v_1)² that of
  /// √c·(v_0 − v_1); that is taken off. There the interval is that of this root, squared; elsewhere it
  /// is that of h − h(v_1) at the ends of the interval of v_0. Both pair the seeds of the two widths.
  ///
  /// - Returns: also ±√(h(v_0) − h(v_1)), where h is the fitted curve.
  static func between(narrow: Place, wide: Place) -> (regret: Regret, root: Uncertain?) {
    let place = narrow.curve.whole.rate
    let whole = wide.curve.whole
    let height = whole.height(at: place).map { max($0, whole.height) }
    let diverges = wide.curve.diverges(at: place) ?? false
    let isBound = narrow.curve.whole.edge != nil || whole.edge != nil
    let loss = height.map(whole.loss)
    let root = whole.isLogarithmic ? Self.root(narrow.curve, wide.curve) : nil
    var relative = whole.isLogarithmic ? height.map { exp($0 - whole.height) - 1 } : nil
    if let root, let error = root.standardError {
      relative = exp(max(0, root.value * root.value - error * error)) - 1
    }
    var interval: OpenInterval?
    if !isBound && whole.isLogarithmic {
      interval = root.map(Self.interval) ?? Self.interval(narrow.curve, wide.curve)
    }
    return (
      Regret(
        narrowWidth: narrow.width, wideWidth: wide.width, log2LearningRate: place, loss: loss,
        bestLoss: whole.loss, absolute: loss.map { $0 - whole.loss }, relative: relative,
        interval: interval, diverges: height == nil && diverges,
        mostDiverge: !isBound && wide.curve.mostDiverge(within: narrow.curve.rate)),
      isBound ? nil : root
    )
  }

  /// ±√(h(v_0) − h(v_1)), where v_0 is within the span of the widest's fit. Draws without one take that of
  /// all seeds.
  private static func root(_ narrow: LossCurve, _ wide: LossCurve) -> Uncertain? {
    guard let fit = wide.whole.fit, fit.span.contains(narrow.whole.rate) else { return nil }
    func root(_ narrow: FittedCurve, _ wide: FittedCurve) -> Double {
      (wide.fit ?? fit).curve.root(at: narrow.rate - wide.rate)
    }
    let difference = narrow.rate - wide.rate
    let ends = [-1, 1].map {
      fit.curve.root(at: difference.value + $0 * difference.resolution)
    }
    return Uncertain(
      value: root(narrow.whole, wide.whole), draws: zip(narrow.draws, wide.draws).map(root),
      seeds: difference.seeds, resolution: (ends[1] - ends[0]) / 2)
  }

  private static func interval(_ root: Uncertain) -> OpenInterval? {
    root.reach().map { reach in
      let low = max(0, abs(root.value) - reach)
      return OpenInterval(
        lower: exp(low * low) - 1, upper: exp(pow(abs(root.value) + reach, 2)) - 1)
    }
  }

  /// By the curve at both ends of the interval of v_0 − v_1.
  private static func interval(_ narrow: LossCurve, _ wide: LossCurve) -> OpenInterval? {
    let difference = narrow.rate - wide.rate
    guard let reach = difference.reach() else { return nil }
    let ends = [difference.value - reach, difference.value + reach]
    /// The excess at an end, and how far it may be off; nil where it has no finite value. Draws without
    /// one tell nothing of it.
    func excess(_ end: Double, isBound: Bool) -> Uncertain? {
      let rate = wide.whole.rate + end
      func excess(_ curve: FittedCurve) -> Double? {
        curve.height(at: rate, isBound: isBound).map { $0 - curve.height }
      }
      return excess(wide.whole).map {
        Uncertain(
          value: $0, draws: wide.draws.compactMap(excess), seeds: difference.seeds, resolution: 0)
      }
    }
    func bound(_ end: Double, isBound: Bool, _ sign: Double) -> Double? {
      excess(end, isBound: isBound).flatMap { part in part.reach().map { part.value + sign * $0 } }
    }
    let upper = ends.map { bound($0, isBound: false, 1) }
    let lower = ends.compactMap { bound($0, isBound: true, -1) }
    let covers = ends[0] <= 0 && ends[1] >= 0
    let least = covers || lower.count < 2 ? 0 : max(0, lower.min() ?? 0)
    let most = upper.contains { $0 == nil } ? nil : upper.compactMap(\.self).max()
    return OpenInterval(lower: exp(least) - 1, upper: most.map { exp(max(0, $0)) - 1 })
  }
}
