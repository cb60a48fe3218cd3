import Spectral

/// Strength and kind of weight decay.
public struct WeightDecay: Codable, Hashable, Sendable {
  /// λ ≥ 0, per unit learning rate.
  public var strength: Double
  public var kind: WeightDecayKind

  public init(strength: Double, kind: WeightDecayKind) {
    self.strength = strength
    self.kind = kind
  }
}
