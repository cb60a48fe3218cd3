/// CSV, plain or gzip: one row per line, numbers as features and one label column.
///
/// The first row is a header where one of its fields names the label column (label, class, target
/// or y in any case, the first of these that is there), or where no field but the last is a number.
/// Without such a name the label is the last column. Labels are integers
/// from 0, or text, whose distinct values in sorted order are the classes.
enum CSVFormat: DataFormat {
  static let expected = "CSV (a file named .csv or .csv.gz)"

  private static let labelNames = ["label", "class", "target", "y"]

  static func recognizes(_ location: DataLocation) -> Bool {
    guard location.entries == nil else { return false }
    let name = location.name.lowercased()
    return name.hasSuffix(".csv") || name.hasSuffix(".csv.gz")
  }

  static func load(_ location: DataLocation) throws -> LoadedData {
    let path = location.path
    let bytes = try DataFile.readInflating(path, expected: "rows of numbers and a label")
    var reader = CSVReader(bytes, path: path)
    guard try reader.advance() else {
      throw DataError.empty(path: path, expected: "rows of numbers and a label")
    }
    let columns = reader.count
    guard columns >= 2 else {
      throw DataError.malformed(
        path: path, expected: "at least one feature column and a label column",
        found: "\(columns) column")
    }
    let (labelColumn, isHeader) = try layout(first: reader)
    guard try !isHeader || reader.advance() else {
      throw DataError.empty(path: path, expected: "rows after the header")
    }
    let firstRow = reader.row
    var features: [Float] = []
    var labels: [String] = []
    repeat {
      try appendFeatures(
        of: reader, to: &features, columns: columns, labelColumn: labelColumn, path: path)
      labels.append(reader.field(labelColumn))
    } while try reader.advance()
    let rows = LabelledRows(
      path: path, features: .floats(features),
      labels: try classes(of: labels, firstRow: firstRow, path: path), inputs: columns - 1)
    return try LoadedData(name: location.name, train: rows)
  }

  /// Which column is the label, and whether the first row is a header.
  private static func layout(first: CSVReader) throws -> (
    labelColumn: Int, isHeader: Bool
  ) {
    let last = first.count - 1
    let fields = (0...last).map { first.field($0) }
    let filled = fields.dropLast().filter { !$0.isEmpty }
    let isText = !filled.isEmpty && filled.allSatisfy { Float($0) == nil }
    let names = fields.map { $0.lowercased() }
    let named = labelNames.lazy.compactMap { names.firstIndex(of: $0) }.first
    guard let named else { return (last, isText) }
    guard named == last, !isText else { return (named, true) }
    // Numbers and then "y": a header of numbers, or a row of class "y". It is a class if it
    // comes again.
    var reader = first
    while try reader.advance() {
      if reader.count == first.count, reader.field(last) == fields[last] { return (last, false) }
    }
    return (last, true)
  }

  private static func appendFeatures(
    of reader: CSVReader, to features: inout [Float], columns: Int, labelColumn: Int, path: String
  ) throws {
    guard reader.count == columns else {
      throw DataError.malformed(
        path: path, expected: "row \(reader.row): \(columns) fields as in the first row",
        found: "\(reader.count)")
    }
    for column in 0..<columns where column != labelColumn {
      guard let value = reader.number(column) else {
        throw DataError.notANumber(
          path: path, row: reader.row, column: column + 1, found: reader.field(column))
      }
      guard value.isFinite else {
        throw DataError.notFinite(
          path: path, row: reader.row, column: column + 1,
          found: DataError.quoted(reader.field(column)))
      }
      features.append(value)
    }
  }

  /// Class of each label. All numbers: each must be a whole number from 0. Else text, sorted.
  private static func classes(of labels: [String], firstRow: Int, path: String) throws -> [UInt32] {
    if let blank = labels.firstIndex(of: "") {
      throw DataError.labelOutOfRange(
        path: path, row: firstRow + blank, expected: "a label", found: "a blank field")
    }
    let numbers = labels.map { Double($0) }
    if numbers.allSatisfy({ $0 != nil }) {
      return try numbers.enumerated().map { row, number in
        guard let number, let value = Int(exactly: number) else {
          throw DataError.labelOutOfRange(
            path: path, row: firstRow + row, expected: "a whole number from 0, or text",
            found: labels[row])
        }
        return try LabelledRows.label(value, path: path, row: firstRow + row)
      }
    }
    let distinct = Set(labels).sorted()
    let index = Dictionary(uniqueKeysWithValues: zip(distinct, 0...))
    return try labels.enumerated().map { row, label in
      try LabelledRows.label(index[label] ?? -1, path: path, row: firstRow + row)
    }
  }
}
