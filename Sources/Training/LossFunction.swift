/// What training minimises, a mean over the batch.
public enum LossFunction: String, Codable, Hashable, Sendable, CaseIterable {
  /// −log softmax(logits)[label].
  case crossEntropy = "cross-entropy"
  /// Mean over outputs of (output − target)²; of classes the target is the one-hot label less 1/outputs.
  case meanSquaredError = "mse"
}
