/// How a loader read its files, for whoever is to read them the same way.
public struct DataLayout: Hashable, Sendable {
  /// Columns of a table that are features, in order, from 0; nil where the data is no table.
  public var featureColumns: [Int]?
  /// Columns of a table that hold what is learned, from 0.
  public var targetColumns: [Int]?
  /// The texts that labels were, by class; nil where they were numbers.
  public var classNames: [String]?
  /// What is worth saying of how the files were read, a line each.
  public var notes: [String]

  /// A layout of these parts.
  public init(
    featureColumns: [Int]? = nil, targetColumns: [Int]? = nil, classNames: [String]? = nil,
    notes: [String] = []
  ) {
    (self.featureColumns, self.targetColumns) = (featureColumns, targetColumns)
    (self.classNames, self.notes) = (classNames, notes)
  }
}

/// A training set, with the validation set that came beside it where one did.
public struct LoadedData: Sendable {
  /// The rows to train on, or to split.
  public let train: DataSet
  /// The test part found beside the training part, of the same inputs and outputs; nil where
  /// validation rows are to be split off `train`.
  public let validation: DataSet?
  /// How the files were read.
  public let layout: DataLayout

  /// Pairs the two; traps where inputs or outputs differ.
  public init(train: DataSet, validation: DataSet? = nil, layout: DataLayout = DataLayout()) {
    if let validation {
      precondition(
        validation.inputs == train.inputs && validation.outputs == train.outputs,
        "LoadedData: validation [\(validation.inputs) inputs, \(validation.outputs) outputs], "
          + "expected [\(train.inputs), \(train.outputs)]")
    }
    self.train = train
    self.validation = validation
    self.layout = layout
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
  ///
  /// - Throws: `DataError.inputMismatch`, `.tooFewClasses`; `.implausibleClasses` where so many are not
  ///   given, and few rows are there of each; `.malformed` where one part's labels are signs and the
  ///   other's are not.
  init(
    name: String, train: LabelledRows, validation: LabelledRows? = nil, classes: Int? = nil,
    layout: DataLayout = DataLayout()
  ) throws {
    if let validation, validation.inputs != train.inputs {
      throw DataError.inputMismatch(
        path: validation.path, expected: train.inputs, found: validation.inputs)
    }
    var layout = layout
    let known: Int
    switch train.targets {
    case .labels:
      known = try classes ?? Self.classes(of: train, validation)
      layout.classNames = train.classNames
      try Self.checkSigns(train, validation)
      if train.classNames == LabelledRows.signs {
        layout.notes.append("labels -1 and 1 are the classes 0 and 1")
      }
    case .values(_, let names):
      known = names.count
      if let validation, case .values(_, let others) = validation.targets, others.count != known {
        throw DataError.countMismatch(
          path: train.path, features: known, labelsPath: validation.path, labels: others.count)
      }
    }
    func dataSet(_ rows: LabelledRows, _ name: String) -> DataSet {
      let targets: DataSet.Targets =
        switch rows.targets {
        case .labels(let labels): .classes(labels, classes: known)
        case .values(let values, let names): .values(values, names: names)
        }
      return DataSet(name: name, features: rows.features, targets: targets, inputs: rows.inputs)
    }
    self.init(
      train: dataSet(train, name), validation: validation.map { dataSet($0, "\(name) validation") },
      layout: layout)
  }

  /// Refuses −1 and 1 in one part beside 0 and 1 in the other; 1 alone may be either.
  private static func checkSigns(_ train: LabelledRows, _ validation: LabelledRows?) throws {
    guard let validation else { return }
    let signed = [train, validation].map { $0.classNames == LabelledRows.signs }
    let unsigned = signed[0] ? validation : train
    guard signed[0] != signed[1], unsigned.labels.contains(where: { $0 != 1 }) else { return }
    throw DataError.malformed(
      path: validation.path, expected: "the same labels in training and validation rows",
      found: "-1 and 1 in one, other numbers in the other")
  }

  private static func classes(of train: LabelledRows, _ validation: LabelledRows?) throws -> Int {
    let labels = train.labels
    let classes = Int(max(labels.max() ?? 0, validation?.labels.max() ?? 0)) + 1
    let used = Set(labels).count
    guard classes >= 2, used >= 2 else { throw DataError.tooFewClasses(path: train.path) }
    if LabelledRows.isImplausible(classes: classes, used: used, rows: labels.count) {
      throw DataError.implausibleClasses(
        path: train.path, labels: train.labelSource, classes: classes, used: used,
        rows: labels.count, other: train.otherLabels)
    }
    return classes
  }
}
