import Foundation

/// A parabola that is steeper on one side of its lowest point than on the other.
///
///     least + curvature·(e^(k·y) − k·y − 1)/k²,  y = rate − lowest
///
/// with k the skew: the parabola least + curvature·y²/2 for k = 0, steeper above for k > 0, below
/// for k < 0.
struct SkewedParabola: Hashable {
  /// Where it is lowest.
  let lowest: Double
  /// Its value there.
  let least: Double
  /// Its second derivative there, > 0.
  let curvature: Double
  /// k, in 1/octaves.
  let skew: Double

  func value(at rate: Double) -> Double { least + curvature * Self.unit(rate - lowest, skew) }

  /// ±√ of the rise at a distance from the lowest point, with the sign of the distance:
  /// √(curvature/2)·y of a parabola.
  func root(at distance: Double) -> Double {
    let rise = (curvature * Self.unit(distance, skew)).squareRoot()
    return distance < 0 ? -rise : rise
  }

  /// (e^(k·y) − k·y − 1)/k², ≥ 0.
  private static func unit(_ y: Double, _ skew: Double) -> Double {
    skew == 0 ? y * y / 2 : max(0, expm1(skew * y) - skew * y) / (skew * skew)
  }

  /// The one of a skew with the least Σ_i w_i·(value(x_i) − y_i)², and that sum.
  ///
  /// For a given k it is linear in 1, d and (e^(k·d) − k·d − 1)/k², d the distance from any place:
  ///
  ///     a + b·d + c·(e^(k·d) − k·d − 1)/k² is lowest at d = ln(1 − k·b/c)/k, with the curvature c − k·b
  ///
  /// - place: what distances are taken from.
  /// - Returns: nil for fewer than three x, and where there is no lowest point.
  static func fit(
    _ x: [Double], _ y: [Double], weights: [Double], about place: Double, skew: Double
  ) -> (curve: SkewedParabola, remainder: Double)? {
    let linear = x.map { $0 - place }
    let bent = linear.map { unit($0, skew) }
    var (total, meanLinear, meanBent, meanY) = (0.0, 0.0, 0.0, 0.0)
    for i in x.indices {
      let weight = weights[i]
      total += weight
      meanLinear += weight * linear[i]
      meanBent += weight * bent[i]
      meanY += weight * y[i]
    }
    guard total > 0 else { return nil }
    meanLinear /= total
    meanBent /= total
    meanY /= total
    var (linears, bents, cross) = (0.0, 0.0, 0.0)
    var (linearY, bentY, squareY) = (0.0, 0.0, 0.0)
    for i in x.indices {
      let (weight, d) = (weights[i], linear[i] - meanLinear)
      let (q, h) = (bent[i] - meanBent, y[i] - meanY)
      linears += weight * d * d
      cross += weight * d * q
      bents += weight * q * q
      linearY += weight * d * h
      bentY += weight * q * h
      squareY += weight * h * h
    }
    guard linears > 0 else { return nil }
    // What of the bent term and of y the linear one leaves.
    let free = bents - cross * cross / linears
    guard free > 1e-12 * bents else { return nil }
    let freeY = bentY - cross * linearY / linears
    // A straight line but for rounding has no lowest point.
    guard freeY * freeY > 1e-20 * free * squareY else { return nil }
    let c = freeY / free
    let b = (linearY - c * cross) / linears
    let curvature = c - skew * b
    guard c > 0, curvature > 0 else { return nil }
    let distance = skew == 0 ? -b / c : log(curvature / c) / skew
    guard distance.isFinite else { return nil }
    let a = meanY - b * meanLinear - c * meanBent
    return (
      SkewedParabola(
        lowest: place + distance, least: a + b * distance + c * unit(distance, skew),
        curvature: curvature, skew: skew),
      max(0, squareY - linearY * linearY / linears - c * freeY)
    )
  }
}
