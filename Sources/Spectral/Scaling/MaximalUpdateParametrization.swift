/// Maximal update parametrization (muP): every layer learns features at every width.
///
///     input    σ = 1/√fanIn;  sgd η fanOut;   adam η 1,        coupled λ 1
///     hidden   σ = 1/√fanIn;  sgd η 1;        adam η 1/fanIn,  coupled λ fanIn
///     readout  σ = 1/fanIn;   sgd η 1/fanIn;  adam η 1/fanIn,  coupled λ fanIn²
///     biases   σ = 0;         sgd η fanOut;   adam η 1,        coupled λ 1
///     all      adam ε 1/fanOut;  sgd, normalized coupled λ 1/factor of η
///     normalized  the square root of sgd's η
///
/// ε: with features of size Θ(1), a layer's output gradient δ has entries Θ(1/fanOut), since
/// ⟨δ, Δh⟩ over fanOut entries is Θ(1); so have ∇ = δhᵀ and the bias's gradient δ. On square
/// hidden layers this is 1/fanIn. A readout's fanOut is fixed: its gradient does not shrink and
/// its ε, in the relative form, does not either.
///
/// Coupled decay is that of the mup package, 1/(factor of η) in the package's own form, where the
/// readout is a product with multiplier 1/fanIn, η 1 and λ 1: effectively λ fanIn² under Adam.
///
/// Embeddings are inputs of fanIn 1; a tied readout has multiplier 1/fanIn, and queries 1/√headSize beside
/// attention's own.
///
/// Source: Tensor Programs V (arXiv:2203.03466), tables 3 and 8, as effective values.
public struct MaximalUpdateParametrization: Parametrization {
  /// `mup`.
  public let name = "mup"
  /// One line for help texts.
  public let summary = "maximal update (Tensor Programs V): features learn at every width"

  /// The rule has no settings.
  public init() {}

  /// The absolute rule, by the equations above.
  public func scaling(
    of shape: ParameterShape, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    let fanIn = Double(shape.fanIn)
    let fanOut = Double(shape.fanOut)
    let initialStd: Double
    let rates: (sgd: Double, adam: Double)
    let coupledAdam: Double
    switch (shape.kind, shape.role) {
    case (.bias, _), (.gain, _):
      (initialStd, rates, coupledAdam) = (0, (fanOut, 1), 1)
    case (.weight, .input), (.embedding, _):
      (initialStd, rates, coupledAdam) = (1 / fanIn.squareRoot(), (fanOut, 1), 1)
    case (.weight, .hidden):
      (initialStd, rates, coupledAdam) = (1 / fanIn.squareRoot(), (1, 1 / fanIn), fanIn)
    case (.weight, .readout):
      (initialStd, rates, coupledAdam) = (1 / fanIn, (1 / fanIn, 1 / fanIn), fanIn * fanIn)
    }
    let learningRateFactor =
      switch family {
      case .sgd: rates.sgd
      case .adam: rates.adam
      // An SGD gradient has norm √(fanIn/fanOut) = 1/√(sgd η): this is the rate of one of norm 1.
      case .normalized: rates.sgd.squareRoot()
      }
    let scaling = WidthScaling(
      multiplier: shape.featureLearningMultiplier,
      initialStd: initialStd,
      learningRateFactor: learningRateFactor,
      epsilonFactor: family == .adam ? 1 / fanOut : 1,
      weightDecayFactor: decay.factor(
        learningRateFactor: learningRateFactor,
        coupled: family == .adam ? coupledAdam : 1 / learningRateFactor))
    return scaling.asEffectiveBias(of: shape, family: family, decay: decay)
  }
}
