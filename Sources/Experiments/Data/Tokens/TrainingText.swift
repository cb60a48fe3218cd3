import Tensors
import Training

/// A text, split by place.
struct TrainingText: Sendable {
  let source: LoadedTokens
  let split: TokenSplit

  func record(of description: DataDescription) -> TextRecord {
    TextRecord(source, split, of: description)
  }

  /// - evaluationBatches: of the validation windows, at most so many batches, spread over them; nil: all.
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  func upload(
    to compute: Compute, evaluationBatches: Int?, context: Int
  ) throws -> (train: DeviceRows, validation: DeviceRows?) {
    let most = evaluationBatches.map { $0 * Trainer.evaluationRows(labelsPerRow: context) }
    let train = try DeviceRows(
      source.train.storage[split.train],
      TokenWindows(tokens: split.train.count, context: context, isShifted: true),
      compute: compute)
    guard !split.validation.isEmpty else { return (train, nil) }
    return (
      train,
      try DeviceRows(
        source.validationSource.storage[split.validation],
        TokenWindows(tokens: split.validation.count, context: context, most: most),
        compute: compute)
    )
  }

  var deviceBytes: Int {
    let tokens = split.train.count + split.validation.count
    return source.vocabulary.count <= 1 << 16 ? 2 * tokens : 4 * tokens
  }
}

extension DeviceRows.Tokens {
  /// The tokens of some positions.
  subscript(positions: Range<Int>) -> Self {
    if positions == 0..<count { return self }
    return switch self {
    case .narrow(let tokens): .narrow(Array(tokens[positions]))
    case .wide(let tokens): .wide(Array(tokens[positions]))
    }
  }
}

/// How a store's text was read and split: the contents of `data.json`.
///
/// Positions count tokens from 0.
struct TextRecord: Encodable {
  let data: DataDescription
  /// Where the validation tokens come from: the file's end, or a part of their own.
  let heldOut: String
  /// The first token that does not train, of one file.
  let validationStart: Int?

  private enum CodingKeys: String, CodingKey {
    case data
    case heldOut = "held_out"
    case validationStart = "validation_start"
  }

  init(_ source: LoadedTokens, _ split: TokenSplit, of description: DataDescription) {
    data = description
    heldOut = source.validation == nil ? "end" : "part"
    validationStart = source.validation == nil ? split.validation.lowerBound : nil
  }
}

extension Vocabulary {
  /// What tokens are, in words.
  var kindInWords: String {
    switch self {
    case .characters: "characters"
    case .bytes: "bytes"
    case .numbered: "token numbers"
    }
  }
}
