import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import Training

/// How much device memory a group of runs takes, and how many fit.
public struct MemoryPlan {
  /// Where the runs train.
  private let device: Device
  /// Bytes that the sweep may take.
  public let budget: Int
  /// Bytes of the largest buffer that the device allows.
  private let largestBuffer: Int
  /// What trains a run on several devices, each of which takes a part of the batch; nil: one does.
  private let dataParallel: DataParallel?
  private let recorded = RecordedBytes()

  /// A plan for `device`.
  ///
  /// - budget: bytes; nil for half of a CPU's free memory, or 80 % of a GPU's. The memory that
  ///   OpenCL reports for a CPU is not used, as drivers name a fraction of what there is.
  /// - dataParallel: of runs that other ranks compute parts of.
  public init(device: Device, budget: Int? = nil, dataParallel: DataParallel? = nil) {
    self.init(
      device: device,
      budget: budget
        ?? (device.kind == .cpu
          ? HostMemory.available() / 2 : Int(Double(device.globalMemory) * 0.8)),
      largestBuffer: Int(clamping: device.maximumAllocation), dataParallel: dataParallel)
  }

  init(device: Device, budget: Int, largestBuffer: Int, dataParallel: DataParallel? = nil) {
    self.device = device
    self.budget = budget
    self.largestBuffer = largestBuffer
    self.dataParallel = dataParallel
  }

  /// Runs of `group` that can train at once beside `dataBytes` of data.
  ///
  /// - measured: what of the runs `Diagnostics` measures and keeps room for, if anything.
  /// - Throws: `SweepError.notEnoughMemory` where not even one fits, `.tensorTooLarge`.
  public func replicas(
    of group: RunGroup, dataBytes: Int, measured: Diagnostics.Contents? = nil
  ) throws -> Int {
    // Kernels count a replica's elements in 32 bits.
    let limit = min(Double(largestBuffer), 4 * Double(UInt32.max))
    let largest = max(Self.largestTensor(of: group), Double(dataBytes))
    guard largest <= limit else {
      throw SweepError.tensorTooLarge(width: group.width, bytes: largest, limit: limit)
    }
    func fitting(_ count: Int) throws -> Int {
      let part = RunGroup(experiment: group.experiment, cells: Array(group.cells.prefix(count)))
      let need = try bytesPerReplica(of: part, measured: measured)
      let fitting = min((Double(budget) - Double(dataBytes)) / need.all, limit / need.largest)
      guard fitting >= 1 else {
        throw SweepError.notEnoughMemory(
          width: group.width, needed: need.all + Double(dataBytes), budget: Double(budget))
      }
      return Int(min(fitting, Double(group.cells.count)))
    }
    // One first: as many as are asked for may be more than any kernel can count.
    return try fitting(fitting(1))
  }

  /// Bytes of everything one run of `group` takes, and of its largest tensor; in a group of its own or
  /// in this one, whichever takes more.
  ///
  /// Found by training that is recorded and not made: a few steps with batches of every size that there
  /// are, and the evaluations.
  /// - Throws: `UnknownParametrizationError`; `OpenCLError`.
  package func bytesPerReplica(
    of group: RunGroup, measured: Diagnostics.Contents? = nil
  ) throws -> (all: Double, largest: Double) {
    // How products are cut, and with it what they take beside their operands, depends on the group.
    let counts = Set([1, min(group.cells.count, Self.mostRecorded)])
    let found = try counts.map { count in
      let key = RecordedBytes.Key(
        experiment: group.own, width: group.width, optimizer: group.optimizer, count: count,
        measured: measured)
      return try recorded.bytes(of: key) {
        try bytes(of: group.cells.prefix(count), group.experiment, measured)
      }
    }
    return (found.map(\.all).max()!, found.map(\.largest).max()!)
  }

  /// Replicas of a group that are recorded; more take no more each.
  private static let mostRecorded = 64

  private func bytes(
    of cells: ArraySlice<RunCell>, _ experiment: Experiment, _ measured: Diagnostics.Contents?
  ) throws -> (all: Double, largest: Double) {
    let recording = Recording()
    let group = RunGroup(experiment: experiment, cells: Array(cells))
    let experiment = group.own
    let compute = try Compute(recording: recording, device: device, experiment.facts)
    let (labels, trainRows) = (experiment.labelsPerRow, experiment.trainRows)
    var training = group.training
    let ranks = dataParallel?.ranks.count ?? 1
    training.batchSize = (training.batchSize + ranks - 1) / ranks
    let train = try Self.rows(of: trainRows, by: training.batchSize, experiment, compute)
    let evaluated =
      [experiment.validationRows] + (experiment.settings.evaluateTrain ? [trainRows] : [])
    let evaluations = try evaluated.map {
      try Self.rows(
        of: $0, by: Trainer.evaluationRows(labelsPerRow: labels), experiment, compute)
    }
    // The data of all runs are counted apart; what the GEMM backend packs into is there whatever trains.
    try compute.makeWorkspace()
    let before = compute.queue.context.bufferBytes.now
    let trainer = try Trainer(
      training, replicas: try group.replicas(), totalSteps: group.totalSteps, compute: compute)
    if let measured, let train {
      try trainer.diagnose(every: 1, contents: measured, probe: train)
    }
    if let train { try trainer.train(on: train, until: min(Self.steps, group.totalSteps)) }
    for rows in evaluations { try rows.map { _ = try trainer.evaluate(on: $0) } }
    let replicas = Double(cells.count)
    let recorded = compute.queue.context.bufferBytes.most - before + recording.mostTemporaryBytes
    // Each run's order of the rows that were not recorded, and what an evaluation of all rows keeps.
    let order = 4 * (trainRows - (train?.count ?? 0))
    let evaluation = zip(evaluated, evaluations).map { count, rows in
      Trainer.evaluationBytes(of: count, labelsPerRow: labels, replicas: cells.count)
        - Trainer.evaluationBytes(
          of: rows?.count ?? 0, labelsPerRow: labels, replicas: cells.count)
    }
    return (
      Double(recorded + evaluation.max()!) / replicas + Double(order)
        + exchangedBytes(of: training.network.graph, experiment),
      Double(compute.largestTensorBytes) / replicas
    )
  }

  /// Bytes of what comes from other ranks in a step: every weight's factors of the whole batch, or its sum.
  private func exchangedBytes(of graph: NetworkGraph, _ experiment: Experiment) -> Double {
    guard let dataParallel, dataParallel.ranks.count > 1 else { return 0 }
    let rows = experiment.settings.batchSize * experiment.labelsPerRow
    return 4
      * graph.parameters.reduce(0) { total, parameter in
        let (m, n) = (parameter.shape.rows, parameter.shape.columns)
        let takesFactors =
          parameter.kind == .weight
          && dataParallel.route.takesFactors(
            outputs: m, inputs: n, rows: rows, ranks: dataParallel.ranks.count)
        return total
          + (takesFactors ? Double(rows) * Double(m + n) : Double(m) * Double(n))
      }
  }

  /// Steps of the recorded run: a whole batch, a short one, and what is measured from the second on.
  private static let steps = 3

  /// As many rows as have batches of all sizes that `count` rows have; nil of none.
  private static func rows(
    of count: Int, by batchSize: Int, _ experiment: Experiment, _ compute: Compute
  ) throws -> DeviceRows? {
    let number = count <= batchSize ? count : batchSize + count % batchSize
    guard number > 0 else { return nil }
    return try DeviceRows.blank(number, asIn: experiment, compute)
  }

  /// Bytes of the largest tensor that a run has by its sizes, in Double, which no size that can be asked
  /// for overflows.
  private static func largestTensor(of group: RunGroup) -> Double {
    let graph = group.training.network.graph
    let labels = group.own.labelsPerRow
    let rows = Double(
      max(group.own.settings.batchSize, Trainer.evaluationRows(labelsPerRow: labels)) * labels)
    let values = graph.nodes.map { rows * Double($0.columns.size) }
    let parameters = graph.parameters.map { Double($0.shape.rows) * Double($0.shape.columns) }
    return 4 * (values + parameters).reduce(0, max)
  }
}

extension DeviceRows {
  /// So many rows of zeros, shaped as the data of `experiment`, for training that is counted.
  ///
  /// - bytes: whether rows of numbers are stored as bytes.
  /// - Throws: `OpenCLError`.
  static func blank(
    _ count: Int, asIn experiment: Experiment, bytes: Bool = true, _ compute: Compute
  ) throws -> DeviceRows {
    let (inputs, context) = (experiment.facts.data.inputs, experiment.settings.context)
    if experiment.facts.data.isText {
      let tokens = count * context + 1
      return try DeviceRows(
        .narrow([UInt16](repeating: 0, count: tokens)),
        TokenWindows(tokens: tokens, context: context), compute: compute)
    }
    return try DeviceRows(
      bytes
        ? .bytes([UInt8](repeating: 0, count: count * inputs))
        : .floats([Float](repeating: 0, count: count * inputs)),
      labels: [UInt32](repeating: 0, count: count), scale: [Float](repeating: 1, count: inputs),
      shift: [Float](repeating: 0, count: inputs), compute: compute)
  }
}

/// What recorded runs took, each once.
private final class RecordedBytes {
  struct Key: Hashable {
    let experiment: Experiment
    let width: Int
    let optimizer: OptimizerKind
    let count: Int
    let measured: Diagnostics.Contents?
  }

  private var known: [Key: (all: Double, largest: Double)] = [:]

  func bytes(
    of key: Key, _ record: () throws -> (all: Double, largest: Double)
  ) rethrows -> (all: Double, largest: Double) {
    if let found = known[key] { return found }
    let found = try record()
    known[key] = found
    return found
  }
}

/// What stops a sweep before it trains.
public enum SweepError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Not even one run fits the budget; bytes.
  case notEnoughMemory(width: Int, needed: Double, budget: Double)
  /// A tensor of one run is larger than the device, or a kernel's count, allows; bytes.
  case tensorTooLarge(width: Int, bytes: Double, limit: Double)

  /// One line: what was needed and what there is.
  public var description: String {
    switch self {
    case .notEnoughMemory(let width, let needed, let budget):
      """
      not enough memory for one run of width \(width): \(Self.mebibytes(needed)) needed, \
      \(Self.mebibytes(budget)) allowed (see --memory)
      """
    case .tensorTooLarge(let width, let bytes, let limit):
      """
      width \(width) needs a buffer of \(Self.mebibytes(bytes)), and the device allows \
      \(Self.mebibytes(limit))
      """
    }
  }

  private static func mebibytes(_ bytes: Double) -> String {
    let count = (bytes / 0x1p20).rounded(.up)
    return count < 1e15 ? "\(Int(count)) MiB" : "far too many MiB"
  }
}

/// Memory of the machine, or of the container, that the program runs on.
enum HostMemory {
  /// Bytes that are free; all there are where the system does not tell.
  static func available() -> Int {
    let system = field("MemAvailable", of: read("/proc/meminfo")).map { $0 * 1024 }
    let whole = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    return min(system ?? whole, ControlGroups().memoryLeft ?? .max)
  }

  private static func field(_ name: String, of text: String?) -> Int? {
    text?.split(separator: "\n").first { $0.hasPrefix("\(name):") }
      .flatMap { Int($0.filter(\.isNumber)) }
  }

  private static func read(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
