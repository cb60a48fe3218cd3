/// What is learned of the data.
public enum LearningTask: String, CaseIterable, Codable, SettingValue {
  /// The class of a row.
  case classification
  /// One or more numbers of a row.
  case regression
}

/// What is asked of a loader.
public struct DataReading: Hashable, Sendable {
  /// What is learned.
  public var task: LearningTask
  /// Columns of a table that hold it, each by its name or its number from 1; none: found by name or
  /// place.
  public var label: [String]

  /// By default classes, by the label column that the table's header names.
  public init(task: LearningTask = .classification, label: [String] = []) {
    (self.task, self.label) = (task, label)
  }

  /// Refuses what only tables have, and numbers to learn where the format has classes alone.
  ///
  /// - Throws: `DataError.unsupported`.
  func requireClasses(_ location: DataLocation) throws {
    try requireNoLabel(location)
    if task == .regression {
      throw DataError.unsupported(
        path: location.path, expected: "a CSV, NPY or NPZ file for --task regression",
        found: "images with classes")
    }
  }

  /// Refuses a label column.
  ///
  /// - Throws: `DataError.unsupported`.
  func requireNoLabel(_ location: DataLocation) throws {
    if let label = label.first {
      throw DataError.unsupported(
        path: location.path, expected: "a CSV file for --label",
        found: "\(DataError.quoted(label)) of data that is no table")
    }
  }
}
