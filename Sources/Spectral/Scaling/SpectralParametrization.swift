/// The spectral parametrization: weights and updates of spectral norm √(fanOut/fanIn).
///
///     hidden   σ = (1/√fanIn)·min{1, √(fanOut/fanIn)}
///     input    σ = 1/√fanIn
///     readout  σ = √fanOut/fanIn
///     weights  sgd η fanOut/fanIn;  adam η 1/fanIn, ε 1/fanOut;  normalized η √(fanOut/fanIn)
///     biases   the same, as matrices fanOut×1;  σ = 0
///
/// The formula is the paper's where both dimensions grow; a fixed dimension enters by its limit of
/// growing width (`LayerRole`). Taken as printed, `LiteralSpectralParametrization`, it makes the
/// features of a first layer narrower than its input grow as √width.
///
/// The learning rates put ‖ΔW‖_* at √(fanOut/fanIn): per unit of learning rate it is
/// √(fanIn/fanOut) for SGD, √(fanOut·fanIn) for Adam, 1 for normalised updates (`UpdateFamily`).
///
/// ε: a rank-one gradient of spectral norm √(fanIn/fanOut) has entries of that over
/// √(fanIn·fanOut), so Θ(1/fanOut), for biases too; on square hidden layers this is 1/fanIn. A
/// readout's fanOut is fixed: its gradient does not shrink, nor, in the relative form, its ε.
///
/// Coupled decay, of which the paper does not speak, is as in `MaximalUpdateParametrization`:
/// 1/(factor of η), and fanIn² for the readout under Adam. Relative to a base shape the two
/// parametrizations coincide whenever hidden widths change by a common factor.
///
/// Embeddings are inputs of fanIn 1, multipliers of tied readouts and queries those of
/// `MaximalUpdateParametrization`.
///
/// Source: arXiv:2310.17813, condition 1 and the parametrization derived from it.
public struct SpectralParametrization: Parametrization {
  /// `spectral`.
  public let name = "spectral"
  /// One line for help texts.
  public let summary = "spectral condition: fixed dimensions by their limit, right for any shape"

  /// The rule has no settings.
  public init() {}

  /// The absolute rule, by the equations above.
  public func scaling(
    of shape: ParameterShape, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    let fanIn = Double(shape.fanIn)
    let fanOut = Double(shape.fanOut)
    // A bias needs no case of its own here: its fan-in is 1.
    let learningRateFactor =
      switch family {
      case .sgd: fanOut / fanIn
      case .adam: 1 / fanIn
      case .normalized: (fanOut / fanIn).squareRoot()
      }
    let coupled =
      family == .adam && shape.role == .readout ? fanIn * fanIn : 1 / learningRateFactor
    let scaling = WidthScaling(
      multiplier: shape.featureLearningMultiplier,
      initialStd: Self.initialStd(of: shape),
      learningRateFactor: learningRateFactor,
      epsilonFactor: family == .adam ? 1 / fanOut : 1,
      weightDecayFactor: decay.factor(learningRateFactor: learningRateFactor, coupled: coupled))
    return scaling.asEffectiveBias(of: shape, family: family, decay: decay)
  }

  private static func initialStd(of shape: ParameterShape) -> Double {
    let fanIn = Double(shape.fanIn)
    return switch (shape.kind, shape.role) {
    case (.bias, _), (.gain, _): 0
    case (.weight, .input), (.embedding, _): 1 / fanIn.squareRoot()
    case (.weight, .hidden): printedInitialStd(of: shape)
    case (.weight, .readout): Double(shape.fanOut).squareRoot() / fanIn
    }
  }

  /// The paper's formula as printed.
  ///
  ///     σ = (1/√fanIn)·min{1, √(fanOut/fanIn)}
  static func printedInitialStd(of shape: ParameterShape) -> Double {
    let fanIn = Double(shape.fanIn)
    return 1 / fanIn.squareRoot() * min(1, (Double(shape.fanOut) / fanIn).squareRoot())
  }
}
