/// Neural tangent parametrization (NTP) as effective values: wide networks stop learning features.
///
///     weights  σ = 1/√fanIn;  sgd η 1/fanIn;  adam η 1/√fanIn, ε √fanIn;  coupled λ fanIn
///     normalized η 1/√fanIn
///     biases   σ = 0, every factor 1
///
/// Its own form is W = ω/√fanIn with ω ~ N(0, 1) and every factor 1; the values are that form
/// moved to multiplier 1 by `WidthScaling.equivalent(multiplier:family:decay:)`, coupled decay of
/// ω included. Decoupled decay is λ at every width, as PyTorch's AdamW would apply it to W.
///
/// A tied readout keeps the multiplier 1/√fanIn of its own form.
///
/// Source: Jacot, Gabriel and Hongler (arXiv:1806.07572); Tensor Programs IV (arXiv:2011.14522).
public struct NeuralTangentParametrization: Parametrization {
  /// `ntp`.
  public let name = "ntp"
  /// One line for help texts.
  public let summary = "neural tangent: updates shrink with width; features freeze"

  /// The rule has no settings.
  public init() {}

  /// The absolute rule, by the equations above.
  public func scaling(
    of shape: ParameterShape, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    guard !shape.isVector else {
      return WidthScaling(initialStd: 0, learningRateFactor: 1)
    }
    let fanIn = Double(shape.fanIn)
    // With W = ω/√fanIn: ΔW = Δω/√fanIn and ∇_ω = ∇_W/√fanIn.
    //   sgd   Δω = −η ∇_ω            so ΔW = −(η/fanIn) ∇_W
    //   adam  Δω = −η m_ω/(√v_ω + ε)  so ΔW = −(η/√fanIn) m_W/(√v_W + ε√fanIn)
    //   normalized  Δω = −η ∇_ω/‖∇_ω‖     so ΔW = −(η/√fanIn) ∇_W/‖∇_W‖
    //   coupled  ∇_ω + λω = (∇_W + λ·fanIn·W)/√fanIn in every family
    let learningRateFactor = family == .sgd ? 1 / fanIn : 1 / fanIn.squareRoot()
    let multiplier = shape.use == .tiedReadout ? 1 / Double(shape.fanOut).squareRoot() : 1
    return WidthScaling(
      multiplier: multiplier,
      initialStd: 1 / fanIn.squareRoot(),
      learningRateFactor: learningRateFactor,
      epsilonFactor: family == .adam ? fanIn.squareRoot() : 1,
      weightDecayFactor: decay.factor(learningRateFactor: learningRateFactor, coupled: fanIn))
  }
}
