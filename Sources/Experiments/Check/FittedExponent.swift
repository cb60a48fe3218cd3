import Spectral

/// An exponent over width, fitted for each seed, with an interval over the seeds.
struct FittedExponent {
  /// Mean over the seeds of the slope of log2 of the quantity against log2 of width.
  let exponent: Double
  /// Half of the 95 % interval, by Student's t.
  let halfWidth: Double
  /// Of the mean.
  private let standardError: Double
  var lower: Double { exponent - halfWidth }
  var upper: Double { exponent + halfWidth }

  /// Fits `values` [width][seed]; nil where one is missing or not positive and finite.
  ///
  /// - widths: at least two. At least two seeds.
  init?(widths: [Double], values: some Collection<[Double]>) {
    guard let seeds = values.first?.count, seeds >= 2, values.allSatisfy({ $0.count == seeds })
    else { return nil }
    let slopes = (0..<seeds).compactMap { seed in
      ScalingExponent.slope(widths: widths, values: values.map { $0[seed] })
    }
    guard slopes.count == seeds else { return nil }
    let count = Double(seeds)
    let mean = slopes.reduce(0, +) / count
    let variance = slopes.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    exponent = mean
    standardError = (variance / count).squareRoot()
    halfWidth = StudentT.quantile(0.975, degreesOfFreedom: seeds - 1) * standardError
  }

  /// Whether the exponent is distinguished from `value` ± `distance`: further than two standard errors from
  /// both. Few seeds give the standard error itself only roughly.
  func isWithin(_ distance: Double, of value: Double) -> Bool {
    abs(exponent - value) + 2 * standardError < distance
  }
}
