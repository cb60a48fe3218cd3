/// A training set, with the validation set that came beside it where one did.
public struct LoadedData: Sendable {
  /// The rows to train on, or to split.
  public let train: DataSet
  /// The test part found beside the training part, of the same inputs and classes; nil where
  /// validation rows are to be split off `train`.
  public let validation: DataSet?

  /// Pairs the two; traps where inputs or classes differ.
  public init(train: DataSet, validation: DataSet? = nil) {
    if let validation {
      precondition(
        validation.inputs == train.inputs && validation.classes == train.classes,
        "LoadedData: validation [\(validation.inputs) inputs, \(validation.classes) classes], "
          + "expected [\(train.inputs), \(train.classes)]")
    }
    self.train = train
    self.validation = validation
  }

  /// The data set that a split's validation rows index: `validation`, else `train`.
  public var validationSource: DataSet { validation ?? train }

  /// Rows to train on and rows of `validationSource` to validate on.
  /// All rows of both where validation data came along (fraction and seed then change nothing),
  /// else a random split of `train`.
  /// - Throws: `DataError.tooFewRows`.
  public func split(validationFraction: Double = 0.1, seed: UInt64) throws -> DataSplit {
    guard let validation else {
      return try DataSplit(
        count: train.count, validationFraction: validationFraction, seed: seed)
    }
    return DataSplit(train: Array(0..<train.count), validation: Array(0..<validation.count))
  }
}

extension LoadedData {
  /// Makes data sets of rows. Classes: as given, else the largest label of either part, plus one.
  /// - Throws: `DataError.inputMismatch`, `.tooFewClasses`.
  init(name: String, train: LabelledRows, validation: LabelledRows? = nil, classes: Int? = nil)
    throws
  {
    if let validation, validation.inputs != train.inputs {
      throw DataError.inputMismatch(
        path: validation.path, expected: train.inputs, found: validation.inputs)
    }
    let largest = max(train.labels.max() ?? 0, validation?.labels.max() ?? 0)
    let classes = classes ?? Int(largest) + 1
    guard classes >= 2 else { throw DataError.tooFewClasses(path: train.path) }
    func dataSet(_ rows: LabelledRows, _ name: String) -> DataSet {
      DataSet(
        name: name, features: rows.features, labels: rows.labels, inputs: rows.inputs,
        classes: classes)
    }
    self.init(
      train: dataSet(train, name),
      validation: validation.map { dataSet($0, "\(name) validation") })
  }
}
