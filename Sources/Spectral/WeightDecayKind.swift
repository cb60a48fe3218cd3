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
  /// As decoupled, with η_l·λ_l independent of width.
  ///
  ///     λ_l = λ/factor
  ///
  /// Source: the independent decay of Wortsman et al. (arXiv:2309.14322), per tensor.
  case independent

  /// The factor on λ of a tensor, where only the coupled one depends on the parametrization.
  func factor(learningRateFactor: Double, coupled: Double) -> Double {
    switch self {
    case .coupled: coupled
    case .decoupled: 1
    case .independent: 1 / learningRateFactor
    }
  }
}
