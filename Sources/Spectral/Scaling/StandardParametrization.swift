/// Standard parametrization (SP): variance-preserving initial weights, one learning rate for all.
///
///     σ = 1/√fanIn,  biases 0;  every factor 1
///
/// Hidden updates grow with width, so the best learning rate falls with it.
/// Source: LeCun et al., "Efficient BackProp" (1998); the SP column of Tensor Programs V
/// (arXiv:2203.03466), table 3.
public struct StandardParametrization: Parametrization {
  /// `sp`.
  public let name = "sp"
  /// One line for help texts.
  public let summary = "standard: std 1/√fan-in, one learning rate; hidden updates grow with width"

  /// The rule has no settings.
  public init() {}

  /// The absolute rule, by the equations above.
  public func scaling(
    of shape: ParameterShape, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    WidthScaling(
      initialStd: shape.isVector ? 0 : 1 / Double(shape.fanIn).squareRoot(),
      learningRateFactor: 1)
  }
}
