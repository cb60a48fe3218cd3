/// A learning-rate rule for some tensors in selector of their parametrization's own: what would happen
/// if a layer had been scaled otherwise.
///
/// Written `SELECTOR=PARAMETRIZATION` or `SELECTOR=PARAMETRIZATION:FAMILY`; the family is the optimizer's
/// own where it is left out. Initial values stay as they are.
public struct RateRule: Codable, Hashable, Sendable {
  /// `all`, a role (`input`, `hidden`, `readout`), a module (`layers.1`) or a tensor (`layers.1.weight`); a `*`
  /// between dots stands for any one name (`blocks.*.up`).
  public let selector: String
  /// Name of the parametrization whose rate is taken.
  public let parametrization: String
  /// The update family that the rate is meant for; nil for the optimizer's own.
  public let family: UpdateFamily?

  /// A rule for the tensors at `selector`.
  ///
  /// - others: parametrizations beside the built-in ones.
  /// - Throws: `UnknownParametrizationError`.
  public init(
    selector: String, parametrization: String, family: UpdateFamily? = nil,
    or others: [CustomParametrization] = []
  ) throws(UnknownParametrizationError) {
    _ = try Parametrizations.named(parametrization, or: others)
    self.init(selector, named: parametrization, family: family)
  }

  /// The same, its parametrization looked up by whoever uses it.
  package init(_ selector: String, named parametrization: String, family: UpdateFamily? = nil) {
    (self.selector, self.parametrization, self.family) = (selector, parametrization, family)
  }
}

/// A factor on the learning rate of some tensors, beside their parametrization's own.
///
/// Weight decay that is taken times the learning rate changes with it, as with parameter groups.
public struct RateMultiplier: Codable, Hashable, Sendable {
  /// Which tensors, as of a `RateRule`.
  public let selector: String
  /// The factor, ≥ 0 and finite; 0 freezes the tensors.
  public let factor: Double

  /// A factor for the tensors at `selector`.
  public init(selector: String, factor: Double) {
    precondition(factor >= 0 && factor.isFinite, "a learning rate's factor of \(factor)")
    (self.selector, self.factor) = (selector, factor)
  }
}
