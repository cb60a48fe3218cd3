import Foundation

/// Loss as a function of log2 of the learning rate, with its lowest point.
struct FittedCurve: Hashable {
  /// Ascending.
  let rates: [Double]
  /// By rate; +∞ where a run diverged.
  let losses: [Double]
  /// The grid's rate with the least loss, the lower one of equals.
  let gridRate: Double
  /// The optimum after refinement; the grid's rate where there was none.
  let rate: Double
  /// ln of the loss there, the loss itself where losses are not positive.
  let height: Double
  /// The parabola that was fitted; nil where none was.
  let fit: Fit?
  /// The end of the grid that the best rate is, if it is one.
  let edge: GridEdge?
  /// How far grid and fit may be off, as a standard deviation in octaves.
  let resolution: Double
  /// Whether heights are logarithms: where all losses are positive.
  let isLogarithmic: Bool

  /// A parabola in ln loss about the least loss of the grid.
  struct Fit: Hashable {
    /// The rates that it was fitted to, and its own lowest point.
    let span: ClosedRange<Double>
    /// Of the distance to `gridRate`.
    let parabola: Parabola
  }

  /// A loss at most this factor above the least joins the fit.
  ///
  /// Chosen by simulation over parabolas, flat, lopsided and cut-off minima with noise of 1–5 %
  /// (4 widths, 3–4 seeds): against the three-point parabola the error of the drift falls five- to
  /// ninefold at flat minima and is unchanged at steep ones. At a factor of 1.5 lopsided minima
  /// are fitted so badly that intervals do not cover.
  static let window = 1.25

  /// The least loss and the learning rate that would give it; nil where no loss is finite.
  ///
  ///     minimise Σ_i (ln L_i − a − b·(r_i − r_0) − c·(r_i − r_0)²)²;  optimum r_0 − b/2c
  ///
  /// with r_0 the grid minimum and i over it, its two neighbours, and every point connected to
  /// these through losses ≤ 1.25·L_0: a steep minimum is the exact parabola through three points,
  /// a flat one, where the lowest grid point is a matter of chance, averages over its whole bottom. Where
  /// one side is so steep and the other so long that the parabola's lowest point is beyond all these, the
  /// three points are taken.
  /// Where the next rate diverges on one side, the two on the other take its place, and the optimum
  /// goes at most half a step towards what diverges; else it stays within the points of the fit.
  ///
  /// The logarithm makes the fit free of the loss's unit and of its level, which falls with width;
  /// being monotone it leaves the minimum in place. It needs positive losses: where one is not, the
  /// three-point parabola through the losses themselves is taken.
  ///
  /// No refinement where a neighbour is missing, where both diverge, or where the parabola is not
  /// convex. The grid minimum is on an edge where it is the first or last rate *tried*: a best rate
  /// whose next one diverges is bracketed by it and is not on an edge.
  init?(rates: [Double], losses: [Double]) {
    guard let best = losses.indices.min(by: { losses[$0] < losses[$1] }), losses[best].isFinite
    else { return nil }
    (self.rates, self.losses) = (rates, losses)
    isLogarithmic = losses.allSatisfy { $0 > 0 }
    gridRate = rates[best]
    let last = rates.count - 1
    edge = best == 0 ? .lowest : best == last ? .highest : nil
    let refined =
      edge == nil ? Self.refined(rates, losses, around: best, isLogarithmic: isLogarithmic) : nil
    if let refined {
      (fit, rate, resolution) = refined
      height = refined.fit.parabola.value(at: rate - gridRate)
    } else {
      let low = max(best - 1, 0)
      let high = min(best + 1, last)
      (fit, rate) = (nil, gridRate)
      // Anywhere in its cell: uniform, so step/√12.
      resolution =
        high > low ? (rates[high] - rates[low]) / Double(high - low) / 12.0.squareRoot() : 0
      height = isLogarithmic ? log(losses[best]) : losses[best]
    }
  }

  private static func refined(
    _ rates: [Double], _ losses: [Double], around best: Int, isLogarithmic: Bool
  ) -> (fit: Fit, rate: Double, resolution: Double)? {
    func isFinite(_ index: Int) -> Bool { losses.indices.contains(index) && losses[index].isFinite }
    var (low, high) = (best - 1, best + 1)
    let isBelow = !isFinite(low)
    let isAbove = !isFinite(high)
    if isBelow { (low, high) = (best, best + 2) }
    if isAbove { (low, high) = (best - 2, best) }
    guard !(isBelow && isAbove), isFinite(low), isFinite(high) else { return nil }
    let least = low...high
    if isLogarithmic {
      let limit = window * losses[best]
      while low > 0 && losses[low - 1] <= limit { low -= 1 }
      while high < rates.count - 1 && losses[high + 1] <= limit { high += 1 }
    }
    /// The parabola through these places, and its lowest point.
    func fitted(_ places: ClosedRange<Int>) -> (parabola: Parabola, vertex: Double)? {
      let parabola = Parabola(
        rates[places].map { $0 - rates[best] },
        losses[places].map { isLogarithmic ? log($0) : $0 })
      guard let parabola, parabola.square > 0 else { return nil }
      let vertex = rates[best] - parabola.slope / (2 * parabola.square)
      return vertex.isFinite ? (parabola, vertex) : nil
    }
    guard var fit = fitted(low...high) else { return nil }
    if !isBelow && !isAbove, !(rates[low]...rates[high]).contains(fit.vertex),
      let narrow = fitted(least)
    {
      (fit, low, high) = (narrow, least.lowerBound, least.upperBound)
    }
    let step = (rates[high] - rates[low]) / Double(high - low)
    let (parabola, vertex) = fit
    let rate = min(
      max(vertex, rates[low] - (isBelow ? step / 2 : 0)), rates[high] + (isAbove ? step / 2 : 0))
    // Off by how little the curve is a parabola, which beside what diverges is seen from one side only:
    // step/20 and step/6 hold in the simulations of TransferSimulationTests.
    return (
      Fit(span: min(rate, rates[low])...max(rate, rates[high]), parabola: parabola), rate,
      isBelow || isAbove ? step / 6 : step / 20
    )
  }

  /// The loss at the optimum.
  var loss: Double { loss(ofHeight: height) }

  /// The loss of a height.
  func loss(ofHeight height: Double) -> Double { isLogarithmic ? exp(height) : height }

  /// ln loss at any rate, by the parabola within its span, else by straight lines between the rates
  /// tried.
  ///
  /// - Returns: nil outside of the grid, and where a neighbour diverged, unless `isBound`: then the other
  ///   neighbour's, which it is at least about.
  func height(at rate: Double, isBound: Bool = false) -> Double? {
    if let fit, fit.span.contains(rate) { return fit.parabola.value(at: rate - gridRate) }
    let beside = places(from: rate, to: rate)
    guard let first = beside.first, let last = beside.last else { return nil }
    func height(_ place: Int) -> Double? {
      losses[place].isFinite ? isLogarithmic ? log(losses[place]) : losses[place] : nil
    }
    guard first != last else { return height(first) }
    guard let left = height(first), let right = height(last) else {
      return isBound ? height(first) ?? height(last) : nil
    }
    let share = (rate - rates[first]) / (rates[last] - rates[first])
    return (1 - share) * left + share * right
  }

  /// The places of the rates from `low` to `high`, with the next ones about them where these are between
  /// two; none where they reach out of the grid.
  func places(from low: Double, to high: Double) -> Range<Int> {
    guard let first = rates.lastIndex(where: { $0 <= low }),
      let last = rates.firstIndex(where: { $0 >= high })
    else { return 0..<0 }
    return first..<last + 1
  }
}

/// constant + slope·x + square·x².
struct Parabola: Hashable {
  let constant: Double
  let slope: Double
  let square: Double

  func value(at x: Double) -> Double { constant + x * (slope + x * square) }

  /// The least-squares parabola; nil for fewer than three x.
  ///
  /// By orthogonal polynomials 1, x − x̄, and what of (x − x̄)² these leave, which needs no solve.
  init?(_ x: [Double], _ y: [Double]) {
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
    square = zip(quadratic, y).reduce(0) { $0 + $1.0 * $1.1 } / norm
    // mean + linear·d + square·(d² − second/count − d·third/second) with d = x − x̄.
    let tilt = linear - square * third / second
    slope = tilt - 2 * square * center
    constant =
      y.reduce(0, +) / count - square * second / count - tilt * center + square * center * center
  }
}

/// An end of the grid of learning rates.
public enum GridEdge: String, Codable, Hashable, Sendable {
  /// The lowest rate tried: the optimum may lie below.
  case lowest
  /// The highest rate tried: the optimum may lie above.
  case highest
}
