/// Rows as a loader found them, before training and validation agree on their classes.
struct LabelledRows {
  /// What was found beside the features.
  enum Targets {
    /// The class of each row.
    case labels([UInt32])
    /// Numbers, [count, names.count].
    case values([Float], names: [String])
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

  init(
    path: String, features: DataSet.Features, targets: Targets, inputs: Int,
    labelSource: String = "the labels", otherLabels: String? = nil
  ) {
    (self.path, self.features, self.targets, self.inputs) = (path, features, targets, inputs)
    (self.labelSource, self.otherLabels) = (labelSource, otherLabels)
  }

  var labels: [UInt32] { if case .labels(let labels) = targets { labels } else { [] } }
}

extension LabelledRows {
  /// Labels at or above this are refused: each class costs a row of weights.
  static let maximumClasses = 1 << 16

  /// A label as read, checked.
  /// - Throws: `DataError.labelOutOfRange`.
  static func label(_ value: Int, path: String, row: Int, classes: Int = maximumClasses) throws
    -> UInt32
  {
    guard value >= 0 && value < classes else {
      throw DataError.labelOutOfRange(
        path: path, row: row, expected: "0…\(classes - 1)", found: "\(value)")
    }
    return UInt32(value)
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
    let shape = "[" + sizes.map(String.init).joined(separator: ", ") + "]"
    guard !sizes.isEmpty, !sizes.contains(0) else {
      throw DataError.empty(path: path, expected: "rows and features, not shape \(shape)")
    }
    var needed = elementBytes
    for size in sizes {
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
