import Networks
import Spectral

/// How parameters are updated: the update rule with its numbers, decay and schedule, what differs for
/// groups of parameters, and what is done to all gradients before.
///
///     var optimization = Optimization(.adam, weightDecay: WeightDecay(strength: 0.1, kind: .decoupled))
///     optimization.groups = [
///       ParameterGroup("readout", optimizer: .sgd), ParameterGroup("layers.0", rateFactor: 0),
///     ]
///
/// A replica may have its own, with the same rules and other numbers.
public struct Optimization: Codable, Hashable, Sendable {
  /// The update rule of parameters whose group names none.
  public var optimizer: OptimizerKind
  /// Its numbers.
  public var hyperparameters: Hyperparameters
  /// How Muon orthogonalises and scales, where parameters are Muon's; nil: as by default.
  public var muon: Muon.Settings?
  /// A factor ≥ 0 on the learning rate of the parameters that `optimizer` leaves to its companion.
  public var companionRateFactor = 1.0
  /// Weight decay, if any.
  public var weightDecay: WeightDecay?
  /// Whether biases and gains decay too; else only those whose own name a group with a decay selects.
  public var decaysVectors: Bool
  /// The learning rate over training.
  public var schedule: Schedule
  /// What differs for some parameters; of groups that select one parameter, the later ones win.
  public var groups: [ParameterGroup]
  /// How the spectral norms of matrices are held, beside groups' own; nil: they are not. Vectors' never are,
  /// nor those of parameters that are frozen.
  public var constraint: SpectralConstraint?
  /// The greatest norm of all gradients of a step together; nil: they are not clipped.
  ///
  ///     g ← g·min(1, clipNorm/(‖g‖ + 1e-6)),  ‖g‖² = Σ_l ‖∇_l‖_F²
  ///
  /// Source: Pascanu et al., arXiv:1211.5063; the 1e-6 is PyTorch's.
  public var clipNorm: Double?

  /// The values given; plain Adam at a constant rate by default.
  public init(
    _ optimizer: OptimizerKind = .adam, hyperparameters: Hyperparameters = Hyperparameters(),
    weightDecay: WeightDecay? = nil, decaysVectors: Bool = false, schedule: Schedule = Schedule(),
    groups: [ParameterGroup] = [], clipNorm: Double? = nil
  ) {
    (self.optimizer, self.hyperparameters) = (optimizer, hyperparameters)
    (self.weightDecay, self.decaysVectors) = (weightDecay, decaysVectors)
    (self.schedule, self.groups, self.clipNorm) = (schedule, groups, clipNorm)
  }

  /// What holds for one parameter.
  ///
  /// A group that names another update rule has that rule's own numbers where it does not say. Decay whose
  /// kind is not named, or is that which `optimizer` has by default, is taken as the parameter's rule has it,
  /// in whatever order groups name rule and decay. Under Muon all but hidden matrices, and under normalised
  /// rows all but embeddings, have AdamW; a matrix whose role, module or name a group gives to Muon is Muon's,
  /// and vectors that such a group selects keep the rule they had.
  public func settings(for parameter: NetworkParameter) -> ParameterSettings {
    let shape = parameter.shape
    var decaysHere = decaysVectors || !shape.isVector
    var result = ParameterSettings(
      optimizer: optimizer, namesOptimizer: false, hyperparameters: hyperparameters,
      muon: muon ?? Muon.Settings(),
      weightDecay: weightDecay, schedule: schedule)
    result.constraint = constraint
    if result.weightDecay?.kind == optimizer.defaultWeightDecayKind {
      result.weightDecay?.kind = nil
    }
    var given: OptimizerKind?
    for group in groups
    where parameter.isSelected(by: group.selector) {
      if let optimizer = group.optimizer, optimizer.serves(shape, selectedBy: group.selector) {
        if optimizer != result.optimizer { result.hyperparameters = Hyperparameters() }
        result.optimizer = optimizer
        result.namesOptimizer = true
        given = optimizer
      }
      result.hyperparameters = group.hyperparameters.over(result.hyperparameters)
      result.rateFactor = group.rateFactor ?? result.rateFactor
      result.weightDecay = group.weightDecay ?? result.weightDecay
      // A vector decays where its own name is given.
      if group.weightDecay != nil && ParameterSelector.isName(group.selector, of: parameter.path) {
        decaysHere = true
      }
      result.schedule = group.schedule ?? result.schedule
      result.constraint = group.constraint ?? result.constraint
    }
    if let companion = result.optimizer.companion, given != result.optimizer,
      !result.optimizer.serves(shape, selectedBy: "all")
    {
      result.optimizer = companion
      result.rateFactor *= companionRateFactor
    }
    if result.optimizer == .muon && result.muon.perHead { result.heads = parameter.heads }
    if shape.kind != .weight || result.rateFactor == 0 || result.constraint?.multiple == nil {
      result.constraint = nil
    }
    if result.weightDecay?.strength == 0 || !decaysHere { result.weightDecay = nil }
    let kind = result.weightDecay?.kind ?? result.optimizer.defaultWeightDecayKind
    result.weightDecay?.kind = kind
    return result
  }
}

/// Parameters that are updated in their own way; nil: as the others.
public struct ParameterGroup: Codable, Hashable, Sendable {
  /// Which parameters, as of a `RateRule`.
  public var selector: String
  /// The update rule.
  public var optimizer: OptimizerKind?
  /// Its numbers.
  public var hyperparameters: Hyperparameters
  /// A factor ≥ 0 on the learning rate, beside the parametrization's; 0 freezes the parameters, which
  /// then have no optimizer state.
  public var rateFactor: Double?
  /// Weight decay; of strength 0 for none.
  public var weightDecay: WeightDecay?
  /// The learning rate over training.
  public var schedule: Schedule?
  /// How the matrices' spectral norms are held; of no multiple: not at all.
  public var constraint: SpectralConstraint?

  /// A group of the parameters that `selector` selects.
  public init(
    _ selector: String, optimizer: OptimizerKind? = nil,
    hyperparameters: Hyperparameters = Hyperparameters(), rateFactor: Double? = nil,
    weightDecay: WeightDecay? = nil, schedule: Schedule? = nil,
    constraint: SpectralConstraint? = nil
  ) {
    precondition(
      rateFactor.map { $0 >= 0 && $0.isFinite } ?? true,
      "a learning rate's factor of \(rateFactor ?? 0)")
    (self.selector, self.optimizer, self.hyperparameters) = (selector, optimizer, hyperparameters)
    (self.rateFactor, self.weightDecay, self.schedule) = (rateFactor, weightDecay, schedule)
    self.constraint = constraint
  }
}

/// How one parameter is updated.
public struct ParameterSettings: Hashable, Sendable {
  /// The update rule.
  public var optimizer: OptimizerKind
  /// Whether a group names it; else a custom rule takes its place where there is one.
  public var namesOptimizer: Bool
  /// Its numbers.
  public var hyperparameters: Hyperparameters
  /// How Muon orthogonalises and scales, where it is the rule.
  public var muon: Muon.Settings
  /// Matrices that the parameter's rows are cut into for the update: its heads where Muon takes them one by one.
  public var heads = 1
  /// A factor on the learning rate, beside the parametrization's; 0: the parameter is frozen.
  public var rateFactor = 1.0
  /// Weight decay with its kind, if any.
  public var weightDecay: WeightDecay?
  /// The learning rate over training.
  public var schedule: Schedule
  /// How its spectral norm is held; nil: it is not.
  public var constraint: SpectralConstraint?

  /// The rule with its numbers; `custom` in place of one that no group names.
  public func rule(or custom: (any UpdateRule)?) -> any UpdateRule {
    if let custom, !namesOptimizer { return custom }
    return optimizer.rule(hyperparameters, muon: muon, heads: heads)
  }
}

/// Strength and kind of weight decay.
public struct WeightDecay: Codable, Hashable, Sendable {
  /// λ ≥ 0; per unit learning rate, but of independent decay per step.
  public var strength: Double
  /// How decay enters the update; nil: as the update rule of the parameter has it.
  public var kind: WeightDecayKind?

  /// Decay of the strength and kind given.
  public init(strength: Double, kind: WeightDecayKind? = nil) {
    self.strength = strength
    self.kind = kind
  }
}
