/// Rows as a loader found them, before training and validation agree on their classes.
struct LabelledRows {
  /// File of the features, for errors.
  let path: String
  let features: DataSet.Features
  let labels: [UInt32]
  let inputs: Int
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
