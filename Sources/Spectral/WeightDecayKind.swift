/// How weight decay enters an update with learning rate η_l = η·factor and schedule s.
public enum WeightDecayKind: String, Codable, Hashable, Sendable, CaseIterable {
  /// λ_l·W is added to the gradient (L2 regularisation).
  ///
  ///     g ← ∇ + λ_l·W
  case coupled
  /// The weight shrinks beside the update, with the same λ at every width.
  ///
  ///     W ← (1 − s·η_l·λ)·W
  ///
  /// Source: Loshchilov and Hutter (arXiv:1711.05101), as PyTorch's AdamW has it.
  case decoupled
  /// As decoupled, with λ_l so that η_l·λ_l is the same at every width.
  ///
  ///     W ← (1 − s·η_l·λ_l)·W,   λ_l = λ/factor
  ///
  /// Source: `MuAdamW` of the mup package, https://github.com/microsoft/mup.
  case decoupledScaled = "decoupled-scaled"
  /// The weight shrinks beside the update by λ alone, whatever the learning rate; the schedule scales
  /// it all the same.
  ///
  ///     W ← (1 − s·λ)·W
  ///
  /// Source: the independent weight decay of Wortsman et al. (arXiv:2309.14322).
  case independent

  /// The factor on λ of a tensor, where only the coupled one depends on the parametrization.
  func factor(learningRateFactor: Double, coupled: Double) -> Double {
    switch self {
    case .coupled: coupled
    case .decoupled, .independent: 1
    case .decoupledScaled: 1 / learningRateFactor
    }
  }
}
