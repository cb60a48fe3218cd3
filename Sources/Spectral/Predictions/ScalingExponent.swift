import Foundation

/// The exponent of a quantity over width.
public enum ScalingExponent {
  /// The slope of log2 of the values against log2 of the widths, by least squares; nil where a
  /// value is not positive and finite.
  ///
  /// - widths: at least two different ones, all > 0; values: one for each.
  public static func slope(widths: [Double], values: [Double]) -> Double? {
    precondition(
      widths.count == values.count && Set(widths).count >= 2,
      "slope over \(widths) of \(values.count) values")
    guard values.allSatisfy({ $0 > 0 && $0.isFinite }) else { return nil }
    let (x, y) = (widths.map(log2), values.map(log2))
    let count = Double(x.count)
    let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
    let covariance = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
    let variance = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    return covariance / variance
  }
}
