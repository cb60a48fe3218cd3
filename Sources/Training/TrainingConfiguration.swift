import Networks
import Spectral

/// What replicas that train together have in common.
public struct TrainingConfiguration: Sendable {
  /// The network.
  public var network: any Architecture
  /// The network at which every parametrization equals the standard one; nil for absolute rules.
  public var baseNetwork: (any Architecture)?
  /// How weights are drawn.
  public var weightInit: WeightInit
  /// Parametrizations beside the built-in ones, for `rateRules` to name.
  public var parametrizations: [CustomParametrization]
  /// Base networks of single parametrizations, by name, in place of `baseNetwork`.
  public var ownBaseNetworks: [String: any Architecture]
  /// Learning-rate rules of single tensors in place of the parametrization's; later ones win.
  public var rateRules: [RateRule]
  /// Depth rules of single tensors' rates in place of their branch's; later ones win.
  public var depthRateRules: [DepthRateRule]
  /// Factors on the initial values of single tensors, beside the parametrization's σ; later ones win.
  public var initialMultipliers: [InitialMultiplier]
  /// What is minimised.
  public var loss: LossFunction
  /// How parameters are updated, where a replica has not its own.
  public var optimization: Optimization
  /// Rows a step, ≥ 1; the last batch of an epoch may be shorter.
  public var batchSize: Int
  /// Rows that are computed at a time, ≥ 1, their gradients summed until the batch is whole; nil: the
  /// whole batch. Results are the same but for rounding; memory is less.
  public var microBatch: Int?

  /// A configuration; the defaults are plain cross-entropy at a constant rate.
  public init(
    network: any Architecture, baseNetwork: (any Architecture)? = nil,
    weightInit: WeightInit = .gaussian,
    parametrizations: [CustomParametrization] = [],
    ownBaseNetworks: [String: any Architecture] = [:],
    rateRules: [RateRule] = [], depthRateRules: [DepthRateRule] = [],
    initialMultipliers: [InitialMultiplier] = [],
    loss: LossFunction = .crossEntropy,
    optimization: Optimization = Optimization(), batchSize: Int = 64, microBatch: Int? = nil
  ) {
    precondition(
      batchSize >= 1 && microBatch ?? 1 >= 1,
      "batch sizes must be ≥ 1, got \(batchSize) and \(microBatch ?? 1)")
    self.network = network
    self.baseNetwork = baseNetwork
    self.weightInit = weightInit
    self.parametrizations = parametrizations
    self.ownBaseNetworks = ownBaseNetworks
    self.rateRules = rateRules
    self.depthRateRules = depthRateRules
    self.initialMultipliers = initialMultipliers
    self.loss = loss
    self.optimization = optimization
    self.batchSize = batchSize
    self.microBatch = microBatch
  }

  /// What `parametrization` gives each parameter of `graph`, in its order.
  ///
  /// - graph: the network's, or the network's at another width.
  /// - optimization: of the replica; nil for the configuration's.
  /// - custom: a custom rule for the parameters whose group names none.
  public func scalings(
    of graph: NetworkGraph, under parametrization: any Parametrization,
    optimization: Optimization? = nil, custom: (any UpdateRule)? = nil
  ) -> [WidthScaling] {
    let optimization = optimization ?? self.optimization
    let rules = rateRules.map { rule -> (rule: RateRule, bases: BaseShapes) in
      guard let other = try? Parametrizations.named(rule.parametrization, or: parametrizations)
      else { preconditionFailure("a rate rule names \(rule.parametrization)") }
      return (rule, bases(of: other))
    }
    let own = bases(of: parametrization)
    return graph.parameters.map { parameter in
      let shape = parameter.shape
      let settings = optimization.settings(for: parameter)
      let rule = settings.rule(or: custom)
      let family = rule.family
      let decay = settings.weightDecay?.kind ?? settings.optimizer.defaultWeightDecayKind
      var scaling = own.scaling(of: parameter, family: family, decay: decay)
      for (rule, other) in rules where parameter.isSelected(by: rule.selector) {
        let ruled = other.scaling(of: parameter, family: rule.family ?? family, decay: decay)
        scaling.learningRateFactor = ruled.learningRateFactor
        // η_l·λ_l is to be the same at every width.
        if decay == .decoupledScaled { scaling.weightDecayFactor = ruled.weightDecayFactor }
      }
      if let factor = rule.ownRateFactor(for: shape) {
        scaling.learningRateFactor = factor
        switch decay {
        case .decoupled, .decoupledScaled: scaling.weightDecayFactor = 1 / factor
        case .coupled, .independent: scaling.weightDecayFactor = 1
        }
      }
      if let depth = parameter.depthScaling {
        let rates = depthRateRules.last { parameter.isSelected(by: $0.selector) }
        scaling = depth.applied(to: scaling, family: family, decay: decay, rates: rates?.rule)
      }
      scaling.learningRateFactor *= settings.rateFactor
      let start = initialMultipliers.last { parameter.isSelected(by: $0.selector) }
      scaling.initialStd *= start?.factor ?? 1
      return scaling
    }
  }

  /// The same for the network itself.
  public func scalings(
    under parametrization: any Parametrization
  ) -> [WidthScaling] {
    scalings(of: network.graph, under: parametrization)
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
  /// How its parameters are updated, in place of the configuration's: by the same rules with other
  /// numbers.
  public var optimization: Optimization?

  /// A replica under `parametrization`.
  public init(
    seed: UInt64, learningRate: Double, parametrization: any Parametrization,
    optimization: Optimization? = nil
  ) {
    self.seed = seed
    self.learningRate = learningRate
    self.parametrization = parametrization
    self.optimization = optimization
  }
}

/// What training minimises, a mean over the batch.
public enum LossFunction: String, Codable, Hashable, Sendable, CaseIterable {
  /// −log softmax(logits)[label].
  case crossEntropy = "cross-entropy"
  /// Mean over outputs of (output − target)²; of classes the target is the one-hot label less 1/outputs.
  case meanSquaredError = "mse"
}
