/// What it costs to tune on the narrowest model: its best rate used at the widest.
public struct Regret: Codable, Hashable, Sendable {
  /// The narrowest width.
  public let narrowWidth: Int
  /// The widest width.
  public let wideWidth: Int
  /// The narrowest width's best rate on the grid, as log2.
  public let log2LearningRate: Double
  /// Loss at the widest width with that rate, mean over seeds; nil where it diverges or where
  /// the rate lies outside the rates tried there.
  public let loss: Double?
  /// Least loss at the widest width, mean over seeds.
  public let bestLoss: Double
  /// `loss − bestLoss`, ≥ 0 where the rate is one of the rates tried.
  public let absolute: Double?
  /// `absolute/bestLoss`; nil where the best loss is not positive.
  public let relative: Double?
  /// Whether the widest model diverges at that rate, for any seed.
  public let diverges: Bool

  /// The regret between two widths' mean curves.
  ///
  /// The grid's best rate is taken rather than the refined one: it is a rate that was run, so the
  /// regret is a difference of measured losses. Where the widest width did not try it, its loss
  /// is interpolated. Nil where a curve has no optimum.
  static func between(
    narrow: (width: Int, curve: LossCurve), wide: (width: Int, curve: LossCurve)
  ) -> Regret? {
    guard let rate = narrow.curve.optimum()?.gridRate, let best = wide.curve.optimum()?.loss else {
      return nil
    }
    let found = wide.curve.loss(at: rate)
    let loss = found.flatMap { $0.isFinite ? $0 : nil }
    let absolute = loss.map { $0 - best }
    return Regret(
      narrowWidth: narrow.width, wideWidth: wide.width, log2LearningRate: rate, loss: loss,
      bestLoss: best, absolute: absolute, relative: best > 0 ? absolute.map { $0 / best } : nil,
      diverges: found == .infinity)
  }
}
