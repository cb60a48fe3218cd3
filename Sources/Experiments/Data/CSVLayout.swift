/// Which columns of a CSV file are features and which hold what is learned, and whether the first row
/// is a header.
struct CSVLayout {
  /// Columns from 0, in order.
  let features, targets: [Int]
  /// Names of all columns; nil where there is no header.
  let header: [String]?
  /// Whether the header is the first row.
  let skipsFirstRow: Bool
  /// The first column in words, where it looks like classes and is not taken for them.
  let candidate: String?
  /// What was decided, in words.
  let notes: [String]

  /// Headers of a column that numbers the rows; pandas and R write the first two.
  private static let indexNames = ["", "unnamed: 0", "index", "id", "row_id", "rownames"]

  /// Takes the columns that are asked for, else the one that the header names, else the last or, where
  /// that cannot be classes, the first.
  ///
  /// - first: about the first record.
  /// - Throws: `DataError`.
  init(_ text: CSVText, first: CSVReader, path: String, reading: DataReading) throws {
    let columns = first.count
    let fields = (0..<columns).map { first.field($0) }
    let commented = text.commentedHeader
    let chosen = try reading.label.map {
      try Self.column($0, fields: commented ?? fields, columns, path: path)
    }
    guard Set(chosen).count == chosen.count else {
      throw DataError.noSuchColumn(
        path: path, label: reading.label.joined(separator: ","), expected: "different columns",
        found: "one of them twice")
    }
    if chosen.count > 1 && reading.task == .classification {
      throw DataError.noSuchColumn(
        path: path, label: reading.label.joined(separator: ","),
        expected: "one column of classes (--task regression learns several)",
        found: "\(chosen.count)")
    }
    let row = commented == nil ? try FirstRow(first, chosen, reading.label, path: path) : nil
    skipsFirstRow = row?.isHeader == true
    let known = row?.isHeader == false ? nil : FirstRow.named(commented ?? fields)
    let header = commented ?? (skipsFirstRow ? fields : nil)
    self.header = header
    let scan = try ColumnScan(first: first, skipsFirst: skipsFirstRow, path: path)
    // What numbers the rows gives classes away where these are in order.
    let index = header.flatMap { header in
      Self.indexNames.contains(header[0].lowercased()) && columns > 2 && !chosen.contains(0)
        && (Self.indexNames.prefix(2).contains(header[0].lowercased())
          ? scan.firstIsDistinct : scan.firstCounts)
        ? 0 : nil
    }
    var notes = row?.notes ?? []
    if let index, let header {
      notes.append("column 1 \(DataError.quoted(header[index])) numbers the rows and is left out")
    }
    func name(_ column: Int) -> String { Self.name(column, header) }
    let role = reading.task == .regression ? "target" : "label"
    if !chosen.isEmpty {
      targets = chosen
      notes.append("\(role): " + chosen.map(name).joined(separator: ", "))
    } else if let known {
      targets = [known]
      notes.append("\(role): \(name(known))")
    } else {
      let (column, why) = scan.guess(reading.task, hasHeader: header != nil)
      targets = [column]
      notes.append("\(role): \(name(column)), \(why); --label names another")
    }
    candidate = !targets.contains(0) && index == nil && scan.firstFits ? name(0) : nil
    let others = Set(targets + (index.map { [$0] } ?? []))
    features = (0..<columns).filter { !others.contains($0) }
    guard !features.isEmpty else {
      throw DataError.malformed(
        path: path, expected: "at least one feature column and a label column",
        found: "\(columns) columns, none of them a feature")
    }
    for column in features {
      if column == 0 && columns > 2 && scan.firstCounts && scan.rows >= 10 {
        notes.append("\(name(column)) counts the rows and is a feature")
      } else if let header, Self.namesIndex(header[column]) {
        notes.append("\(name(column)) is a feature, though its name is that of rows' numbers")
      }
    }
    self.notes = notes
  }

  /// A column in words, as in `column 3 "price"`.
  func name(_ column: Int) -> String { Self.name(column, header) }

  private static func name(_ column: Int, _ header: [String]?) -> String {
    "column \(column + 1)" + (header.map { " " + DataError.quoted($0[column]) } ?? "")
  }

  /// Whether a column of this name usually says which row it is.
  private static func namesIndex(_ name: String) -> Bool {
    let lower = name.lowercased()
    return indexNames.dropFirst().contains(lower) || lower.hasSuffix("_id")
      || lower.hasSuffix(" id") || name.hasSuffix("Id")
  }

  /// The column of a number from 1, which a whole number always is, or of a name.
  private static func column(
    _ label: String, fields: [String], _ columns: Int, path: String
  ) throws -> Int {
    if let number = Int(label) {
      guard (1...columns).contains(number) else {
        throw DataError.noSuchColumn(
          path: path, label: label, expected: "a column's name, or its number 1…\(columns)",
          found: "\(number)"
            + (fields.firstIndex(of: label).map { ", which is the name of column \($0 + 1)" } ?? "")
        )
      }
      return number - 1
    }
    for same in [{ $0 == label }, { $0.lowercased() == label.lowercased() }] as [(String) -> Bool] {
      let found = fields.indices.filter { same(fields[$0]) }
      if found.count == 1 { return found[0] }
      guard found.isEmpty else {
        throw DataError.noSuchColumn(
          path: path, label: label, expected: "one column of this name, or its number",
          found: "\(found.count), columns " + found.map { "\($0 + 1)" }.joined(separator: ", "))
      }
    }
    let names = fields.prefix(12).joined(separator: ", ") + (fields.count > 12 ? ", …" : "")
    throw DataError.noSuchColumn(
      path: path, label: label, expected: "a column's name in the first row or number 1…\(columns)",
      found: "no such column among \(names)")
  }
}

/// Whether the first row of a file is a header.
///
/// It is where no field but what is learned is a number; where a field names the label column (label,
/// class, target or y in any case, or what is asked for), unless that comes again in its column: then
/// it is a class; and where it counts the columns from 0, as pandas names those without names.
private struct FirstRow {
  let isHeader: Bool
  /// What is worth saying of it.
  let notes: [String]

  private static let labelNames = ["label", "class", "target", "y"]

  /// - chosen: columns that are asked for, by `labels`.
  /// - Throws: `DataError.noSuchColumn` where a name that is asked for is a class of a row of data.
  init(_ first: CSVReader, _ chosen: [Int], _ labels: [String], path: String) throws {
    let fields = (0..<first.count).map { first.field($0) }
    let last = fields.count - 1
    if CSVText.isText(fields, but: chosen.isEmpty ? [last] : Set(chosen)) {
      // A text and a number are data too, of a class in front.
      isHeader = last != 1 || !CSVNumbers.isNumeric(fields[1]) || !Self.comesAgain(0, first)
      notes = []
      return
    }
    let asked = zip(chosen, labels).first { Int($1) == nil }
    if let column = asked?.0 ?? Self.named(fields) {
      let name = DataError.quoted(fields[column])
      isHeader = !Self.comesAgain(column, first)
      if !isHeader, let asked {
        throw DataError.noSuchColumn(
          path: path, label: asked.1, expected: "a column's name, or its number 1…\(fields.count)",
          found: "a row of data, since \(name) comes again in its column")
      }
      notes = isHeader ? ["the first row is taken for the header, since it names \(name)"] : []
      return
    }
    let counts = Self.counts(fields)
    isHeader = counts && Self.isNoData(fields, first)
    notes =
      counts
      ? ["the first row counts the columns and is \(isHeader ? "the header" : "data")"] : []
  }

  /// The column that a header names; nil where it names none.
  static func named(_ fields: [String]) -> Int? {
    let names = fields.map { $0.lowercased() }
    return labelNames.lazy.compactMap { names.firstIndex(of: $0) }.first
  }

  /// Whether the first row's field of a column is that of another row too.
  private static func comesAgain(_ column: Int, _ first: CSVReader) -> Bool {
    let name = first.field(column)
    var reader = first
    while (try? reader.advance()) == true {
      if reader.count == first.count, reader.field(column) == name { return true }
    }
    return false
  }

  /// Whether the fields are 0, 1, 2, …, at least three, or a blank one, that of the rows' numbers, and
  /// at least two.
  private static func counts(_ fields: [String]) -> Bool {
    let names = fields[0].isEmpty ? fields.dropFirst() : fields[...]
    return fields.count >= 3 && names.enumerated().allSatisfy { $1 == String($0) }
  }

  /// Whether a row that counts is none of data: there are many columns, one has no number, or rows
  /// have real numbers.
  private static func isNoData(_ fields: [String], _ first: CSVReader) -> Bool {
    if fields.count >= 8 || fields[0].isEmpty { return true }
    var reader = first
    while (try? reader.advance()) == true {
      guard reader.count == fields.count else { continue }
      let isReal = (0..<fields.count).contains { column in
        reader.numbers.value(of: reader.field(column)).map { $0 != $0.rounded() } ?? false
      }
      if isReal { return true }
    }
    return false
  }
}

/// The first and the last column of a file, for what the header does not say.
private struct ColumnScan {
  /// Values in order, by how often they come.
  private struct Column {
    var counts: [String: Int] = [:]
    var isNumeric = true
    /// The values as whole numbers from 0; nil where one is none.
    private(set) var labels: Set<Int>? = []
    /// Whether each value is the one before and one.
    var counting = true
    private var previous: Double?

    /// - value: of the field, where it is a number.
    mutating func add(_ field: String, _ value: Double?) {
      counts[field, default: 0] += 1
      if let label = value.flatMap(Int.init(exactly:)), label >= 0 {
        labels?.insert(label)
      } else {
        labels = nil
      }
      if value == nil { isNumeric = false }
      if let previous, value != previous + 1 { counting = false }
      previous = value
      if value == nil { counting = false }
    }

    /// Why it cannot be classes; nil where it can.
    func problem(rows: Int) -> String? {
      if counts[""] != nil { return "has blank fields" }
      if counts.count == 1 { return "is constant" }
      if isNumeric && labels == nil { return "holds real numbers" }
      let classes = isNumeric ? (labels?.max() ?? 0) + 1 : counts.count
      return LabelledRows.isImplausible(classes: classes, used: counts.count, rows: rows)
        ? "would be \(classes) classes of \(rows) rows" : nil
    }

    /// Whether it holds texts, or numbers without gaps from 0 or 1, of several rows each.
    func looksLikeClasses(rows: Int) -> Bool {
      guard problem(rows: rows) == nil, 4 * counts.count <= rows else { return false }
      guard isNumeric else { return true }
      guard let labels, let least = labels.min(), let most = labels.max() else { return false }
      return least <= 1 && most - least + 1 == labels.count
    }
  }

  private var first = Column(), last = Column()
  private let lastIndex: Int
  private(set) var rows = 0

  init(first record: CSVReader, skipsFirst: Bool, path: String) throws {
    var reader = record
    lastIndex = record.count - 1
    if skipsFirst { guard try reader.advance() else { return } }
    repeat {
      guard reader.count == record.count else { continue }
      rows += 1
      let (front, end) = (reader.field(0), reader.field(lastIndex))
      first.add(front, reader.numbers.value(of: front))
      last.add(end, reader.numbers.value(of: end))
    } while try reader.advance()
  }

  /// Whether the first column's values are n, n + 1, n + 2, …
  var firstCounts: Bool { first.counting && rows >= 2 }

  /// Whether no value of the first column comes twice, and they are whole numbers or texts.
  var firstIsDistinct: Bool {
    first.counts.count == rows && (!first.isNumeric || first.labels != nil)
  }

  /// Whether the first column looks like classes.
  var firstFits: Bool { first.looksLikeClasses(rows: rows) }

  /// The column of what is learned, and why. It may be one that cannot be it, which is then refused:
  /// real numbers at the end, or too many classes under a header, may be there to be learned.
  func guess(_ task: LearningTask, hasHeader: Bool) -> (column: Int, why: String) {
    guard task == .classification else { return (lastIndex, "the last") }
    // Features are numbers: a first column of texts can be nothing else.
    if !first.isNumeric && last.isNumeric && firstFits { return (0, "the only one of texts") }
    guard let problem = last.problem(rows: rows) else {
      return (
        lastIndex,
        firstFits && last.isNumeric ? "the last (column 1 may be it too)" : "the last"
      )
    }
    let isConstant = last.counts.count == 1
    if firstFits && (isConstant || !hasHeader && last.labels != nil) {
      return (0, "as the last \(problem)")
    }
    return (lastIndex, "the last")
  }
}
