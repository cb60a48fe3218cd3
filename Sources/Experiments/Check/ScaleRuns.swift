import Foundation
import Spectral
import Tensors
import Training

/// How far networks of several widths or depths are, for whoever watches.
public struct ScaleProgress: Sendable {
  /// Name of the parametrization in training.
  public let parametrization: String
  /// What grows.
  public let scale: NetworkScale
  /// Its value in training.
  public let size: Int
  /// Share of the work that is done, in [0, 1].
  public let share: Double
  /// Whether it has waited for other programs to give the device's memory back.
  public var hasWaited = false
}

/// Networks of several widths, or depths, and seeds under one parametrization, trained and measured.
public struct ScaleRuns {
  /// What all networks share; of a length in steps.
  public let experiment: Experiment
  /// Name of the parametrization.
  public let parametrization: String
  /// The update rule.
  public let optimizer: OptimizerKind
  /// What grows from one network to the next.
  public let scale: NetworkScale
  /// Its values, at least two, ascending.
  public let sizes: [Int]
  /// The width of all networks, where that is not what grows.
  private let width: Int
  /// The layers that are compared: of each of `sizes` and, along depth, of its limits.
  private let layers: [ComparedLayer]
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
  /// - sizes: values of `scale`. width: of all networks, where they differ in depth.
  /// - directory: where the runs are stored, so that those that are done need not be trained again; nil:
  ///   nowhere.
  /// - Throws: `SweepError` where not even one network of a size fits into memory.
  public init(
    experiment: Experiment, parametrization: String, optimizer: OptimizerKind,
    scale: NetworkScale = .width, sizes: [Int], width: Int = 1, log2LearningRate: Double,
    seeds: [UInt64], data: TrainingData, compute: Compute,
    memory: MemoryPlan, directory: URL? = nil
  ) throws {
    self.directory = directory
    precondition(
      Set(sizes).count == sizes.count && sizes.count >= 2 && seeds.count >= 2,
      "exponents need two sizes and two seeds, got \(sizes) and \(seeds)")
    self.experiment = experiment
    (self.parametrization, self.optimizer) = (parametrization, optimizer)
    let sizes = sizes.sorted()
    (self.scale, self.sizes, self.width) = (scale, sizes, width)
    layers = ComparedLayer.all(
      of: (scale == .depth ? sizes + scale.limits : sizes).map {
        Self.settings(of: experiment, scale, size: $0).observedNames
      })
    (self.log2LearningRate, self.seeds) = (log2LearningRate, seeds)
    (self.data, self.compute, self.memory) = (data, compute, memory)
    for size in sizes {
      _ = try memory.replicas(
        of: group(size), dataBytes: data.deviceBytes, measured: .all)
    }
  }

  /// What theory predicts of these networks under their own parametrization.
  ///
  /// - Throws: `UnknownParametrizationError`.
  func prediction() throws -> CheckPrediction {
    prediction(
      of: experiment, under: try experiment.settings.parametrization(named: parametrization))
  }

  /// What the spectral condition asks of them: the spectral parametrization, with no rate of another
  /// rule, Muon's scale by the condition and, along depth, a rule for it.
  var ideal: CheckPrediction {
    var plain = experiment
    (plain.settings.rateRules, plain.settings.depthRateRules) = ([], [])
    (plain.settings.muonScale, plain.settings.attentionScale) = (.condition, .parametrization)
    if scale == .depth, plain.settings.depthRule == .none {
      plain.settings.depthRule = .completeP
    }
    return prediction(of: plain, under: SpectralParametrization())
  }

  private func prediction(
    of experiment: Experiment, under parametrization: any Parametrization
  ) -> CheckPrediction {
    func configurations(_ sizes: [Int]) -> [TrainingConfiguration] {
      sizes.map { group($0, of: experiment).training }
    }
    return switch scale {
    case .width:
      CheckPrediction(
        configurations(sizes), widths: sizes.map(Double.init), under: parametrization)
    case .depth:
      CheckPrediction(
        configurations(sizes + scale.limits), depths: sizes.map(Double.init), layers: layers,
        under: parametrization)
    }
  }

  /// The settings at a size; a width is none of them.
  private static func settings(
    of experiment: Experiment, _ scale: NetworkScale, size: Int
  ) -> Configuration {
    experiment.overridden(by: overrides(scale, size: size)).settings
  }

  private static func overrides(_ scale: NetworkScale, size: Int) -> [String: JSONValue] {
    scale == .width ? [:] : [scale.rawValue: .integer(size)]
  }

  /// The records of every size, all seeds of a size side by side, of the layers that are compared; the
  /// last is of the trained network and has no update. What a seed has no finite value of is NaN.
  ///
  /// The networks are trained as a sweep's runs are: in groups that fit the device's memory, and into
  /// a store, from which those that are done are taken when this is called again.
  /// - every: steps from one record to the next.
  /// - progress: called as each size begins, and every few steps; what it throws ends the
  ///   training.
  /// - Throws: `ScaleRunsError`, `RunStoreError`, `OpenCLError`, what `progress` throws.
  func records(
    every: Int, progress: (ScaleProgress) throws -> Void
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
      if state.group == nil && state.waits == 0 { return true }
      let size = state.group.map { scale == .width ? $0.width : $0.own.settings.depth }
      do {
        try progress(
          ScaleProgress(
            parametrization: parametrization, scale: scale, size: size ?? sizes[0],
            share: state.share, hasWaited: state.waits > 0))
        return true
      } catch {
        stop = error
        return false
      }
    }
    if let stop { throw stop }
    if let failure = outcome.failure { throw ScaleRunsError(failure: failure) }
    let runs = try sizes.map { size in
      try seeds.map { seed in
        try sweep.store.records(for: RunConfiguration(experiment, cell(size, seed: seed)))
      }
    }
    let total = experiment.totalSteps
    let divergence = try sweep.summarize().compactMap(\.result.divergedAtStep).min()
    return DiagnosticRecord.records(
      of: runs,
      names: sizes.enumerated().map { index, size in
        let names = Self.settings(of: experiment, scale, size: size).observedNames
        return layers.map { (name: $0.name, recorded: names[$0.indices[index]]) }
      },
      steps: Array(stride(from: 0, to: total, by: every)) + [total],
      divergence: divergence)
  }

  private var grid: SweepGrid {
    get throws {
      try SweepGrid(
        parametrizations: [parametrization], optimizers: [optimizer],
        widths: scale == .width ? sizes : [width], log2LearningRates: [log2LearningRate],
        seeds: seeds,
        scale: scale == .width ? nil : SweepAxis(scale.rawValue, sizes.map(Double.init)))
    }
  }

  private static func temporaryDirectory() -> URL {
    FileManager.default.temporaryDirectory.appendingPathComponent("gputrain-\(UUID().uuidString)")
  }

  /// Multiply-adds of all networks, for sharing out progress.
  var work: Double {
    sizes.reduce(0) { $0 + group($1).work * Double(seeds.count) }
  }

  private func group(_ size: Int, of experiment: Experiment? = nil) -> RunGroup {
    RunGroup(experiment: experiment ?? self.experiment, cells: seeds.map { cell(size, seed: $0) })
  }

  private func cell(_ size: Int, seed: UInt64) -> RunCell {
    RunCell(
      parametrization: parametrization, optimizer: optimizer,
      width: scale == .width ? size : width, log2LearningRate: log2LearningRate, seed: seed,
      overrides: Self.overrides(scale, size: size))
  }
}

/// Why networks of several sizes could not be trained to the end.
public struct ScaleRunsError: Error, CustomStringConvertible {
  /// The first error of a run.
  let failure: String

  /// One line: what went wrong.
  public var description: String { "training stopped: \(failure)" }
}
