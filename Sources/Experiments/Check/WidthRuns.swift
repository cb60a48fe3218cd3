import Spectral
import Tensors
import Training

/// How far networks of several widths are, for whoever watches.
public struct WidthProgress: Sendable {
  /// Name of the parametrization in training.
  public let parametrization: String
  /// The width in training.
  public let width: Int
  /// Share of the work that is done, in [0, 1].
  public let share: Double
}

/// Networks of several widths and seeds under one parametrization, trained and measured.
public struct WidthRuns {
  /// What all networks share; of a length in steps.
  public let experiment: Experiment
  /// Name of the parametrization.
  public let parametrization: String
  /// The update rule.
  public let optimizer: OptimizerKind
  /// At least two, ascending.
  public let widths: [Int]
  /// log2 of η.
  public let log2LearningRate: Double
  /// At least two.
  public let seeds: [UInt64]
  private let data: TrainingData
  private let compute: Compute
  private let memory: MemoryPlan

  /// Networks that train when `records` is called.
  ///
  /// - Throws: `SweepError` where not even one network of a width fits into memory.
  public init(
    experiment: Experiment, parametrization: String, optimizer: OptimizerKind, widths: [Int],
    log2LearningRate: Double, seeds: [UInt64], data: TrainingData, compute: Compute,
    memory: MemoryPlan
  ) throws {
    precondition(
      Set(widths).count == widths.count && widths.count >= 2 && seeds.count >= 2,
      "exponents need two widths and two seeds, got \(widths) and \(seeds)")
    self.experiment = experiment
    (self.parametrization, self.optimizer) = (parametrization, optimizer)
    self.widths = widths.sorted()
    (self.log2LearningRate, self.seeds) = (log2LearningRate, seeds)
    (self.data, self.compute, self.memory) = (data, compute, memory)
    for width in widths { _ = try room(for: width) }
  }

  /// What theory predicts of these networks under their own parametrization.
  ///
  /// - Throws: `UnknownParametrizationError`.
  func prediction() throws -> CheckPrediction {
    CheckPrediction(
      configurations, widths: widths.map(Double.init),
      under: try experiment.settings.parametrization(named: parametrization))
  }

  /// What the spectral condition asks of them: the spectral parametrization, with no rate of another
  /// rule.
  var ideal: CheckPrediction {
    CheckPrediction(
      configurations.map {
        var plain = $0
        plain.rateRules = []
        return plain
      }, widths: widths.map(Double.init), under: SpectralParametrization())
  }

  private var configurations: [TrainingConfiguration] {
    widths.map { group(width: $0, seeds: seeds[...]).training }
  }

  /// The records of every width, all seeds of a width side by side; the last is of the trained
  /// network and has no update.
  ///
  /// - every: steps from one record to the next.
  /// - progress: called as each width begins, and every few steps; what it throws ends the
  ///   training.
  /// - Throws: `OpenCLError`, `CLBlastError`, what `progress` throws.
  func records(
    every: Int, progress: (WidthProgress) throws -> Void
  ) throws -> [[DiagnosticRecord]] {
    let (train, _) = try data.upload(to: compute)
    let all = work
    var done = 0.0
    return try widths.map { width in
      let room = try room(for: width)
      var records: [DiagnosticRecord] = []
      for start in stride(from: 0, to: seeds.count, by: room) {
        let group = group(width: width, seeds: seeds[start..<min(start + room, seeds.count)])
        let groupWork = group.work * Double(group.cells.count)
        let part = try self.records(group, train: train, every: every) { steps in
          let now = done + groupWork * Double(steps) / Double(group.totalSteps)
          try progress(
            WidthProgress(parametrization: parametrization, width: width, share: now / all))
        }
        records = records.isEmpty ? part : zip(records, part).map { $0.joined(with: $1) }
        done += groupWork
      }
      try compute.releaseUnusedMemory()
      return records
    }
  }

  private func records(
    _ group: RunGroup, train: DeviceRows, every: Int, progress: (Int) throws -> Void
  ) throws -> [DiagnosticRecord] {
    try progress(0)
    let trainer = try Trainer(
      group.training, replicas: try group.replicas(), totalSteps: group.totalSteps,
      compute: compute)
    let diagnostics = try trainer.diagnose(every: every, probe: train)
    try trainer.train(on: train, until: group.totalSteps, progress: progress)
    try diagnostics.measure(step: trainer.step)
    return try diagnostics.records()
  }

  /// Multiply-adds of all networks, for sharing out progress.
  var work: Double {
    widths.reduce(0) { $0 + group(width: $1, seeds: seeds[...]).work * Double(seeds.count) }
  }

  private func group(width: Int, seeds: ArraySlice<UInt64>) -> RunGroup {
    RunGroup(
      experiment: experiment,
      cells: seeds.map {
        RunCell(
          parametrization: parametrization, optimizer: optimizer, width: width,
          log2LearningRate: log2LearningRate, seed: $0)
      })
  }

  /// Seeds of a width that fit into memory at once.
  private func room(for width: Int) throws -> Int {
    try memory.replicas(
      of: group(width: width, seeds: seeds[...]), dataBytes: data.deviceBytes, measured: .all)
  }
}
