import Spectral

/// The update rules that can be named in a configuration.
public enum OptimizerKind: String, Codable, Hashable, Sendable, CaseIterable {
  /// Plain gradient descent.
  case sgd
  /// A velocity v ← 0.9·v + g.
  case momentum
  /// The same with Nesterov's look-ahead.
  case nesterov
  /// Adam, its decay added to the gradient where nothing is said.
  case adam
  /// Adam, its decay beside the update where nothing is said.
  case adamw
  /// The sign of a running mean of gradients.
  case lion
  /// Orthogonalised momentum of hidden matrices; AdamW for all other parameters.
  case muon
  /// Momentum of rows of one size for embeddings; AdamW for all other parameters.
  case rowNormalized = "row-normalized"
  /// The gradient over its spectral norm: condition 2 of arXiv:2310.17813.
  case spectralNormalized = "spectral-normalized"
  /// The gradient over its Frobenius norm, for contrast.
  case frobeniusNormalized = "frobenius-normalized"

  /// The family whose learning-rate rule keeps this update at √(fan-out/fan-in).
  public var family: UpdateFamily { rule().family }

  /// The family of the parameters whose rates the parametrization gives: of a rule with a factor of its own
  /// those that it leaves to AdamW.
  public var parametrizedFamily: UpdateFamily { (companion ?? self).family }

  /// The rule of parameters that this one is not for, unless a group gives it to them; nil: it is for all.
  public var companion: OptimizerKind? { servedKind == nil ? nil : .adamw }

  /// Whether the rule says itself what rates are multiplied by, in place of the parametrization.
  public var hasOwnRateFactor: Bool { self == .muon || self == .rowNormalized }

  /// The kind of parameters that the rule is for; nil: of all.
  public var servedKind: ParameterShape.Kind? {
    switch self {
    case .muon: .weight
    case .rowNormalized: .embedding
    default: nil
    }
  }

  /// Whether the rule is for parameters of this shape that a selector selects: Muon is for hidden matrices,
  /// and for others that are selected by more than `all` (or `*`); normalised rows are for embeddings.
  func serves(_ shape: ParameterShape, selectedBy selector: String) -> Bool {
    guard let servedKind else { return true }
    return shape.kind == servedKind
      && (self != .muon || shape.role == .hidden || !ParameterSelector.isForAll(selector))
  }

  /// How weight decay enters where a configuration does not say: AdamW and Lion decouple it, and so do
  /// normalised updates, whose norm is that of the gradient alone.
  public var defaultWeightDecayKind: WeightDecayKind {
    switch self {
    case .sgd, .momentum, .nesterov, .adam: .coupled
    case .adamw, .lion, .muon, .rowNormalized, .spectralNormalized, .frobeniusNormalized:
      .decoupled
    }
  }

  /// Whether decay can be added to the gradient.
  public var supportsCoupledDecay: Bool { family != .normalized }

  /// The rule; hyperparameters that are nil have the rule's own default.
  ///
  /// - muon, heads: of Muon alone.
  public func rule(
    _ values: Hyperparameters = Hyperparameters(), muon: Muon.Settings = Muon.Settings(),
    heads: Int = 1
  ) -> any UpdateRule {
    switch self {
    case .sgd: SGD()
    case .momentum: Momentum(values.momentum ?? 0.9)
    case .nesterov: Momentum(values.momentum ?? 0.9, nesterov: true)
    case .adam, .adamw:
      Adam(
        beta1: values.beta1 ?? 0.9, beta2: values.beta2 ?? 0.999, epsilon: values.epsilon ?? 1e-8)
    case .lion: Lion(beta1: values.beta1 ?? 0.9, beta2: values.beta2 ?? 0.99)
    case .muon: Muon(values.momentum ?? 0.95, muon, heads: heads)
    case .rowNormalized: RowNormalizedUpdate(values.momentum ?? 0.95)
    case .spectralNormalized: NormalizedUpdate(.spectral)
    case .frobeniusNormalized: NormalizedUpdate(.frobenius)
    }
  }

  /// The hyperparameters that the rule has.
  public var hyperparameters: [Hyperparameters.Name] {
    switch self {
    case .sgd, .spectralNormalized, .frobeniusNormalized: []
    case .momentum, .nesterov: [.momentum]
    case .adam, .adamw: [.beta1, .beta2, .epsilon]
    case .lion: [.beta1, .beta2]
    case .muon, .rowNormalized: [.momentum]
    }
  }

  /// Those of the rule and of its companion.
  public var allHyperparameters: [Hyperparameters.Name] {
    hyperparameters + (companion?.hyperparameters ?? [])
  }
}

/// An update rule's numbers beside rate and decay; nil has the rule's own default.
public struct Hyperparameters: Codable, Hashable, Sendable {
  /// The name of one of them.
  public enum Name: String, Codable, Hashable, Sendable, CaseIterable {
    /// See `Hyperparameters`.
    case momentum, beta1, beta2, epsilon
  }

  /// μ of momentum and Nesterov, β of Muon and of normalised rows, in [0, 1).
  public var momentum: Double?
  /// β₁ of Adam and Lion, in [0, 1).
  public var beta1: Double?
  /// β₂ of Adam and Lion, in [0, 1).
  public var beta2: Double?
  /// ε of Adam, ≥ 0, before the parametrization's factor.
  public var epsilon: Double?

  /// Those given; the rules' own defaults for the others.
  public init(
    momentum: Double? = nil, beta1: Double? = nil, beta2: Double? = nil, epsilon: Double? = nil
  ) {
    (self.momentum, self.beta1, self.beta2, self.epsilon) = (momentum, beta1, beta2, epsilon)
  }

  /// One of them by its name.
  public subscript(_ name: Name) -> Double? {
    get {
      switch name {
      case .momentum: momentum
      case .beta1: beta1
      case .beta2: beta2
      case .epsilon: epsilon
      }
    }
    set {
      switch name {
      case .momentum: momentum = newValue
      case .beta1: beta1 = newValue
      case .beta2: beta2 = newValue
      case .epsilon: epsilon = newValue
      }
    }
  }

  /// The names of those that are given.
  public var given: [Name] { Name.allCases.filter { self[$0] != nil } }

  /// These, and `others` for what they do not give.
  func over(_ others: Hyperparameters) -> Hyperparameters {
    var result = others
    for name in given { result[name] = self[name] }
    return result
  }
}
