/// A factor on the initial values of some tensors, beside their parametrization's σ. What starts at 0 or at a
/// constant stays.
public struct InitialMultiplier: Codable, Hashable, Sendable {
  /// Which tensors, as of a `RateRule`.
  public let selector: String
  /// The factor, within `range`.
  public let factor: Double

  /// What a factor can be.
  public static let range = 1e-6...1e6

  /// A factor for the tensors at `selector`. Traps unless it is within `range`.
  public init(selector: String, factor: Double) {
    precondition(Self.range.contains(factor), "initial values' factor of \(factor)")
    (self.selector, self.factor) = (selector, factor)
  }
}
