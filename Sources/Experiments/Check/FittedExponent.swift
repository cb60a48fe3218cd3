import Foundation
import Spectral

/// An exponent over width or depth, with an interval: over seeds where each has values at all sizes, else of
/// the fit over sizes.
struct FittedExponent {
  /// The slope of log2 of the quantity against log2 of the size; with seeds, its mean over them.
  let exponent: Double
  /// Half of the 95 % interval, by Student's t; infinite where nothing is left to estimate it from.
  let halfWidth: Double
  var lower: Double { exponent - halfWidth }
  var upper: Double { exponent + halfWidth }

  /// Fits `values` [size][seed]; nil where one is missing or not positive and finite.
  ///
  /// - sizes: at least two. At least two seeds.
  init?(over sizes: [Double], values: some Collection<[Double]>) {
    guard let seeds = values.first?.count, seeds >= 2, values.allSatisfy({ $0.count == seeds })
    else { return nil }
    let slopes = (0..<seeds).compactMap { seed in
      ScalingExponent.slope(over: sizes, values: values.map { $0[seed] })
    }
    guard slopes.count == seeds else { return nil }
    let count = Double(seeds)
    let mean = slopes.reduce(0, +) / count
    let variance = slopes.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    exponent = mean
    halfWidth =
      StudentT.quantile(0.975, degreesOfFreedom: seeds - 1) * (variance / count).squareRoot()
  }

  /// Fits one line to the values of independent runs, each of its size; nil where one is not positive
  /// and finite.
  ///
  /// The interval is that of the slope by least squares, from what the line leaves: with as many
  /// values as a line has numbers it is infinite.
  /// - sizes: one a value, at least two different ones.
  init?(over sizes: [Double], ofRuns values: [Double]) {
    guard let slope = ScalingExponent.slope(over: sizes, values: values) else { return nil }
    exponent = slope
    let (x, y) = (sizes.map(log2), values.map(log2))
    let count = Double(x.count)
    let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
    guard x.count > 2 else {
      halfWidth = .infinity
      return
    }
    let residual = zip(x, y).reduce(0) {
      let left = $1.1 - meanY - slope * ($1.0 - meanX)
      return $0 + left * left
    }
    let spread = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    halfWidth =
      StudentT.quantile(0.975, degreesOfFreedom: x.count - 2)
      * (residual / (count - 2) / spread).squareRoot()
  }

  /// What an exponent says of the one that is needed.
  enum Standing {
    /// As it should be, and surely no fault.
    case met
    /// As it should be, or not, within the interval.
    case unclear
    /// Not as it should be, by more than the interval.
    case broken
  }

  /// By how much the mildest known fault moves an exponent.
  static let mildestFault = 0.5

  /// Whether the exponent is `value` within theory's tolerance: met where the interval excludes the
  /// mildest fault, broken where it excludes the value.
  ///
  /// - againstTheory: whether it is broken only where all of the interval is off by more than the tolerance.
  func standing(
    to value: Double, within tolerance: Double, againstTheory: Bool = false
  ) -> Standing {
    guard isOff(from: value, by: tolerance) else {
      return abs(exponent - value) + halfWidth < Self.mildestFault ? .met : .unclear
    }
    let isBroken =
      againstTheory
      ? abs(exponent - value) - halfWidth > tolerance : differs(from: value, by: tolerance)
    return isBroken ? .broken : .unclear
  }

  /// Whether the exponent is further from `value` than `bound`; so is NaN.
  func isOff(from value: Double, by bound: Double) -> Bool { !(abs(exponent - value) <= bound) }

  /// Whether it is off by more than theory's tolerance, and by more than its interval explains.
  func differs(from value: Double, by tolerance: Double) -> Bool {
    isOff(from: value, by: max(tolerance, halfWidth))
  }

  /// About how many seeds would tell whether the exponent is `value`, if they spread as the `seeds` that it is
  /// the mean of; nil where 100 would not.
  ///
  /// - againstTheory: as of `standing`.
  func seedsToTell(
    from value: Double, within tolerance: Double, of seeds: Int, againstTheory: Bool = false
  ) -> Int? {
    let off = abs(exponent - value)
    let margin =
      if off > tolerance { againstTheory ? off - tolerance : off } else { Self.mildestFault - off }
    func reach(_ count: Int) -> Double {
      StudentT.quantile(0.975, degreesOfFreedom: count - 1) / Double(count).squareRoot()
    }
    let spread = halfWidth / reach(seeds)
    return (seeds + 1..<max(101, seeds + 2)).first { spread * reach($0) < margin }
  }
}
