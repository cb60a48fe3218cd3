import Spectral

/// Strength and kind of weight decay.
public struct WeightDecay: Codable, Hashable, Sendable {
  /// λ ≥ 0; per unit learning rate, but of independent decay per step.
  public var strength: Double
  /// How decay enters the update; nil: as the update rule of the parameter has it.
  public var kind: WeightDecayKind?

  /// Decay of the strength and kind given.
  public init(strength: Double, kind: WeightDecayKind? = nil) {
    self.strength = strength
    self.kind = kind
  }
}
