import OpenCL

/// Labelled rows for a classifier, held on the host.
/// - features: [count, inputs], row-major; finite.
/// - labels: [count], each in 0..<classes.
public struct DataSet: Sendable {
  /// Feature values as stored: bytes stay bytes, so an image set takes a quarter of the memory.
  public enum Features: Sendable {
    /// Unsigned bytes, 0…255.
    case bytes([UInt8])
    /// Single-precision values, finite.
    case floats([Float])

    /// Number of values, count · inputs.
    public var count: Int {
      switch self {
      case .bytes(let values): values.count
      case .floats(let values): values.count
      }
    }
  }

  /// What the data is called in reports; not part of the fingerprint.
  public let name: String
  /// Feature values, [count, inputs], row-major.
  public let features: Features
  /// Class of each row, [count], each in 0..<classes.
  public let labels: [UInt32]
  /// Features per row, ≥ 1.
  public let inputs: Int
  /// Number of classes, ≥ 1; labels need not use all of them.
  public let classes: Int

  /// Number of rows.
  public var count: Int { labels.count }

  /// Makes a data set from values already checked.
  /// - features: [count, inputs]; labels: [count]. Traps where sizes or labels do not fit; finite
  ///   values are the caller's promise (every loader checks them).
  public init(name: String, features: Features, labels: [UInt32], inputs: Int, classes: Int) {
    precondition(
      inputs >= 1 && classes >= 1, "DataSet: inputs \(inputs), classes \(classes), expected ≥ 1")
    precondition(
      features.count == labels.count * inputs,
      "DataSet: \(features.count) features, expected [\(labels.count), \(inputs)]")
    let largest = labels.max() ?? 0
    precondition(Int(largest) < classes, "DataSet: label \(largest), expected 0..<\(classes)")
    self.name = name
    self.features = features
    self.labels = labels
    self.inputs = inputs
    self.classes = classes
  }

  /// FNV-1a 64 over the contents, 16 hex digits. Reads every value, so keep the result.
  ///     h ← (h ⊕ byte) · 0x100000001B3,  from 0xCBF29CE484222325
  /// Order: kind (0 bytes, 1 floats), count, inputs, classes (64 bits each), features, labels
  /// (32 bits each), all little-endian. The name is left out.
  /// Source: Fowler, Noll, Vo, the FNV hash, draft-eastlake-fnv.
  public var fingerprint: String {
    var hash = FNV1a()
    switch features {
    case .bytes(let values):
      hash.combine(header(kind: 0))
      hash.combine(values)
    case .floats(let values):
      hash.combine(header(kind: 1))
      hash.combine(values.map { $0.bitPattern.littleEndian })
    }
    hash.combine(labels.map { $0.littleEndian })
    return hash.hexadecimal
  }

  private func header(kind: UInt64) -> [UInt64] {
    [kind.littleEndian] + [count, inputs, classes].map { UInt64($0).littleEndian }
  }

  /// Rows of normalised features, `x·scale + shift`, the host reference of the upload.
  /// - rows: row indices in 0..<count. Result [rows.count, inputs].
  public func normalized(rows: [Int], by normalization: ResolvedNormalization) -> [Float] {
    precondition(
      normalization.scale.count == inputs,
      "normalized: normalization of \(normalization.scale.count) features, expected \(inputs)")
    var result: [Float] = []
    result.reserveCapacity(rows.count * inputs)
    for row in rows {
      precondition(row >= 0 && row < count, "normalized: row \(row), expected 0..<\(count)")
      for column in 0..<inputs {
        result.append(
          self[row, column] * normalization.scale[column] + normalization.shift[column])
      }
    }
    return result
  }

  /// The stored value at a row and column, before normalisation.
  public subscript(row: Int, column: Int) -> Float {
    precondition(
      row >= 0 && row < count && column >= 0 && column < inputs,
      "DataSet: [\(row), \(column)] outside [\(count), \(inputs)]")
    switch features {
    case .bytes(let values): return Float(values[row * inputs + column])
    case .floats(let values): return values[row * inputs + column]
    }
  }
}
