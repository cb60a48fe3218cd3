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
