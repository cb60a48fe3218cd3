import Networks
import Spectral
import Training

/// Runs of one shape that train together along the replica axis.
public struct RunGroup: Sendable {
  /// What all runs of the sweep share.
  public let settings: RunSettings
  /// The runs, all of one width and optimizer.
  public let cells: [RunCell]

  /// The width of every run.
  public var width: Int { cells[0].width }
  /// The update rule of every run.
  public var optimizer: OptimizerKind { cells[0].optimizer }

  package init(settings: RunSettings, cells: [RunCell]) {
    precondition(
      !cells.isEmpty
        && cells.allSatisfy { $0.width == cells[0].width && $0.optimizer == cells[0].optimizer },
      "a group is of one width and optimizer")
    self.settings = settings
    self.cells = cells
  }

  /// The configuration that the group's trainer takes.
  public var training: TrainingConfiguration {
    TrainingConfiguration(
      network: settings.network(width: width),
      baseNetwork: settings.baseWidth.map(settings.network),
      spectralInit: settings.spectralInit ?? false,
      parametrizations: settings.parametrizations ?? [],
      ownBaseNetworks: Dictionary(
        (settings.parametrizations ?? []).compactMap { own in
          own.baseWidth.map { (own.name, settings.network(width: $0)) }
        }, uniquingKeysWith: { first, _ in first }),
      rateRules: settings.rateRules ?? [], loss: settings.loss,
      optimization: Optimization(
        optimizer, weightDecay: settings.weightDecay, schedule: settings.schedule,
        groups: (settings.rateMultipliers ?? []).map {
          ParameterGroup($0.place, rateFactor: $0.factor)
        }),
      batchSize: settings.batchSize)
  }

  /// The runs as the trainer takes them.
  ///
  /// - Throws: `UnknownParametrizationError`.
  func replicas() throws -> [Replica] {
    try cells.map {
      Replica(
        seed: $0.seed, learningRate: $0.learningRate,
        parametrization: try settings.parametrization(named: $0.parametrization))
    }
  }

  /// Steps of one pass over the training rows; the last may be short.
  public var stepsPerEpoch: Int {
    (settings.data.trainCount + settings.batchSize - 1) / settings.batchSize
  }

  /// Rows of the step after `step` others.
  func batchSize(_ step: Int) -> Int {
    min(settings.batchSize, settings.data.trainCount - step % stepsPerEpoch * settings.batchSize)
  }

  /// Steps of a whole run.
  public var totalSteps: Int {
    switch settings.length {
    case .epochs(let count): count * stepsPerEpoch
    case .steps(let count): count
    }
  }

  /// Multiply-adds of one run, for sharing out progress and time.
  var work: Double {
    let weights = training.network.graph.parameters.reduce(0.0) {
      $0 + Double($1.shape.fanIn) * Double($1.shape.fanOut)
    }
    return weights * Double(settings.batchSize) * Double(totalSteps)
  }
}
