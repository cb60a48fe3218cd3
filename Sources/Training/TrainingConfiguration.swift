import Spectral

/// What replicas that train together have in common.
public struct TrainingConfiguration: Codable, Hashable, Sendable {
  /// The network.
  public var network: NetworkConfiguration
  /// The shape at which every parametrization equals the standard one; nil for absolute rules.
  public var baseShape: MLPShape?
  /// Parametrizations beside the built-in ones, for `rateRules` to name.
  public var parametrizations: [CustomParametrization]
  /// Base shapes of single parametrizations, by name, in place of `baseShape`.
  public var ownBaseShapes: [String: MLPShape]
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
    network: NetworkConfiguration, baseShape: MLPShape? = nil,
    parametrizations: [CustomParametrization] = [], ownBaseShapes: [String: MLPShape] = [:],
    rateRules: [RateRule] = [], rateMultipliers: [RateMultiplier] = [],
    loss: LossFunction = .crossEntropy, optimizer: OptimizerKind = .adam,
    weightDecay: WeightDecay? = nil,
    schedule: Schedule = Schedule(), batchSize: Int = 64
  ) {
    precondition(batchSize >= 1, "batch size must be ≥ 1, got \(batchSize)")
    self.network = network
    self.baseShape = baseShape
    self.parametrizations = parametrizations
    self.ownBaseShapes = ownBaseShapes
    self.rateRules = rateRules
    self.rateMultipliers = rateMultipliers
    self.loss = loss
    self.optimizer = optimizer
    self.weightDecay = weightDecay
    self.schedule = schedule
    self.batchSize = batchSize
  }

  /// What `parametrization` gives each parameter of the network, in order.
  ///
  /// - family: of the update rule; nil for the optimizer's.
  public func scalings(
    under parametrization: any Parametrization, family: UpdateFamily? = nil
  ) -> [WidthScaling] {
    let family = family ?? optimizer.family
    return network.shape.parameters.indices.map { index in
      var scaling = scaling(index, under: parametrization, family: family)
      let (name, shape) = network.shape.parameters[index]
      for rule in rateRules where rule.applies(to: name, role: shape.role) {
        guard
          let other = try? Parametrizations.named(rule.parametrization, or: parametrizations)
        else {
          preconditionFailure("a rate rule names \(rule.parametrization)")
        }
        scaling.learningRateFactor =
          self.scaling(index, under: other, family: rule.family ?? family)
          .learningRateFactor
      }
      if let multiplier = rateMultipliers.last(where: { $0.applies(to: name, role: shape.role) }) {
        scaling.learningRateFactor *= multiplier.factor
      }
      return scaling
    }
  }

  private func scaling(
    _ index: Int, under parametrization: any Parametrization, family: UpdateFamily
  ) -> WidthScaling {
    parametrization.scaling(
      of: network.shape.parameters[index].shape,
      relativeTo: (ownBaseShapes[parametrization.name] ?? baseShape)?.parameters[index].shape,
      family: family,
      decay: weightDecay?.kind ?? optimizer.defaultWeightDecayKind)
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
