/// What a parametrization gives one tensor: where it starts and how far its updates go.
///
///     h = multiplier · W x,   W_0 ~ N(0, initialStd²)
///     η_l = η·learningRateFactor,   ε_l = ε·epsilonFactor,   λ_l = λ·weightDecayFactor
///
/// η, ε and λ are the user's; all values are pure numbers. The parametrizations of this module
/// give *effective* values, `multiplier` 1; `equivalent(multiplier:family:decay:)` leads to and
/// from forms that have one.
public struct WidthScaling: Codable, Hashable, Sendable {
  /// Factor on the product W x; > 0.
  public var multiplier: Double
  /// Standard deviation of the initial entries; ≥ 0, and 0 starts the tensor at zero.
  public var initialStd: Double
  /// η_l/η; ≥ 0, and 0 freezes the tensor.
  public var learningRateFactor: Double
  /// ε_l/ε of an update that divides by √v + ε; > 0. Other updates do not read it.
  public var epsilonFactor: Double
  /// λ_l/λ for the kind of decay that was asked for; > 0.
  public var weightDecayFactor: Double

  /// The five values; every default is 1, what standard parametrization uses.
  public init(
    multiplier: Double = 1, initialStd: Double, learningRateFactor: Double,
    epsilonFactor: Double = 1, weightDecayFactor: Double = 1
  ) {
    self.multiplier = multiplier
    self.initialStd = initialStd
    self.learningRateFactor = learningRateFactor
    self.epsilonFactor = epsilonFactor
    self.weightDecayFactor = weightDecayFactor
  }

  /// The scaling that trains the same function with the factor `a` moved from the weight into the
  /// product's multiplier.
  ///
  ///     both  multiplier·a,  σ/a
  ///     sgd   η/a²,  λ·a²
  ///     adam  η/a,  ε·a,  λ·a² coupled,  λ·a decoupled
  ///     normalized  as adam, without ε
  ///     λ of independent decay is the same under all
  ///
  /// With V = W/a the product multiplier·a·Vx is unchanged and V's gradient is a·∇. SGD then moves
  /// V by a·η'·∇, which has to be η·∇/a; Adam moves it by η' once ε' = a·ε, which has to be η/a.
  /// Coupled decay has to keep its share of the gradient, a·∇ + λ'·W/a = a·(∇ + λ·W); decoupled
  /// decay keeps η·λ, independent decay λ. Momentum and a schedule change nothing; clipping by the norm of all gradients does.
  ///
  /// - a: > 0 and finite, else traps. 1/`multiplier` gives the effective form.
  ///
  /// Source: multiplier, σ and η from Tensor Programs V (arXiv:2203.03466), Lemma J.1, for SGD
  /// first in Tensor Programs IV (arXiv:2011.14522); ε and λ by the lines above.
  public func equivalent(
    multiplier a: Double, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    precondition(a > 0 && a.isFinite, "multiplier must be positive and finite, got \(a)")
    var moved = self
    moved.multiplier *= a
    moved.initialStd /= a
    let rateFactor = family == .sgd ? a * a : a
    moved.learningRateFactor /= rateFactor
    if family == .adam { moved.epsilonFactor *= a }
    switch decay {
    case .coupled: moved.weightDecayFactor *= a * a
    case .decoupled, .decoupledScaled: moved.weightDecayFactor *= rateFactor
    case .independent: break
    }
    return moved
  }
}

extension WidthScaling {
  /// The same of a bias in effective form: what multiplies queries multiplies their bias too, which is added
  /// after a layer's own multiplier.
  func asEffectiveBias(
    of shape: ParameterShape, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    shape.kind == .bias && multiplier != 1
      ? equivalent(multiplier: 1 / multiplier, family: family, decay: decay) : self
  }
}

/// How the size of an update depends on its gradient; the learning-rate rules differ by family.
///
/// Per unit of learning rate, for a gradient of low rank under the spectral condition:
///
///     sgd   ‖ΔW‖_* = ‖∇‖_* = Θ(√(fanIn/fanOut))
///     adam  ‖ΔW‖_* = Θ(√(fanOut·fanIn))
///     normalized  ‖ΔW‖_* = 1, or by the Frobenius norm between 1/√rank and 1
///
/// Source: arXiv:2310.17813; Tensor Programs IVb (arXiv:2308.01814) for adaptive updates.
public enum UpdateFamily: String, Codable, Hashable, Sendable, CaseIterable {
  /// The update is proportional to the gradient: SGD, momentum, Nesterov.
  case sgd
  /// The update's entries are Θ(1) whatever the gradient's size: Adam, AdamW.
  case adam
  /// The gradient divided by its norm: spectral (explicit spectral normalisation, condition 2 of
  /// the paper) or Frobenius, which is the same while the gradient's stable rank stays put.
  case normalized
}

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
