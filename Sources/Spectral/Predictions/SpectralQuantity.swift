import Foundation

/// What the spectral condition speaks of, measured of one layer.
///
/// A layer's target is √(fanOut/fanIn); norms ‖·‖_* are spectral, ‖·‖_F Frobenius. Updates are
/// those of one step, changes are since the start.
public enum SpectralQuantity: String, Codable, Hashable, Sendable, CaseIterable {
  /// ‖W‖_*/√(fanOut/fanIn).
  case weightNorm = "weight_norm"
  /// Root mean square of the layer's output over a probe batch; of the readout, of the logits.
  case featureSize = "feature_rms"
  /// ‖ΔW‖_*/√(fanOut/fanIn) of one step.
  case updateNorm = "update_norm"
  /// Root mean square of the output's change since the start, over a probe batch.
  case featureChange = "feature_change_rms"
  /// ‖ΔW‖_*/‖W‖_*.
  case relativeUpdate = "relative_update"
  /// ‖ΔW‖_F/‖W‖_F.
  case relativeUpdateFrobenius = "relative_update_frobenius"

  /// The quantity as tables name it.
  public var symbol: String {
    switch self {
    case .weightNorm: "‖W‖/√(out/in)"
    case .featureSize: "rms h"
    case .updateNorm: "‖ΔW‖/√(out/in)"
    case .featureChange: "rms Δh"
    case .relativeUpdate: "‖ΔW‖/‖W‖"
    case .relativeUpdateFrobenius: "‖ΔW‖F/‖W‖F"
    }
  }
}

/// The exponent of a quantity over width, or depth.
public enum ScalingExponent {
  /// The slope of log2 of the values against log2 of the sizes, by least squares; nil where a
  /// value is not positive and finite.
  ///
  /// - sizes: at least two different ones, all > 0; values: one for each.
  public static func slope(over sizes: [Double], values: [Double]) -> Double? {
    precondition(
      sizes.count == values.count && Set(sizes).count >= 2,
      "slope over \(sizes) of \(values.count) values")
    guard values.allSatisfy({ $0 > 0 && $0.isFinite }) else { return nil }
    let (x, y) = (sizes.map(log2), values.map(log2))
    let count = Double(x.count)
    let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
    let covariance = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
    let variance = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    return covariance / variance
  }
}
