import Networks
import Spectral
import Training

/// Runs of one shape that train together along the replica axis.
public struct RunGroup: Sendable {
  /// What all runs of the sweep share.
  public let experiment: Experiment
  /// The runs, all of one width and optimizer.
  public let cells: [RunCell]

  /// The width of every run.
  public var width: Int { cells[0].width }
  /// The update rule of every run.
  public var optimizer: OptimizerKind { cells[0].optimizer }

  package init(experiment: Experiment, cells: [RunCell]) {
    precondition(
      !cells.isEmpty
        && cells.allSatisfy { $0.width == cells[0].width && $0.optimizer == cells[0].optimizer },
      "a group is of one width and optimizer")
    self.experiment = experiment
    self.cells = cells
  }

  /// The configuration that the group's trainer takes.
  public var training: TrainingConfiguration {
    let settings = experiment.settings
    return TrainingConfiguration(
      network: experiment.network(width: width),
      baseNetwork: settings.absolute ? nil : experiment.network(width: settings.baseWidth),
      spectralInit: settings.spectralInit, parametrizations: settings.parametrizations,
      ownBaseNetworks: Dictionary(
        settings.parametrizations.compactMap { own in
          own.baseWidth.map { (own.name, experiment.network(width: $0)) }
        }, uniquingKeysWith: { first, _ in first }),
      rateRules: settings.rateRules, loss: settings.loss,
      optimization: settings.optimization(optimizer, totalSteps: totalSteps),
      batchSize: settings.batchSize, microBatch: settings.microBatch)
  }

  /// The runs as the trainer takes them.
  ///
  /// - Throws: `UnknownParametrizationError`.
  func replicas() throws -> [Replica] {
    try cells.map {
      Replica(
        seed: $0.seed, learningRate: $0.learningRate,
        parametrization: try experiment.settings.parametrization(named: $0.parametrization))
    }
  }

  /// Steps of one pass over the training rows; the last may be short.
  public var stepsPerEpoch: Int { experiment.stepsPerEpoch }

  /// Steps of a whole run.
  public var totalSteps: Int { experiment.totalSteps }

  /// Rows of the step after `step` others.
  func batchSize(_ step: Int) -> Int {
    let size = experiment.settings.batchSize
    return min(size, experiment.facts.data.trainCount - step % stepsPerEpoch * size)
  }

  /// Multiply-adds of one run, for sharing out progress and time.
  var work: Double {
    let weights = training.network.graph.parameters.reduce(0.0) {
      $0 + Double($1.shape.fanIn) * Double($1.shape.fanOut)
    }
    return weights * Double(experiment.settings.batchSize) * Double(totalSteps)
  }
}
