import OpenCL

/// Rows of features with what is to be learned of them, held on the host.
/// - features: [count, inputs], row-major; finite.
/// - targets: a class of each row, or numbers, [count, outputs]; finite.
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

  /// What a network is to give for each row.
  public enum Targets: Sendable {
    /// The class of each row, [count], each in 0..<classes; labels need not use all of them.
    case classes([UInt32], classes: Int)
    /// Numbers, [count, names.count], row-major, finite; the names are those of their columns. In
    /// Double, so that a large mean, as of a date, leaves their spread until it is subtracted.
    case values([Double], names: [String])
  }

  /// What the data is called in reports; not part of the fingerprint.
  public let name: String
  /// Feature values, [count, inputs], row-major.
  public let features: Features
  /// What is to be learned.
  public let targets: Targets
  /// Features per row, ≥ 1.
  public let inputs: Int
  /// Number of rows.
  public let count: Int

  /// Class of each row, [count]; none where targets are numbers.
  public var labels: [UInt32] { if case .classes(let labels, _) = targets { labels } else { [] } }

  /// Number of classes; 0 where targets are numbers.
  public var classes: Int { if case .classes(_, let classes) = targets { classes } else { 0 } }

  /// Outputs of a network that learns this, ≥ 1: classes, or numbers a row.
  public var outputs: Int {
    switch targets {
    case .classes(_, let classes): classes
    case .values(_, let names): names.count
    }
  }

  /// Makes a data set of classes from values already checked.
  /// - features: [count, inputs]; labels: [count]. Traps where sizes or labels do not fit; finite
  ///   values are the caller's promise (every loader checks them).
  public init(name: String, features: Features, labels: [UInt32], inputs: Int, classes: Int) {
    self.init(
      name: name, features: features, targets: .classes(labels, classes: classes), inputs: inputs)
  }

  /// Makes a data set from values already checked.
  ///
  ///     let line = DataSet(
  ///       name: "line", features: .floats([0, 1, 2]), targets: .values([1, 3, 5], names: ["y"]),
  ///       inputs: 1)
  ///
  /// - features: [count, inputs]. Traps where sizes or labels do not fit; finite values are the
  ///   caller's promise (every loader checks them).
  public init(name: String, features: Features, targets: Targets, inputs: Int) {
    precondition(inputs >= 1, "DataSet: inputs \(inputs), expected ≥ 1")
    switch targets {
    case .classes(let labels, let classes):
      count = labels.count
      let largest = labels.max() ?? 0
      precondition(
        classes >= 1 && Int(largest) < classes, "DataSet: label \(largest), expected 0..<\(classes)"
      )
    case .values(let values, let names):
      precondition(
        !names.isEmpty && values.count.isMultiple(of: names.count),
        "DataSet: \(values.count) targets for the names \(names)")
      count = values.count / names.count
    }
    precondition(
      features.count == count * inputs,
      "DataSet: \(features.count) features, expected [\(count), \(inputs)]")
    self.name = name
    self.features = features
    self.targets = targets
    self.inputs = inputs
  }

  /// FNV-1a 64 over the contents, 16 hex digits. Reads every value, so keep the result.
  ///     h ← (h ⊕ byte) · 0x100000001B3,  from 0xCBF29CE484222325
  /// Order: kind (0 bytes, 1 floats; 2 more where targets are numbers), count, inputs, outputs
  /// (64 bits each), features and labels (32 bits each; bytes as they are) or targets (64 bits each), all
  /// little-endian. Names are left out.
  /// Source: Fowler, Noll, Vo, the FNV hash, draft-eastlake-fnv.
  public var fingerprint: String {
    var hash = FNV1a()
    switch features {
    case .bytes(let values):
      hash.combine(header(features: 0))
      hash.combine(values)
    case .floats(let values):
      hash.combine(header(features: 1))
      hash.combine(values.map { $0.bitPattern.littleEndian })
    }
    switch targets {
    case .classes(let labels, _): hash.combine(labels.map { $0.littleEndian })
    case .values(let values, _): hash.combine(values.map { $0.bitPattern.littleEndian })
    }
    return hash.hexadecimal
  }

  private func header(features: Int) -> [UInt64] {
    let isClasses = if case .classes = targets { true } else { false }
    return [features + (isClasses ? 0 : 2), count, inputs, outputs].map {
      UInt64($0).littleEndian
    }
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
