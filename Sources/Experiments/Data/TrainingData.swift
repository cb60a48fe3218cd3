import OpenCL
import Tensors
import Training

/// Data ready to be trained on: rows chosen, normalisation resolved, identity described.
public struct TrainingData: Sendable {
  /// What runs record of the data.
  public let description: DataDescription
  /// What is worth saying of how the data's files were read and split, a line each.
  public let notes: [String]
  private let contents: Contents

  private enum Contents: Sendable {
    case rows(TrainingRows)
    case text(TrainingText)
  }

  /// Seed of the split: every run of a sweep, whatever its seed, has the same validation rows.
  private static let splitSeed: UInt64 = 0

  /// Splits and normalises `source`. Numbers that are learned get mean 0 and standard deviation 1 over
  /// the training rows, each target for itself.
  ///
  /// - validationFraction: share of the rows held out where the data brings no validation part; 0: none.
  /// - normalization: from the training rows; nil for the data's own default.
  /// - Throws: `DataError.tooFewRows`; `.constantTarget` where the training rows leave nothing to
  ///   learn, and `.malformed` where only rounding.
  public init(
    _ source: LoadedData, validationFraction: Double = 0.1, normalization: Normalization? = nil
  ) throws {
    let split = try source.split(validationFraction: validationFraction, seed: Self.splitSeed)
    let kind = normalization ?? source.train.defaultNormalization
    let rows = TrainingRows(
      source: source, split: split,
      normalization: kind.resolved(for: source.train, trainIndices: split.train),
      targetScaling: try source.train.targetScaling(rows: split.train))
    contents = .rows(rows)
    notes =
      source.layout.notes
      + [
        source.train.noteOfClasses(rows: split.train),
        kind == .perFeature ? source.noteOfLostFeatures(rows.normalization, split.train) : nil,
      ].compactMap(\.self)
    let parts = [source.train.fingerprint] + (source.validation.map { [$0.fingerprint] } ?? [])
    description = DataDescription(
      name: source.train.name, fingerprint: parts.joined(separator: "+"),
      inputs: source.train.inputs,
      outputs: DataDescription.Outputs(source.train), trainCount: split.train.count,
      validationCount: split.validation.count, normalization: kind.name)
  }

  /// Splits a text by place: its end validates.
  ///
  /// - validationFraction: share of the tokens held out where the text brings no validation part; 0: none.
  /// - context: tokens of the longest window that is to be read.
  /// - Throws: `DataError.tooFewTokens` where a part is no longer than the context.
  public init(_ text: LoadedTokens, validationFraction: Double = 0.1, context: Int) throws {
    let split = try text.split(validationFraction: validationFraction, window: context + 1)
    contents = .text(TrainingText(source: text, split: split))
    notes = text.notes
    let parts = [text.train.fingerprint] + (text.validation.map { [$0.fingerprint] } ?? [])
    description = DataDescription(
      name: text.train.name, fingerprint: parts.joined(separator: "+"), inputs: 1,
      outputs: .tokens(
        text.vocabulary, bytesPerToken: text.validationSource.bytesPerToken(of: split.validation)),
      trainCount: split.train.count, validationCount: split.validation.count,
      normalization: text.vocabulary.kindInWords)
  }

  /// All that it takes to make the same inputs and targets of the data elsewhere, as JSON.
  ///
  /// - Throws: what encoding throws.
  func record() throws -> String {
    let json =
      switch contents {
      case .rows(let rows): try CanonicalJSON.pretty(rows.record(of: description))
      case .text(let text): try CanonicalJSON.pretty(text.record(of: description))
      }
    return String(decoding: json, as: UTF8.self)
  }

  /// Training and validation data in device memory; no validation data where there are none.
  ///
  /// - evaluationBatches: of the validation rows, at most so many batches, spread over them; nil: all.
  /// - context: tokens of a text's windows; rows of numbers have none.
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public func upload(
    to compute: Compute, evaluationBatches: Int? = nil, context: Int = 1
  ) throws -> (train: DeviceRows, validation: DeviceRows?) {
    switch contents {
    case .rows(let rows): try rows.upload(to: compute, evaluationBatches: evaluationBatches)
    case .text(let text):
      try text.upload(to: compute, evaluationBatches: evaluationBatches, context: context)
    }
  }

  /// Bytes of device memory that `upload` takes.
  public var deviceBytes: Int {
    switch contents {
    case .rows(let rows): rows.deviceBytes
    case .text(let text): text.deviceBytes
    }
  }
}

/// Rows of numbers with what is learned of them, split and normalised.
private struct TrainingRows: Sendable {
  let source: LoadedData
  let split: DataSplit
  let normalization: ResolvedNormalization
  /// Of numbers that are learned; nil of classes.
  let targetScaling: TargetScaling?

  func record(of description: DataDescription) -> DataRecord {
    DataRecord(source, split, inputs: normalization, targets: targetScaling, of: description)
  }

  func upload(
    to compute: Compute, evaluationBatches: Int?
  ) throws -> (train: DeviceRows, validation: DeviceRows?) {
    let count = split.validation.count
    let taken = min(count, (evaluationBatches ?? count) * Trainer.evaluationBatch)
    let validation = (0..<taken).map { split.validation[$0 * count / taken] }
    return (
      try upload(source.train, split.train, compute),
      validation.isEmpty ? nil : try upload(source.validationSource, validation, compute)
    )
  }

  var deviceBytes: Int {
    let element =
      switch source.train.features {
      case .bytes: 1
      case .floats: 4
      }
    return (split.train.count + split.validation.count)
      * (source.train.inputs * element + 4 + 4 * source.train.targetsPerRow)
  }

  private func upload(
    _ data: DataSet, _ rows: [Int], _ compute: Compute
  ) throws -> DeviceRows {
    if let targetScaling {
      return try DeviceRows(
        data.rows(rows), targets: data.targets(rows, by: targetScaling), outputs: data.outputs,
        scale: normalization.scale, shift: normalization.shift, compute: compute)
    }
    return try DeviceRows(
      data.rows(rows), labels: rows.map { data.labels[$0] }, scale: normalization.scale,
      shift: normalization.shift, compute: compute)
  }
}

extension DataSet {
  /// The features of `rows` in that order.
  fileprivate func rows(_ rows: [Int]) -> DeviceRows.Source {
    switch features {
    case .bytes(let values): .bytes(pick(rows, from: values))
    case .floats(let values): .floats(pick(rows, from: values))
    }
  }

  private func pick<Value>(_ rows: [Int], from values: [Value]) -> [Value] {
    if rows.count == count && rows == Array(0..<count) { return values }
    var result: [Value] = []
    result.reserveCapacity(rows.count * inputs)
    for row in rows { result.append(contentsOf: values[row * inputs..<(row + 1) * inputs]) }
    return result
  }
}

extension Normalization {
  /// The name in configurations.
  var name: String {
    switch self {
    case .identity: "none"
    case .fixed(let scale, let offset): "fixed x*\(scale)+\(offset)"
    case .perFeature: "per-feature"
    }
  }
}

extension DataSet {
  /// Numbers that are learned a row; 0 of classes.
  fileprivate var targetsPerRow: Int {
    if case .values(_, let names) = targets { names.count } else { 0 }
  }

  /// What gives each target mean 0 and standard deviation 1 over `rows`; nil of classes.
  fileprivate func targetScaling(rows: [Int]) throws -> TargetScaling? {
    guard case .values(let values, let names) = targets else { return nil }
    return try TargetScaling(of: values, names: names, rows: rows, path: name)
  }

  /// Says where classes have no row among `rows`.
  fileprivate func noteOfClasses(rows: [Int]) -> String? {
    guard classes > 0 else { return nil }
    let unused = classes - Set(rows.map { labels[$0] }).count
    return unused > 0 ? "\(unused) of the \(classes) classes have no training row" : nil
  }

  /// The scaled targets of `rows`, [rows.count, outputs].
  fileprivate func targets(_ rows: [Int], by scaling: TargetScaling) -> [Float] {
    guard case .values(let values, let names) = targets else { return [] }
    return rows.flatMap { row in
      names.indices.map {
        Float(values[row * names.count + $0] * scaling.scale[$0] + scaling.shift[$0])
      }
    }
  }
}

extension LoadedData {
  /// Says which features differ over `rows` and yet become 0, since they differ by rounding alone.
  fileprivate func noteOfLostFeatures(
    _ normalization: ResolvedNormalization, _ rows: [Int]
  ) -> String? {
    let lost = (0..<train.inputs).filter { column in
      normalization.scale[column] == 0
        && rows.contains { train[$0, column] != train[rows[0], column] }
    }
    guard !lost.isEmpty else { return nil }
    let names = lost.prefix(8).map { "\((layout.featureColumns?[$0] ?? $0) + 1)" }
    return
      "features of column\(lost.count == 1 ? "" : "s") \(names.joined(separator: ", "))"
      + (lost.count > 8 ? ", …" : "")
      + " differ by less than 32 bits hold beside their mean and become 0; subtract it in the file"
  }
}
