import Foundation

/// How a run ended.
public enum RunOutcome: String, Codable, Hashable, Sendable, CaseIterable {
  /// It trained to the end.
  case completed
  /// Its loss left the finite numbers; a measurement, not an error.
  case diverged
  /// Something other than its configuration stopped it, such as a device error.
  case failed
}

/// What a run found, the content of `result.json`.
///
/// Losses and accuracy are nil where they are not finite or were not measured, so the JSON never
/// holds NaN or an infinity.
public struct RunResult: Codable, Hashable, Sendable {
  /// Full passes over the data.
  public let epochs: Int
  /// Updates made.
  public let steps: Int
  /// Mean training loss over the first epoch.
  public let firstEpochTrainLoss: Double?
  /// Mean training loss over the last epoch, with a length in steps over their last quarter.
  public let trainLoss: Double?
  /// Loss over the validation examples after training.
  public let validationLoss: Double?
  /// Share of validation examples classified rightly, in [0, 1].
  public let validationAccuracy: Double?
  /// The least loss over the validation examples of all evaluations, while training and after it.
  public let bestValidationLoss: Double?
  /// Loss of the trained network over all training examples, where it was asked for.
  public let wholeTrainLoss: Double?
  /// Of a text: exp of the validation loss.
  public let perplexity: Double?
  /// Of a text whose tokens' bytes are known: the validation loss in bits per byte.
  public let bitsPerByte: Double?
  /// How it ended.
  public let outcome: RunOutcome
  /// The first step with a non-finite loss.
  public let divergedAtStep: Int?
  /// Why it failed, one line.
  public let message: String?
  /// Wall-clock time of this run's share of the work, in seconds.
  public let seconds: Double
  /// Name of the device, and which tuning its products had, if any.
  public let device: String
  /// Seconds of a training step, the run's share of its group's: without the first steps, evaluations and
  /// checkpoints; nil where it is not known.
  public let stepSeconds: Double?
  /// Bytes of the device's memory that were planned for the run, without what all runs of its group share;
  /// nil where it is not known.
  public let deviceBytes: Int?

  /// A result; non-finite losses and accuracies become nil.
  ///
  /// - tokenLoss: the validation loss, of a text. seconds: finite and ≥ 0.
  public init(
    epochs: Int, steps: Int, firstEpochTrainLoss: Double? = nil, trainLoss: Double? = nil,
    validationLoss: Double? = nil, validationAccuracy: Double? = nil,
    bestValidationLoss: Double? = nil, wholeTrainLoss: Double? = nil,
    tokenLoss: TokenLoss? = nil, outcome: RunOutcome, divergedAtStep: Int? = nil,
    message: String? = nil,
    seconds: Double, device: String, stepSeconds: Double? = nil, deviceBytes: Int? = nil
  ) {
    precondition(seconds.isFinite && seconds >= 0, "seconds must be finite, got \(seconds)")
    func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }
    self.epochs = epochs
    self.steps = steps
    self.firstEpochTrainLoss = finite(firstEpochTrainLoss)
    self.trainLoss = finite(trainLoss)
    self.validationLoss = finite(validationLoss)
    self.validationAccuracy = finite(validationAccuracy)
    self.bestValidationLoss = finite(bestValidationLoss)
    self.wholeTrainLoss = finite(wholeTrainLoss)
    perplexity = finite(tokenLoss?.perplexity)
    bitsPerByte = finite(tokenLoss?.bitsPerByte)
    self.outcome = outcome
    self.divergedAtStep = divergedAtStep
    self.message = message
    self.seconds = seconds
    self.device = device
    self.stepSeconds = finite(stepSeconds)
    self.deviceBytes = deviceBytes
  }
}

/// One line of `metrics.jsonl`: named numbers at a point of training.
///
/// In JSON the names stand beside `epoch` and `step`: `{"epoch":1,"step":782,"train_loss":1.95}`.
public struct RunRecord: Codable, Hashable, Sendable {
  /// The epoch under way, from 1.
  public let epoch: Int
  /// Updates made (≥ 0).
  public let step: Int
  /// Finite measurements by name; the names `epoch` and `step` are taken.
  public let values: [String: Double]

  /// A record of `values`, those that are not finite left out.
  public init(epoch: Int, step: Int, values: [String: Double]) {
    precondition(
      values["epoch"] == nil && values["step"] == nil, "epoch and step are not free names")
    self.epoch = epoch
    self.step = step
    self.values = values.filter { $0.value.isFinite }
  }

  /// `records`, one JSON object a line.
  static func lines(_ records: [RunRecord]) throws -> Data {
    var lines = Data()
    for record in records {
      lines.append(try CanonicalJSON.compact(record))
      lines.append(0x0A)
    }
    return lines
  }

  /// The records of such lines; nil where one does not read.
  static func parse(lines: Data) -> [RunRecord]? {
    try? lines.split(separator: 0x0A).map {
      try JSONDecoder().decode(RunRecord.self, from: Data($0))
    }
  }

  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// Reads `epoch`, `step` and every other key as a number.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    epoch = try container.decode(Int.self, forKey: Key(stringValue: "epoch"))
    step = try container.decode(Int.self, forKey: Key(stringValue: "step"))
    var values: [String: Double] = [:]
    for key in container.allKeys where key.stringValue != "epoch" && key.stringValue != "step" {
      values[key.stringValue] = try container.decode(Double.self, forKey: key)
    }
    self.values = values
  }

  /// Writes one flat object.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(epoch, forKey: Key(stringValue: "epoch"))
    try container.encode(step, forKey: Key(stringValue: "step"))
    for (name, value) in values { try container.encode(value, forKey: Key(stringValue: name)) }
  }
}
