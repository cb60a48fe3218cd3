/// Rows as a loader found them, before training and validation agree on their classes.
struct LabelledRows {
  /// What was found beside the features.
  enum Targets {
    /// The class of each row.
    case labels([UInt32])
    /// Numbers, [count, names.count].
    case values([Double], names: [String])
  }

  /// File of the features, for errors.
  let path: String
  let features: DataSet.Features
  let targets: Targets
  let inputs: Int
  /// Where the labels came from, for errors: "labels.npy", "column 3".
  let labelSource: String
  /// What of the file may be the labels instead.
  let otherLabels: String?
  /// What the classes were in the file; nil where they were whole numbers from 0.
  let classNames: [String]?

  init(
    path: String, features: DataSet.Features, targets: Targets, inputs: Int,
    labelSource: String = "the labels", otherLabels: String? = nil, classNames: [String]? = nil
  ) {
    (self.path, self.features, self.targets, self.inputs) = (path, features, targets, inputs)
    (self.labelSource, self.otherLabels) = (labelSource, otherLabels)
    self.classNames = classNames
  }

  var labels: [UInt32] { if case .labels(let labels) = targets { labels } else { [] } }
}

extension LabelledRows {
  /// Labels at or above this are refused: each class costs a row of weights.
  static let maximumClasses = 1 << 16

  /// The classes of labels that are signs.
  static let signs = ["-1", "1"]

  /// A label as read, checked.
  /// - hint: what to do about another, for the error.
  /// - Throws: `DataError.labelOutOfRange`.
  static func label(
    _ value: Int, path: String, at place: @autoclosure () -> DataError.Place,
    classes: Int = maximumClasses, hint: String = ""
  ) throws -> UInt32 {
    guard value >= 0 && value < classes else {
      throw DataError.labelOutOfRange(
        path: path, at: place(), expected: "0…\(classes - 1)\(hint)", found: "\(value)")
    }
    return UInt32(value)
  }

  /// Classes of whole numbers: the numbers themselves; of −1 and 1 alone the classes 0 and 1, which
  /// have names then.
  ///
  /// - place: of a label in the file. hint: what to do about other numbers, for the error.
  /// - Throws: `DataError.labelOutOfRange`.
  static func classes(
    of numbers: [Int], path: String, hint: String, at place: (Int) -> DataError.Place
  ) throws -> (labels: [UInt32], names: [String]?) {
    if numbers.contains(-1), numbers.allSatisfy({ $0.magnitude == 1 }) {
      return (numbers.map { $0 == 1 ? 1 : 0 }, signs)
    }
    let labels = try numbers.enumerated().map { row, number in
      try label(number, path: path, at: place(row), hint: hint)
    }
    return (labels, nil)
  }

  /// Whether these are classes that nobody means: numbers that were taken for labels.
  ///
  /// - classes: the largest label and one. used: labels that are there. rows: that have them.
  static func isImplausible(classes: Int, used: Int, rows: Int) -> Bool {
    classes > 10 && (classes > rows || 2 * used > rows || (classes > 100 && classes > 10 * used))
  }

  /// Checks that no size of an array is 0 and that they multiply to exactly the bytes there are.
  /// - Throws: `DataError.empty`, `.truncated`, `.malformed`.
  static func checkSize(of sizes: [Int], elementBytes: Int, available: Int, path: String) throws {
    guard !sizes.isEmpty, !sizes.contains(0) else {
      throw DataError.empty(path: path, expected: "rows and features, not shape \(sizes)")
    }
    try DataFile.checkSize(
      of: sizes, elementBytes: elementBytes, available: available, path: path)
  }
}

extension DataFile {
  /// Checks that the sizes of an array multiply to exactly the bytes there are.
  /// - Throws: `DataError.truncated`, `.malformed`.
  static func checkSize(of shape: [Int], elementBytes: Int, available: Int, path: String) throws {
    var needed = elementBytes
    for size in shape {
      let (product, overflow) = needed.multipliedReportingOverflow(by: size)
      guard !overflow else {
        throw DataError.truncated(
          path: path, expected: "more bytes than 64 bits count, for shape \(shape)",
          found: "\(available)")
      }
      needed = product
    }
    let expected = "\(needed) bytes of values for shape \(shape)"
    if available < needed {
      throw DataError.truncated(path: path, expected: expected, found: "\(available)")
    }
    guard available == needed else {
      throw DataError.malformed(path: path, expected: expected, found: "\(available)")
    }
  }
}
