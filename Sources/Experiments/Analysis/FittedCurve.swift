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
  /// What was fitted; nil where nothing was.
  let fit: Fit?
  /// The end of the grid that the best rate is, if it is one.
  let edge: GridEdge?
  /// How far grid and fit may be off, as a standard deviation in octaves.
  let resolution: Double
  /// Whether heights are logarithms: where all losses are positive.
  let isLogarithmic: Bool

  /// A skewed parabola in ln loss about the least loss of the grid.
  struct Fit: Hashable {
    /// The rates where it stands for the curve, its lowest point among them.
    let span: ClosedRange<Double>
    let curve: SkewedParabola
  }

  /// The least loss and the learning rate that would give it; nil where no loss is finite.
  ///
  /// As `jointly(_:_:)` of one curve.
  init?(rates: [Double], losses: [Double], noise: LossNoise = .unknown) {
    guard let curve = Self.jointly([(rates, losses)], noise)[0] else { return nil }
    self = curve
  }

  /// The curves of a sweep's widths, each with the learning rate of its least loss; nil for one
  /// without a finite loss.
  ///
  ///     minimise Σ_i w_i·(ln L_i − f(r_i))²,  w_i = 1/(1 + (h_i/h_0)²)²,  h_i = ln L_i − min_j ln L_j
  ///
  /// with f a `SkewedParabola`, h_0 the noise's `reach`. Losses far above the least hardly count,
  /// the less the smaller the noise: how a curve goes on far from its lowest point says little of
  /// where that is, and leads a parabola astray by up to an octave where one side is steep and the
  /// other long. What is left of that the skew takes up, which the widths choose together:
  /// `LossNoise.skews(_:)`. The logarithm makes the fit free of the loss's unit and of its level,
  /// which falls with width; being monotone it leaves the minimum in place.
  ///
  /// The lowest point is to lie among the rates with h ≤ h_0, or the two beside the grid's best;
  /// where it does not, the parabola through these three is taken. Where the next rate diverges on
  /// one side, the two on the other take its place, the skew is that of the other widths, and the
  /// optimum goes at most half a step towards what diverges. Where a loss is not positive it is the
  /// three-point parabola through the losses themselves.
  ///
  /// No refinement where a neighbour is missing, where both diverge, or where there is no lowest
  /// point. The grid minimum is on an edge where it is the first or last rate *tried*: a best rate
  /// whose next one diverges is bracketed by it and is not on an edge.
  ///
  /// - whole: the curves of all seeds, of which these are a draw. What is a parabola there is one
  ///   here: whether that is more than chance has been asked once.
  static func jointly(
    _ curves: [(rates: [Double], losses: [Double])], _ noise: LossNoise,
    drawnFrom whole: [FittedCurve?] = []
  ) -> [FittedCurve?] {
    let points = curves.map { FitPoints($0.rates, $0.losses, noise) }
    let fits = points.enumerated().map { place, points in
      points?.fits(isParabola: !whole.isEmpty && whole[place]?.fit?.curve.skew == 0) ?? []
    }
    let skews = noise.skews(
      zip(points, fits).map { points, fits in
        points?.tellsSkew == true ? fits.map { $0?.remainder } : []
      })
    return points.indices.map { place in
      points[place].map { points in
        let fits = fits[place]
        let fit = fits.count == 1 ? fits[0] : fits.isEmpty ? nil : fits[skews[place]]
        return FittedCurve(points, fit?.curve)
      }
    }
  }

  private init(_ points: FitPoints, _ curve: SkewedParabola?) {
    (rates, losses, isLogarithmic) = (points.rates, points.losses, points.isLogarithmic)
    gridRate = rates[points.best]
    let last = rates.count - 1
    edge = points.best == 0 ? .lowest : points.best == last ? .highest : nil
    if let refined = points.refined(curve) {
      (fit, rate, resolution) = refined
      height = refined.fit.curve.value(at: rate)
    } else {
      let low = max(points.best - 1, 0)
      let high = min(points.best + 1, last)
      (fit, rate) = (nil, gridRate)
      // Anywhere in its cell: uniform, so step/√12.
      resolution =
        high > low ? (rates[high] - rates[low]) / Double(high - low) / 12.0.squareRoot() : 0
      height = isLogarithmic ? log(losses[points.best]) : losses[points.best]
    }
  }

  /// The loss at the optimum.
  var loss: Double { loss(ofHeight: height) }

  /// The loss of a height.
  func loss(ofHeight height: Double) -> Double { isLogarithmic ? exp(height) : height }

  /// ln loss at any rate, by the fit within its span, else by straight lines between the rates
  /// tried.
  ///
  /// - Returns: nil outside of the grid, and where a neighbour diverged, unless `isBound`: then the
  ///   other neighbour's, which it is at least about.
  func height(at rate: Double, isBound: Bool = false) -> Double? {
    if let fit, fit.span.contains(rate) { return fit.curve.value(at: rate) }
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

  /// The places of the rates from `low` to `high`, with the next ones about them where these are
  /// between two; none where they reach out of the grid.
  func places(from low: Double, to high: Double) -> Range<Int> {
    guard let first = rates.lastIndex(where: { $0 <= low }),
      let last = rates.firstIndex(where: { $0 >= high })
    else { return 0..<0 }
    return first..<last + 1
  }
}

/// What of a curve is fitted.
private struct FitPoints {
  let rates: [Double]
  let losses: [Double]
  /// The place of the least loss.
  let best: Int
  let isLogarithmic: Bool
  /// The best and its two neighbours, or two on the side where nothing diverges; nil where there
  /// are none.
  private let least: ClosedRange<Int>?
  /// `least`, and every place connected to it through heights within the noise's reach.
  private let reach: ClosedRange<Int>
  private let isBelow: Bool
  private let isAbove: Bool
  /// Those with a weight, connected to the best through finite losses.
  private let fitted: (rates: [Double], heights: [Double], weights: [Double])

  init?(_ rates: [Double], _ losses: [Double], _ noise: LossNoise) {
    guard let best = losses.indices.min(by: { losses[$0] < losses[$1] }), losses[best].isFinite
    else { return nil }
    (self.rates, self.losses, self.best) = (rates, losses, best)
    let isLogarithmic = losses.allSatisfy { $0 > 0 }
    self.isLogarithmic = isLogarithmic
    let last = rates.count - 1
    func isFinite(_ place: Int) -> Bool { losses.indices.contains(place) && losses[place].isFinite }
    (isBelow, isAbove) = (!isFinite(best - 1), !isFinite(best + 1))
    var low = isBelow ? best : isAbove ? best - 2 : best - 1
    var high = isAbove ? best : isBelow ? best + 2 : best + 1
    let isInner = best > 0 && best < last && !(isBelow && isAbove)
    guard isInner, isFinite(low), isFinite(high) else {
      (least, reach, fitted) = (nil, best...best, ([], [], []))
      return
    }
    let three = low...high
    var all = three
    if isLogarithmic {
      let limit = losses[best] * exp(noise.reach)
      while low > 0 && losses[low - 1] <= limit { low -= 1 }
      while high < last && losses[high + 1] <= limit { high += 1 }
      var (first, end) = (three.lowerBound, three.upperBound)
      while isFinite(first - 1) { first -= 1 }
      while isFinite(end + 1) { end += 1 }
      all = first...end
    }
    (least, reach) = (three, low...high)
    let heights = all.map { isLogarithmic ? log(losses[$0]) : losses[$0] }
    let lowest = isLogarithmic ? log(losses[best]) : losses[best]
    fitted = (
      Array(rates[all]), heights,
      heights.map { isLogarithmic ? noise.weight(ofHeight: $0 - lowest) : 1 }
    )
  }

  /// Whether both sides of the lowest point are seen.
  var tellsSkew: Bool { least != nil && isLogarithmic && !isBelow && !isAbove }

  /// By skew of `LossNoise.skews`, of a parabola the first alone; empty where there are no three
  /// points.
  func fits(isParabola: Bool) -> [(curve: SkewedParabola, remainder: Double)?] {
    guard least != nil else { return [] }
    return LossNoise.skews.prefix(isParabola || !isLogarithmic ? 1 : LossNoise.skews.count).map {
      SkewedParabola.fit(
        fitted.rates, fitted.heights, weights: fitted.weights, about: rates[best], skew: $0)
    }
  }

  /// The optimum by a curve; nil where there is none.
  func refined(
    _ curve: SkewedParabola?
  ) -> (fit: FittedCurve.Fit, rate: Double, resolution: Double)? {
    guard let least, var curve else { return nil }
    var (low, high) = (reach.lowerBound, reach.upperBound)
    if !isBelow && !isAbove, !(rates[low]...rates[high]).contains(curve.lowest),
      let three = SkewedParabola.fit(
        Array(rates[least]), losses[least].map { isLogarithmic ? log($0) : $0 },
        weights: [1, 1, 1], about: rates[best], skew: 0)
    {
      (curve, low, high) = (three.curve, least.lowerBound, least.upperBound)
    }
    let step = (rates[high] - rates[low]) / Double(high - low)
    let rate = min(
      max(curve.lowest, rates[low] - (isBelow ? step / 2 : 0)),
      rates[high] + (isAbove ? step / 2 : 0))
    // Off by how little the curve is like the fit, which beside what diverges is seen from one side
    // only: step/20 and step/6 hold in the simulations of TransferSimulationTests.
    return (
      FittedCurve.Fit(span: min(rate, rates[low])...max(rate, rates[high]), curve: curve), rate,
      isBelow || isAbove ? step / 6 : step / 20
    )
  }
}

/// An end of the grid of learning rates.
public enum GridEdge: String, Codable, Hashable, Sendable {
  /// The lowest rate tried: the optimum may lie below.
  case lowest
  /// The highest rate tried: the optimum may lie above.
  case highest
}
