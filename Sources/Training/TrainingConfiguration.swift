import Networks
import Spectral

/// What replicas that train together have in common.
public struct TrainingConfiguration: Sendable {
  /// The network.
  public var network: any Architecture
  /// The network at which every parametrization equals the standard one; nil for absolute rules.
  public var baseNetwork: (any Architecture)?
  /// Whether each weight is scaled, once drawn, to the spectral norm that its σ implies.
  public var spectralInit: Bool
  /// Parametrizations beside the built-in ones, for `rateRules` to name.
  public var parametrizations: [CustomParametrization]
  /// Base networks of single parametrizations, by name, in place of `baseNetwork`.
  public var ownBaseNetworks: [String: any Architecture]
  /// Learning-rate rules of single tensors in place of the parametrization's; later ones win.
  public var rateRules: [RateRule]
  /// Factors on the learning rates of single tensors, after all rules; later ones win.
  public var rateMultipliers: [RateMultiplier]
  /// What is minimised.
  public var loss: LossFunction
  /// The update rule.
  public var optimizer: OptimizerKind
  /// Weight decay, if any.
  public var weightDecay: WeightDecay?
  /// The learning rate over training.
  public var schedule: Schedule
  /// Rows a step, ≥ 1; the last batch of an epoch may be shorter.
  public var batchSize: Int

  /// A configuration; the defaults are plain cross-entropy at a constant rate.
  public init(
    network: any Architecture, baseNetwork: (any Architecture)? = nil, spectralInit: Bool = false,
    parametrizations: [CustomParametrization] = [],
    ownBaseNetworks: [String: any Architecture] = [:],
    rateRules: [RateRule] = [], rateMultipliers: [RateMultiplier] = [],
    loss: LossFunction = .crossEntropy, optimizer: OptimizerKind = .adam,
    weightDecay: WeightDecay? = nil,
    schedule: Schedule = Schedule(), batchSize: Int = 64
  ) {
    precondition(batchSize >= 1, "batch size must be ≥ 1, got \(batchSize)")
    self.network = network
    self.baseNetwork = baseNetwork
    self.spectralInit = spectralInit
    self.parametrizations = parametrizations
    self.ownBaseNetworks = ownBaseNetworks
    self.rateRules = rateRules
    self.rateMultipliers = rateMultipliers
    self.loss = loss
    self.optimizer = optimizer
    self.weightDecay = weightDecay
    self.schedule = schedule
    self.batchSize = batchSize
  }

  /// What `parametrization` gives each parameter of `graph`, in its order.
  ///
  /// - graph: the network's, or the network's at another width.
  /// - family: of the update rule; nil for the optimizer's.
  public func scalings(
    of graph: NetworkGraph, under parametrization: any Parametrization,
    family: UpdateFamily? = nil
  ) -> [WidthScaling] {
    let family = family ?? optimizer.family
    let decay = weightDecay?.kind ?? optimizer.defaultWeightDecayKind
    let rules = rateRules.map { rule -> (rule: RateRule, bases: BaseShapes) in
      guard let other = try? Parametrizations.named(rule.parametrization, or: parametrizations)
      else { preconditionFailure("a rate rule names \(rule.parametrization)") }
      return (rule, bases(of: other))
    }
    let own = bases(of: parametrization)
    return graph.parameters.map { parameter in
      let (path, shape) = (parameter.path, parameter.shape)
      var scaling = own.scaling(of: parameter, family: family, decay: decay)
      for (rule, other) in rules where rule.applies(to: path, role: shape.role) {
        scaling.learningRateFactor =
          other.scaling(of: parameter, family: rule.family ?? family, decay: decay)
          .learningRateFactor
      }
      if let multiplier = rateMultipliers.last(where: { $0.applies(to: path, role: shape.role) }) {
        scaling.learningRateFactor *= multiplier.factor
      }
      return scaling
    }
  }

  /// The same for the network itself.
  public func scalings(
    under parametrization: any Parametrization, family: UpdateFamily? = nil
  ) -> [WidthScaling] {
    scalings(of: network.graph, under: parametrization, family: family)
  }

  private func bases(of parametrization: any Parametrization) -> BaseShapes {
    BaseShapes(
      parametrization: parametrization,
      base: ownBaseNetworks[parametrization.name] ?? baseNetwork)
  }
}

/// A parametrization with the shapes, by path, at which it equals the standard one.
private struct BaseShapes {
  let parametrization: any Parametrization
  /// nil for absolute rules.
  private let shapes: [String: ParameterShape]?

  init(parametrization: any Parametrization, base: (any Architecture)?) {
    self.parametrization = parametrization
    shapes = base.map { base in
      Dictionary(uniqueKeysWithValues: base.graph.parameters.map { ($0.path, $0.shape) })
    }
  }

  func scaling(
    of parameter: NetworkParameter, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    let base = shapes.map { shapes in
      guard let shape = shapes[parameter.path] else {
        preconditionFailure("the base network has no \(parameter.path)")
      }
      return shape
    }
    return parametrization.scaling(
      of: parameter.shape, relativeTo: base, family: family, decay: decay)
  }
}

/// What sets one replica of a group apart.
public struct Replica: Sendable {
  /// Decides initial values and the order of the data.
  public var seed: UInt64
  /// η before the parametrization's factors.
  public var learningRate: Double
  /// How initial values and rates scale.
  public var parametrization: any Parametrization

  /// A replica under `parametrization`.
  public init(seed: UInt64, learningRate: Double, parametrization: any Parametrization) {
    self.seed = seed
    self.learningRate = learningRate
    self.parametrization = parametrization
  }
}
