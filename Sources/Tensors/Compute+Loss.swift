import OpenCL

/// A loss over a batch, before any averaging of its rows.
public struct BatchLoss {
  /// Gradient of the batch's mean loss, [replica, rows, classes].
  public let gradient: Tensor
  /// Loss of each row, [replica, 1, rows].
  public let losses: Tensor
  /// Of classes: 1 where the greatest logit is the label's, else 0; [replica, 1, rows]. Nothing where
  /// the loss is to targets.
  public let correct: Tensor
}

/// Where the sum of a batch's losses goes.
public struct LossRecord {
  let history: SumHistory
  let slot: Varying<UInt32>
  let active: Tensor

  /// A slot of `history`; a replica whose sum is not finite gets 0 in `active` [replica, 1, 1].
  public init(_ history: SumHistory, slot: Int, active: Tensor) {
    self.init(history, slot: Varying(UInt32(slot)), active: active)
  }

  /// A slot that may be another when the launch is recorded and made again.
  package init(_ history: SumHistory, slot: Varying<UInt32>, active: Tensor) {
    (self.history, self.slot, self.active) = (history, slot, active)
  }
}

/// Losses of classifiers, and of networks that give numbers.
extension Compute {
  /// −log softmax(logits)[label] of each row, with the gradient of the batch's mean.
  ///
  /// - logits: [replica, rows, classes]. labels: rows for each replica, each below classes.
  /// - record: takes each replica's sum over its rows, where given.
  /// - Throws: `OpenCLError`.
  public func crossEntropy(
    _ logits: Tensor, labels: Buffer<UInt32>, record: LossRecord? = nil
  ) throws -> BatchLoss {
    try loss("cross_entropy", logits, labels, nil, record)
  }

  /// Mean over classes of (logit − target)² of each row, target the one-hot label less 1/classes,
  /// with the gradient of the batch's mean.
  ///
  /// - logits: [replica, rows, classes]. labels: rows for each replica, each below classes.
  /// - record: takes each replica's sum over its rows, where given.
  /// - Throws: `OpenCLError`.
  public func meanSquaredError(
    _ logits: Tensor, labels: Buffer<UInt32>, record: LossRecord? = nil
  ) throws -> BatchLoss {
    try loss("squared_error", logits, labels, nil, record)
  }

  /// Mean over outputs of (output − target)² of each row, with the gradient of the batch's mean.
  ///
  ///     loss[r] = Σ_c (output[r, c] − targets[rowNumbers[r], c])²/columns
  ///
  /// - outputs: [replica, rows, columns]. targets: [count, columns]. rowNumbers: rows for each replica,
  ///   each a row of `targets`.
  /// - record: takes each replica's sum over its rows, where given.
  /// - Throws: `OpenCLError`.
  public func meanSquaredError(
    _ outputs: Tensor, to targets: Buffer<Float>, rowNumbers: Buffer<UInt32>,
    record: LossRecord? = nil
  ) throws -> BatchLoss {
    precondition(
      targets.count.isMultiple(of: outputs.columns),
      "\(targets.count) targets for outputs \(outputs.shape)")
    return try loss("squared_error_to_targets", outputs, rowNumbers, targets, record)
  }

  private func loss(
    _ name: String, _ logits: Tensor, _ labels: Buffer<UInt32>, _ targets: Buffer<Float>?,
    _ record: LossRecord?
  ) throws -> BatchLoss {
    let (replicas, rows) = (logits.replicas, logits.rows)
    precondition(
      labels.count == replicas * rows || labels.count == rows,
      "\(labels.count) labels for logits \(logits.shape)")
    let result = BatchLoss(
      gradient: try tensor(replicas: replicas, rows: rows, columns: logits.columns),
      losses: try tensor(replicas: replicas, rows: 1, columns: rows),
      correct: try tensor(replicas: replicas, rows: 1, columns: rows))
    record.map { $0.history.check(Int($0.slot.value), result.losses, $0.active) }
    let plan = LossPlan(
      rows: rows, classes: logits.columns, groupItems: kernelVariant.groupItems)
    let recordsWithin = record != nil && plan.groups == 1
    let isWide =
      targets == nil && kernelVariant == .item && logits.columns >= LossPlan.leastWide
    let kernel = try kernel(
      .loss, isWide ? name + "_wide" : name, Buffer<Float>.self, Buffer<UInt32>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self,
      UInt32.self,
      UInt32.self, Varying<UInt32>.self)
    try kernel(
      queue, global: [plan.groups * kernelVariant.groupItems, replicas],
      local: [kernelVariant.groupItems, 1], logits.buffer, labels, targets ?? logits.buffer,
      result.gradient.buffer,
      result.losses.buffer, result.correct.buffer,
      record?.history.buffer ?? result.losses.buffer,
      record?.active.buffer ?? result.losses.buffer, UInt32(rows), UInt32(logits.columns),
      labels.count == rows ? 0 : UInt32(rows), UInt32(plan.share), UInt32(plan.lanes),
      recordsWithin ? 1 : 0, record?.slot ?? Varying<UInt32>(0))
    if let record, !recordsWithin {
      try record.history.record(result.losses, slot: record.slot, active: record.active)
    }
    return result
  }
}

/// How Kernels/loss.cl shares out one replica's rows; by the logits' shape alone.
struct LossPlan {
  /// Work-groups.
  let groups: Int
  /// Rows of a work-group.
  let share: Int
  /// Work-items that share a row, a power of two.
  let lanes: Int

  /// Logits of one replica that one work-group takes, so that it can add up the losses as well.
  private static let mostForOne = 1 << 14
  /// Classes from which on a CPU's work-item takes a row by vectors; fewer are added up one by one.
  static let leastWide = 32
  /// Logits of a work-group where there are more.
  private static let perGroup = 1 << 12

  init(rows: Int, classes: Int, groupItems: Int) {
    share = rows * classes <= Self.mostForOne ? rows : max(1, Self.perGroup / classes)
    groups = (rows + share - 1) / share
    var lanes = 1
    while lanes < groupItems && 4 * lanes < classes { lanes *= 2 }
    self.lanes = lanes
  }
}
