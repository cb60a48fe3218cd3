import OpenCL
import Tensors

/// A replica's figures on held-out rows.
public struct Evaluation: Sendable {
  /// Mean loss a row, of a text a token.
  public let loss: Double
  /// Share of rows, or tokens, whose greatest logit is the label's, in [0, 1]; nil where rows have targets.
  public let accuracy: Double?
}

extension Trainer {
  /// Labels of an evaluation's batch; the result does not depend on it but for rounding.
  public static let evaluationBatch = 256

  /// Rows of an evaluation's batch: `evaluationBatch`, of a text as many windows as have so many tokens.
  package static func evaluationRows(labelsPerRow: Int) -> Int {
    max(1, (labelsPerRow == 1 ? 1 : 4) * evaluationBatch / labelsPerRow)
  }

  /// Bytes of the order and the sums of an evaluation of `count` rows.
  package static func evaluationBytes(of count: Int, labelsPerRow: Int, replicas: Int) -> Int {
    let rows = evaluationRows(labelsPerRow: labelsPerRow)
    return 4 * count + 2 * 4 * replicas * ((count + rows - 1) / rows)
  }

  /// Mean loss and accuracy of every replica over all rows.
  ///
  /// - progress: as for training; called after every batch.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func evaluate(
    on rows: DeviceRows, progress: (Int) throws -> Void = { _ in }
  ) throws -> [Evaluation] {
    let order = try rows.order(of: 0..<rows.count, compute: compute)
    let most = Self.evaluationRows(labelsPerRow: rows.labelsPerRow)
    let offsets = Array(stride(from: 0, to: rows.count, by: most))
    let losses = try SumHistory(capacity: offsets.count, replicas: seeds.count, compute: compute)
    let correct = try SumHistory(capacity: offsets.count, replicas: seeds.count, compute: compute)
    for (slot, offset) in offsets.enumerated() {
      let size = min(most, rows.count - offset)
      let labels = try batchLabels(size * rows.labelsPerRow)
      let input = try rows.gather(
        order, offset: offset, rows: size, labels: labels, compute: compute)
      let batch = try loss(network(input).output, labels, rows.targets)
      try losses.record(batch.losses, slot: slot)
      try correct.record(batch.correct, slot: slot)
      try compute.queue.finish()
      try progress(step)
    }
    let lossSums = try losses.read(slots: offsets.count)
    let correctSums = try correct.read(slots: offsets.count)
    return seeds.indices.map { replica in
      func mean(_ sums: [[Float]]) -> Double {
        sums.reduce(0) { $0 + Double($1[replica]) } / Double(rows.count * rows.labelsPerRow)
      }
      return Evaluation(
        loss: mean(lossSums), accuracy: rows.targets == nil ? mean(correctSums) : nil)
    }
  }
}
