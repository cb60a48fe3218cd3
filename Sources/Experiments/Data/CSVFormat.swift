/// CSV, plain or gzip: one row per line, numbers as features and one label column, or columns of
/// numbers to learn.
///
/// `CSVText` says which texts are read, `CSVLayout` which row is a header and which columns are what.
/// Without a name in the header the label is the last column; the first where it alone is text, the last
/// is constant, or, without a header, too many classes. Labels are integers from 0, −1 and 1 alone, or
/// text, whose distinct values in sorted order are the classes.
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
    var targets: [Double] = []
    repeat {
      guard reader.count == columns else {
        throw DataError.malformed(
          path: path, expected: "line \(reader.line): \(columns) fields as in the first row",
          found: "\(reader.count)")
      }
      try append(layout.features, of: &reader, to: &features, text, path: path)
      if reading.task == .regression {
        try append(layout.targets, of: &reader, to: &targets, text, path: path)
      } else {
        labels.append(reader.field(layout.targets[0]))
      }
    } while try reader.advance()
    try reader.checkDecimals()
    let read = DataLayout(
      featureColumns: layout.features, targetColumns: layout.targets,
      notes: layout.notes + text.notes + notes(of: reader, text))
    let names = layout.targets.map { layout.header?[$0] ?? "column \($0 + 1)" }
    let found: LabelledRows.Targets
    var classNames: [String]?
    if reading.task == .regression {
      found = .values(targets, names: names)
    } else {
      let classes = try classes(of: labels, layout, reader, path: path) { row in
        // Only errors ask for it.
        var again = CSVReader(text, path: path)
        while again.row < firstRow + row, (try? again.advance()) == true {}
        return .line(again.line)
      }
      (found, classNames) = (.labels(classes.labels), classes.names)
    }
    return try LoadedData(
      name: location.name,
      train: LabelledRows(
        path: path, features: .floats(features), targets: found, inputs: layout.features.count,
        labelSource: "\(layout.name(layout.targets[0])) as the label",
        otherLabels: layout.candidate, classNames: classNames),
      layout: read)
  }

  /// What was read otherwise than it looks, or was not.
  private static func notes(of reader: CSVReader, _ text: CSVText) -> [String] {
    var notes = reader.numbers.comma == nil ? [] : ["numbers have decimal commas"]
    let comments = text.comments + reader.comments
    if comments > 0 {
      notes.append(
        comments == 1
          ? "1 line that begins with # is skipped"
          : "\(comments) lines that begin with # are skipped")
    }
    if reader.blankEnds > 0 {
      notes.append("\(reader.blankEnds) rows end with a separator: no column comes after it")
    }
    return notes
  }

  private static func append<Value: BinaryFloatingPoint & LosslessStringConvertible>(
    _ columns: [Int], of reader: inout CSVReader, to values: inout [Value], _ text: CSVText,
    path: String
  ) throws {
    for column in columns {
      guard let value = reader.number(column, as: Value.self) else {
        let field = reader.field(column)
        guard text.separator == 0x2C, CSVNumbers.isNumeric(field) else {
          throw DataError.notANumber(
            path: path, at: .line(reader.line), column: column + 1, found: field)
        }
        throw DataError.malformed(
          path: path,
          expected:
            "line \(reader.line), column \(column + 1): a number without a comma, which may be "
            + "decimal or of thousands where fields are separated by commas",
          found: DataError.quoted(field))
      }
      guard value.isFinite else {
        throw DataError.notFinite(
          path: path, at: .line(reader.line), column: column + 1,
          found: DataError.quoted(reader.field(column)))
      }
      values.append(value)
    }
  }

  /// Class of each label. All numbers: each must be a whole number from 0, or −1 or 1. Else text, sorted.
  private static func classes(
    of labels: [String], _ layout: CSVLayout, _ reader: CSVReader, path: String,
    at place: (Int) -> DataError.Place
  ) throws -> (labels: [UInt32], names: [String]?) {
    let column = layout.name(layout.targets[0])
    if let blank = labels.firstIndex(of: "") {
      throw DataError.labelOutOfRange(
        path: path, at: place(blank), expected: "a label in \(column)", found: "a blank field")
    }
    let other =
      "--label names another column" + (layout.candidate.map { " such as \($0)" } ?? "")
      + ", --task regression learns"
    let numbers = labels.map(reader.numbers.value(of:))
    if numbers.allSatisfy({ $0 != nil }) {
      let whole = try numbers.enumerated().map { row, number in
        guard let number, let value = Int(exactly: number) else {
          throw DataError.labelOutOfRange(
            path: path, at: place(row),
            expected: "a whole number from 0, or text, in \(column) (\(other) real numbers)",
            found: labels[row])
        }
        return value
      }
      return try LabelledRows.classes(
        of: whole, path: path, hint: " in \(column), or -1 and 1 alone (\(other) numbers)",
        at: place)
    }
    let distinct = Set(labels).sorted()
    let index = Dictionary(uniqueKeysWithValues: zip(distinct, 0...))
    let classes = try labels.enumerated().map { row, label in
      try LabelledRows.label(index[label] ?? -1, path: path, at: place(row))
    }
    return (classes, distinct)
  }
}
