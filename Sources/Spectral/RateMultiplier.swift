/// A factor on the learning rate of some tensors, beside their parametrization's own.
///
/// Weight decay that is taken times the learning rate changes with it, as with parameter groups.
public struct RateMultiplier: Codable, Hashable, Sendable {
  /// Which tensors, as of a `RateRule`.
  public let place: String
  /// The factor, ≥ 0 and finite; 0 freezes the tensors.
  public let factor: Double

  /// A factor for the tensors at `place`.
  public init(place: String, factor: Double) {
    precondition(factor >= 0 && factor.isFinite, "a learning rate's factor of \(factor)")
    (self.place, self.factor) = (place, factor)
  }
}
