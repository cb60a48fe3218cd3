/// The loss by which learning rates are compared.
public enum Objective: String, Codable, Hashable, Sendable, CaseIterable {
  /// Mean training loss over the last epoch, or the last quarter of the steps.
  case trainLoss = "train"
  /// Loss over the validation examples after training.
  case validationLoss = "validation"

  /// The name in a sentence.
  public var title: String {
    switch self {
    case .trainLoss: "training loss"
    case .validationLoss: "validation loss"
    }
  }

  /// The loss of a run as the analysis takes it.
  ///
  /// - Returns: +∞ where the run diverged; nil where there is no figure, which is a run that
  ///   failed or did not measure this loss.
  func loss(of result: RunResult) -> Double? {
    switch result.outcome {
    case .diverged: .infinity
    case .failed: nil
    case .completed:
      switch self {
      case .trainLoss: result.trainLoss
      case .validationLoss: result.validationLoss
      }
    }
  }
}
