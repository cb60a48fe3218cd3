import Foundation
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
  private let directory: URL?
  private let data: TrainingData
  private let compute: Compute
  private let memory: MemoryPlan

  /// Networks that train when `records` is called.
  ///
  /// - directory: where the runs are stored, so that those that are done need not be trained again; nil:
  ///   nowhere.
  /// - Throws: `SweepError` where not even one network of a width fits into memory.
  public init(
    experiment: Experiment, parametrization: String, optimizer: OptimizerKind, widths: [Int],
    log2LearningRate: Double, seeds: [UInt64], data: TrainingData, compute: Compute,
    memory: MemoryPlan, directory: URL? = nil
  ) throws {
    self.directory = directory
    precondition(
      Set(widths).count == widths.count && widths.count >= 2 && seeds.count >= 2,
      "exponents need two widths and two seeds, got \(widths) and \(seeds)")
    self.experiment = experiment
    (self.parametrization, self.optimizer) = (parametrization, optimizer)
    self.widths = widths.sorted()
    (self.log2LearningRate, self.seeds) = (log2LearningRate, seeds)
    (self.data, self.compute, self.memory) = (data, compute, memory)
    for width in widths {
      _ = try memory.replicas(
        of: group(width: width), dataBytes: data.deviceBytes, measured: .all)
    }
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
  /// rule and Muon's scale by the condition.
  var ideal: CheckPrediction {
    CheckPrediction(
      configurations.map {
        var plain = $0
        plain.rateRules = []
        plain.optimization.muon?.scale = .condition
        return plain
      }, widths: widths.map(Double.init), under: SpectralParametrization())
  }

  private var configurations: [TrainingConfiguration] {
    widths.map { group(width: $0).training }
  }

  /// The records of every width, all seeds of a width side by side; the last is of the trained
  /// network and has no update. What a seed has no finite value of is NaN.
  ///
  /// The networks are trained as a sweep's runs are: in groups that fit the device's memory, and into
  /// a store, from which those that are done are taken when this is called again.
  /// - every: steps from one record to the next.
  /// - progress: called as each width begins, and every few steps; what it throws ends the
  ///   training.
  /// - Throws: `WidthRunsError`, `RunStoreError`, `OpenCLError`, what `progress` throws.
  func records(
    every: Int, progress: (WidthProgress) throws -> Void
  ) throws -> [[DiagnosticRecord]] {
    // Other settings or data in the same directory have a store of their own.
    let place =
      directory?.appendingPathComponent(experiment.identifier) ?? Self.temporaryDirectory()
    defer { if directory == nil { try? FileManager.default.removeItem(at: place) } }
    let sweep = try Sweep(
      experiment: experiment, grid: grid, data: data, directory: place, compute: compute,
      memory: memory, diagnosis: DiagnosisPlan(every: every))
    var stop: (any Error)?
    let outcome = try sweep.run { state in
      guard let group = state.group else { return true }
      do {
        try progress(
          WidthProgress(parametrization: parametrization, width: group.width, share: state.share))
        return true
      } catch {
        stop = error
        return false
      }
    }
    if let stop { throw stop }
    if let failure = outcome.failure { throw WidthRunsError(failure: failure) }
    let runs = try widths.map { width in
      try seeds.map { seed in
        try sweep.store.records(for: RunConfiguration(experiment, cell(width: width, seed: seed)))
      }
    }
    let total = experiment.totalSteps
    let divergence = try sweep.summarize().compactMap(\.result.divergedAtStep).min()
    return DiagnosticRecord.records(
      of: runs, names: experiment.settings.layerNames,
      steps: Array(stride(from: 0, to: total, by: every)) + [total],
      divergence: divergence)
  }

  private var grid: SweepGrid {
    get throws {
      try SweepGrid(
        parametrizations: [parametrization], optimizers: [optimizer], widths: widths,
        log2LearningRates: [log2LearningRate], seeds: seeds)
    }
  }

  private static func temporaryDirectory() -> URL {
    FileManager.default.temporaryDirectory.appendingPathComponent("gputrain-\(UUID().uuidString)")
  }

  /// Multiply-adds of all networks, for sharing out progress.
  var work: Double {
    widths.reduce(0) { $0 + group(width: $1).work * Double(seeds.count) }
  }

  private func group(width: Int) -> RunGroup {
    RunGroup(experiment: experiment, cells: seeds.map { cell(width: width, seed: $0) })
  }

  private func cell(width: Int, seed: UInt64) -> RunCell {
    RunCell(
      parametrization: parametrization, optimizer: optimizer, width: width,
      log2LearningRate: log2LearningRate, seed: seed)
  }
}

/// Why networks of several widths could not be trained to the end.
public struct WidthRunsError: Error, CustomStringConvertible {
  /// The first error of a run.
  let failure: String

  /// One line: what went wrong.
  public var description: String { "training stopped: \(failure)" }
}
