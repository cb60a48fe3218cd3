import Networks
import Spectral
import Training

/// Runs of one shape that train together along the replica axis.
public struct RunGroup: Sendable {
  /// What all runs of the sweep share.
  public let experiment: Experiment
  /// The runs, all of one width, optimizer and shape.
  public let cells: [RunCell]
  /// The experiment with the first run's overrides. Of a group's runs only `perRun` settings differ.
  let own: Experiment

  /// Settings that runs of one group may have their own values of: numbers of the update.
  static let perRun: Set = [
    "momentum", "beta1", "beta2", "epsilon", "weight-decay", "clip-norm", "spectral-sphere",
    "spectral-cap", "spectral-clip",
  ]

  /// What of a run's overrides all runs of its group share.
  static func shape(of overrides: [String: JSONValue]) -> [String: JSONValue] {
    overrides.filter { !perRun.contains($0.key) }
  }

  /// The width of every run.
  public var width: Int { cells[0].width }
  /// The update rule of every run.
  public var optimizer: OptimizerKind { cells[0].optimizer }

  package init(experiment: Experiment, cells: [RunCell]) {
    precondition(
      !cells.isEmpty
        && cells.allSatisfy { $0.width == cells[0].width && $0.optimizer == cells[0].optimizer },
      "a group is of one width and optimizer")
    let shape = Self.shape(of: cells[0].overrides)
    precondition(
      cells.allSatisfy { Self.shape(of: $0.overrides) == shape }, "a group is of one shape")
    self.experiment = experiment
    self.cells = cells
    own = experiment.overridden(by: cells[0].overrides)
  }

  /// Runs that may train together, as their products have the same multipliers: of most networks, those under
  /// every parametrization.
  static func withAlikeMultipliers(_ cells: [RunCell], in experiment: Experiment) -> [[RunCell]] {
    guard let first = cells.first else { return [] }
    let training = RunGroup(experiment: experiment, cells: [first]).training
    let graph = training.network.graph
    guard graph.parameters.contains(where: { $0.shape.use != .plain }) else { return [cells] }
    let names = cells.map(\.parametrization).uniqued()
    let multipliers = Dictionary(
      uniqueKeysWithValues: names.map { name in
        // One that is not known is named when its group begins to train.
        let rule = try? experiment.settings.parametrization(named: name)
        let scalings = rule.map { training.scalings(of: graph, under: $0) } ?? []
        return (name, scalings.map(\.multiplier))
      })
    return names.map { multipliers[$0] }.uniqued().map { alike in
      cells.filter { multipliers[$0.parametrization] == alike }
    }
  }

  /// A group of the same experiment.
  func with(_ cells: [RunCell]) -> RunGroup { RunGroup(experiment: experiment, cells: cells) }

  /// What sets the group's networks apart beside width and optimizer: "depth 4"; nil: nothing.
  public var shapeInWords: String? {
    let shape = Self.shape(of: cells[0].overrides)
    return shape.isEmpty ? nil : RunCell.words(shape)
  }

  /// A run's settings.
  func settings(_ replica: Int) -> Configuration {
    cells[replica].overrides == cells[0].overrides
      ? own.settings : experiment.overridden(by: cells[replica].overrides).settings
  }

  /// The configuration that the group's trainer takes.
  public var training: TrainingConfiguration { own.training(optimizer, width: width) }

  /// The runs as the trainer takes them.
  ///
  /// - Throws: `UnknownParametrizationError`.
  func replicas() throws -> [Replica] {
    var optimizations: [[String: JSONValue]: Optimization] = [:]
    return try cells.indices.map { replica in
      let cell = cells[replica]
      if cell.overrides != cells[0].overrides, optimizations[cell.overrides] == nil {
        optimizations[cell.overrides] = settings(replica).optimization(
          optimizer, totalSteps: totalSteps)
      }
      return Replica(
        seed: cell.seed, learningRate: cell.learningRate,
        parametrization: try own.settings.parametrization(named: cell.parametrization),
        optimization: optimizations[cell.overrides])
    }
  }

  /// Steps of one pass over the training rows; the last may be short.
  public var stepsPerEpoch: Int { own.stepsPerEpoch }

  /// Steps of a whole run.
  public var totalSteps: Int { own.totalSteps }

  /// Labels of the step after `step` others, of a text tokens.
  func labels(ofStepAfter step: Int) -> Int {
    let size = own.settings.batchSize
    return own.labelsPerRow * min(size, own.trainRows - step % stepsPerEpoch * size)
  }

  /// Tokens that a run trains on in these steps; 0 of data that are no text.
  func tokens(ofSteps steps: Range<Int>) -> Int {
    own.facts.data.isText ? steps.reduce(0) { $0 + labels(ofStepAfter: $1) } : 0
  }

  /// Multiply-adds of one run, for sharing out progress and time.
  var work: Double {
    let weights = training.network.graph.parameters.reduce(0.0) { sum, parameter in
      let shape = parameter.shape
      // An embedding's rows are picked, and only a readout that shares it multiplies by them.
      return shape.use == .plain && shape.kind == .embedding
        ? sum : sum + Double(shape.rows) * Double(shape.columns)
    }
    return weights * Double(own.settings.batchSize * own.labelsPerRow) * Double(totalSteps)
  }
}
