import Foundation

/// Loss as a function of log2 of the learning rate, at one width.
struct LossCurve {
  /// A learning rate and the loss it led to.
  struct Point: Hashable {
    let rate: Double
    /// +∞ where the run diverged.
    let loss: Double
  }

  /// By rate, each rate once.
  let points: [Point]

  /// - losses: by log2 rate; +∞ where the run diverged.
  init(_ losses: [Double: Double]) {
    points = losses.sorted { $0.key < $1.key }.map { Point(rate: $0.key, loss: $0.value) }
  }

  /// The lowest point of a curve, on its grid and between the grid's points.
  struct Optimum: Hashable {
    /// The grid's rate with the least loss, the lower one of equals.
    let gridRate: Double
    /// The loss there.
    let loss: Double
    /// The optimum after refinement; `gridRate` where there was none.
    let rate: Double
    /// Whether a parabola was fitted.
    let isRefined: Bool
    /// The end of the grid that the best rate is, if it is one.
    let edge: GridEdge?
    /// How far grid and fit may be off, as a standard deviation in octaves.
    let resolution: Double
  }

  /// A loss at most this factor above the least joins the fit.
  ///
  /// Chosen by simulation over parabolas, flat, lopsided and cut-off minima with noise of 1–5 %
  /// (4 widths, 3–4 seeds): against the three-point parabola the error of the drift falls five- to
  /// ninefold at flat minima and is unchanged at steep ones. At a factor of 1.5 lopsided minima
  /// are fitted so badly that 95 % intervals cover only 70–90 %.
  static let window = 1.25

  /// The least loss and the learning rate that would give it; nil where every run diverged.
  ///
  ///     minimise Σ_i (ln L_i − a − b·(r_i − r_0) − c·(r_i − r_0)²)²;  optimum r_0 − b/2c
  ///
  /// with r_0 the grid minimum and i over it, its two neighbours, and every point connected to
  /// these through losses ≤ 1.25·L_0: a steep minimum is the exact parabola through three points,
  /// a flat one, where the lowest grid point is a matter of chance, averages over its whole bottom.
  /// The result stays within the points of the fit.
  ///
  /// The logarithm makes the fit free of the loss's unit and of its level, which falls with width;
  /// being monotone it leaves the minimum in place. It needs positive losses: where one of the
  /// fitted losses is not, the three-point parabola through the losses themselves is taken.
  ///
  /// No refinement where a neighbour is missing or diverged or where the parabola is not convex.
  /// The grid minimum is on an edge where it is the first or last rate *tried*: a best rate whose
  /// next one diverges is bracketed by it and is not on an edge.
  func optimum() -> Optimum? {
    guard let best = points.indices.min(by: { points[$0].loss < points[$1].loss }),
      points[best].loss.isFinite
    else { return nil }
    let last = points.count - 1
    let edge: GridEdge? = best == 0 ? .lowest : best == last ? .highest : nil
    let low = max(best - 1, 0)
    let high = min(best + 1, last)
    let step = high > low ? (points[high].rate - points[low].rate) / Double(high - low) : 0
    let vertex =
      edge == nil && points[low].loss.isFinite && points[high].loss.isFinite
      ? vertex(around: best) : nil
    // An unrefined optimum is anywhere in its cell: uniform, so step/√12. A refined one is off by
    // how little the curve is a parabola: under step/20 in the simulations above.
    return Optimum(
      gridRate: points[best].rate, loss: points[best].loss, rate: vertex ?? points[best].rate,
      isRefined: vertex != nil, edge: edge,
      resolution: vertex == nil ? step / 12.0.squareRoot() : step / 20)
  }

  private func vertex(around best: Int) -> Double? {
    var low = best - 1
    var high = best + 1
    let takesLogarithm = points[low...high].allSatisfy { $0.loss > 0 }
    if takesLogarithm {
      let limit = Self.window * points[best].loss
      while low > 0 && points[low - 1].loss <= limit { low -= 1 }
      while high < points.count - 1 && points[high + 1].loss <= limit { high += 1 }
    }
    let origin = points[best].rate
    let fitted = points[low...high]
    let parabola = Self.parabola(
      fitted.map { $0.rate - origin }, fitted.map { takesLogarithm ? log($0.loss) : $0.loss })
    guard let parabola, parabola.square > 0 else { return nil }
    let vertex = origin - parabola.slope / (2 * parabola.square)
    return vertex.isFinite ? min(max(vertex, points[low].rate), points[high].rate) : nil
  }

  /// Slope and square coefficient of the least-squares parabola; nil for fewer than three x.
  ///
  /// By orthogonal polynomials 1, x − x̄, and what of (x − x̄)² these leave, which needs no solve.
  private static func parabola(
    _ x: [Double], _ y: [Double]
  ) -> (slope: Double, square: Double)? {
    let count = Double(x.count)
    let center = x.reduce(0, +) / count
    let first = x.map { $0 - center }
    let second = first.reduce(0) { $0 + $1 * $1 }
    let third = first.reduce(0) { $0 + $1 * $1 * $1 }
    guard second > 0 else { return nil }
    let quadratic = first.map { $0 * $0 - second / count - $0 * third / second }
    let norm = quadratic.reduce(0) { $0 + $1 * $1 }
    guard norm > 1e-12 * second * second else { return nil }
    let linear = zip(first, y).reduce(0) { $0 + $1.0 * $1.1 } / second
    let square = zip(quadratic, y).reduce(0) { $0 + $1.0 * $1.1 } / norm
    // d/dx of linear·(x − x̄) + square·((x − x̄)² − (x − x̄)·third/second), at x = 0.
    return (linear - square * third / second - 2 * square * center, square)
  }

  /// The loss at `rate`: as measured, or between two rates by a straight line in ln loss.
  ///
  /// - Returns: +∞ where a neighbour diverged; nil outside the grid.
  func loss(at rate: Double) -> Double? {
    guard let high = points.firstIndex(where: { $0.rate >= rate }) else { return nil }
    if points[high].rate == rate { return points[high].loss }
    guard high > 0 else { return nil }
    let (left, right) = (points[high - 1], points[high])
    guard left.loss.isFinite && right.loss.isFinite else { return .infinity }
    let share = (rate - left.rate) / (right.rate - left.rate)
    if left.loss > 0 && right.loss > 0 {
      return exp((1 - share) * log(left.loss) + share * log(right.loss))
    }
    return (1 - share) * left.loss + share * right.loss
  }
}

/// An end of the grid of learning rates.
public enum GridEdge: String, Codable, Hashable, Sendable {
  /// The lowest rate tried: the optimum may lie below.
  case lowest
  /// The highest rate tried: the optimum may lie above.
  case highest
}
