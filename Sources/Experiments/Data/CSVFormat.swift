/// CSV, plain or gzip: one row per line, numbers as features and one label column, or columns of
/// numbers to learn.
///
/// The first row is a header where one of its fields names the label column (label, class, target
/// or y in any case, the first of these that is there; or what is asked for), or where no field but
/// the label is a number. Without such a name the label is the last column; the first where it alone is
/// text, the last is constant, or, without a header, too many classes. Labels are integers from 0, or text, whose distinct values in sorted order are
/// the classes. `CSVText` says which texts are read, `CSVLayout` which columns.
enum CSVFormat: DataFormat {
  static let expected = "CSV (a file named .csv, .tsv or .csv.gz)"

  static func recognizes(_ location: DataLocation) -> Bool {
    guard location.entries == nil else { return false }
    let name = location.name.lowercased()
    return [".csv", ".tsv", ".csv.gz", ".tsv.gz"].contains(where: name.hasSuffix)
  }

  static func load(_ location: DataLocation, _ reading: DataReading) throws -> LoadedData {
    let path = location.path
    let text = try CSVText(
      DataFile.readInflating(path, expected: "rows of numbers and a label"), path: path)
    var reader = CSVReader(text, path: path)
    guard try reader.advance() else {
      throw DataError.empty(path: path, expected: "rows of numbers and a label")
    }
    let columns = reader.count
    guard columns >= 2 else {
      throw DataError.malformed(
        path: path,
        expected: "at least one feature column and a label column, separated by commas, semicolons "
          + "or tabs",
        found: "\(columns) column")
    }
    let layout = try CSVLayout(text, first: reader, path: path, reading: reading)
    guard try !layout.skipsFirstRow || reader.advance() else {
      throw DataError.empty(path: path, expected: "rows after the header")
    }
    let firstRow = reader.row
    var features: [Float] = []
    var labels: [String] = []
    var targets: [Float] = []
    repeat {
      guard reader.count == columns else {
        throw DataError.malformed(
          path: path, expected: "row \(reader.row): \(columns) fields as in the first row",
          found: "\(reader.count)")
      }
      try append(layout.features, of: &reader, to: &features, path: path)
      if reading.task == .regression {
        try append(layout.targets, of: &reader, to: &targets, path: path)
      } else {
        labels.append(reader.field(layout.targets[0]))
      }
    } while try reader.advance()
    try reader.checkDecimals()
    let decimals = reader.decimals.comma == nil ? [] : ["numbers have decimal commas"]
    var read = DataLayout(
      featureColumns: layout.features, targetColumns: layout.targets,
      notes: layout.notes + text.notes + decimals)
    let names = layout.targets.map { layout.header?[$0] ?? "column \($0 + 1)" }
    let found: LabelledRows.Targets
    if reading.task == .regression {
      found = .values(targets, names: names)
    } else {
      let classes = try classes(
        of: labels, firstRow: firstRow, other: layout.candidate, path: path)
      found = .labels(classes.labels)
      read.classNames = classes.names
    }
    return try LoadedData(
      name: location.name,
      train: LabelledRows(
        path: path, features: .floats(features), targets: found, inputs: layout.features.count,
        labelSource: "column \(layout.targets[0] + 1)"
          + (layout.header.map { " " + DataError.quoted($0[layout.targets[0]]) } ?? "")
          + " as the label", otherLabels: layout.candidate),
      layout: read)
  }

  private static func append(
    _ columns: [Int], of reader: inout CSVReader, to values: inout [Float], path: String
  ) throws {
    for column in columns {
      guard let value = reader.number(column) else {
        throw DataError.notANumber(
          path: path, row: reader.row, column: column + 1, found: reader.field(column))
      }
      guard value.isFinite else {
        throw DataError.notFinite(
          path: path, row: reader.row, column: column + 1,
          found: DataError.quoted(reader.field(column)))
      }
      values.append(value)
    }
  }

  /// Class of each label. All numbers: each must be a whole number from 0. Else text, sorted.
  private static func classes(
    of labels: [String], firstRow: Int, other: String?, path: String
  ) throws -> (labels: [UInt32], names: [String]?) {
    if let blank = labels.firstIndex(of: "") {
      throw DataError.labelOutOfRange(
        path: path, row: firstRow + blank, expected: "a label", found: "a blank field")
    }
    let hint =
      "--label names another column" + (other.map { " such as \($0)" } ?? "")
      + ", --task regression learns"
    let numbers = labels.map { Double($0) ?? CSVReader.decimalComma($0).map(Double.init) }
    if numbers.allSatisfy({ $0 != nil }) {
      let classes = try numbers.enumerated().map { row, number in
        guard let number, let value = Int(exactly: number) else {
          throw DataError.labelOutOfRange(
            path: path, row: firstRow + row,
            expected: "a whole number from 0, or text (\(hint) real numbers)", found: labels[row])
        }
        guard value < LabelledRows.maximumClasses else {
          throw DataError.labelOutOfRange(
            path: path, row: firstRow + row,
            expected: "0…\(LabelledRows.maximumClasses - 1) (\(hint) numbers)", found: labels[row])
        }
        return try LabelledRows.label(value, path: path, row: firstRow + row)
      }
      return (classes, nil)
    }
    let distinct = Set(labels).sorted()
    let index = Dictionary(uniqueKeysWithValues: zip(distinct, 0...))
    let classes = try labels.enumerated().map { row, label in
      try LabelledRows.label(index[label] ?? -1, path: path, row: firstRow + row)
    }
    return (classes, distinct)
  }
}
