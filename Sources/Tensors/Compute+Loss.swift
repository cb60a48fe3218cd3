import OpenCL

/// A classifier's loss over a batch, before any averaging of its rows.
public struct BatchLoss {
  /// Gradient of the batch's mean loss, [replica, rows, classes].
  public let gradient: Tensor
  /// Loss of each row, [replica, 1, rows].
  public let losses: Tensor
  /// 1 where the greatest logit is the label's, else 0; [replica, 1, rows].
  public let correct: Tensor
}

/// Losses of classifiers.
extension Compute {
  /// −log softmax(logits)[label] of each row, with the gradient of the batch's mean.
  ///
  /// - logits: [replica, rows, classes]. labels: rows for each replica, each below classes.
  /// - Throws: `OpenCLError`.
  public func crossEntropy(_ logits: Tensor, labels: Buffer<UInt32>) throws -> BatchLoss {
    try loss("cross_entropy", logits, labels)
  }

  /// Mean over classes of (logit − target)² of each row, target the one-hot label less 1/classes,
  /// with the gradient of the batch's mean.
  ///
  /// - logits: [replica, rows, classes]. labels: rows for each replica, each below classes.
  /// - Throws: `OpenCLError`.
  public func meanSquaredError(_ logits: Tensor, labels: Buffer<UInt32>) throws -> BatchLoss {
    try loss("squared_error", logits, labels)
  }

  private func loss(_ name: String, _ logits: Tensor, _ labels: Buffer<UInt32>) throws -> BatchLoss
  {
    let (replicas, rows) = (logits.replicas, logits.rows)
    precondition(
      labels.count == replicas * rows || labels.count == rows,
      "\(labels.count) labels for logits \(logits.shape)")
    let result = BatchLoss(
      gradient: try tensor(replicas: replicas, rows: rows, columns: logits.columns),
      losses: try tensor(replicas: replicas, rows: 1, columns: rows),
      correct: try tensor(replicas: replicas, rows: 1, columns: rows))
    let kernel = try kernel(
      .loss, name, Buffer<Float>.self, Buffer<UInt32>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: [roundUp(rows, 64), replicas], local: [64, 1], logits.buffer, labels,
      result.gradient.buffer, result.losses.buffer, result.correct.buffer, UInt32(rows),
      UInt32(logits.columns), labels.count == rows ? 0 : UInt32(rows))
    return result
  }
}
