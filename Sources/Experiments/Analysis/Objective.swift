/// The loss by which learning rates are compared.
public enum Objective: String, Codable, Hashable, Sendable, CaseIterable {
  /// Mean training loss over the last epoch, or the last quarter of the steps.
  case trainLoss = "train"
  /// Loss of the trained network over all training examples.
  case wholeTrainLoss = "train-whole"
  /// Loss over the validation examples after training.
  case validationLoss = "validation"
  /// The least loss over the validation examples of all evaluations, as early stopping would have it.
  case bestValidationLoss = "best-validation"

  /// The name in a sentence.
  public var title: String {
    switch self {
    case .trainLoss: "training loss"
    case .wholeTrainLoss: "training loss of the final network"
    case .validationLoss: "validation loss"
    case .bestValidationLoss: "least validation loss"
    }
  }

  /// Whether it needs validation examples.
  public var needsValidation: Bool { self == .validationLoss || self == .bestValidationLoss }

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
      case .wholeTrainLoss: result.wholeTrainLoss
      case .validationLoss: result.validationLoss
      case .bestValidationLoss: result.bestValidationLoss
      }
    }
  }
}
