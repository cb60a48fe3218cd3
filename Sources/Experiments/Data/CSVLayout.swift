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

  private static let labelNames = ["label", "class", "target", "y"]
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
    let commented = text.commentedHeader.flatMap {
      $0.count == columns && Self.isText($0, but: []) ? $0 : nil
    }
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
    let isNamed = zip(chosen, reading.label).contains {
      Int($1) == nil && fields[$0].lowercased() == $1.lowercased()
    }
    let known = commented == nil ? Self.named(fields, first) : nil
    skipsFirstRow =
      commented == nil
      && (isNamed || known != nil
        || Self.isText(fields, but: chosen.isEmpty ? [columns - 1] : Set(chosen)))
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
    var notes: [String] = []
    if let index, let header {
      notes.append("column 1 \(DataError.quoted(header[index])) numbers the rows and is left out")
    } else if header == nil && columns > 2 && !chosen.contains(0) && scan.firstCounts
      && scan.rows >= 10
    {
      notes.append("column 1 counts the rows and is a feature")
    }
    func name(_ column: Int) -> String {
      "column \(column + 1)" + (header.map { " " + DataError.quoted($0[column]) } ?? "")
    }
    let role = reading.task == .regression ? "target" : "label"
    if !chosen.isEmpty {
      targets = chosen
      notes.append("\(role): " + chosen.map(name).joined(separator: ", "))
    } else if let known = known ?? commented.flatMap({ Self.named($0, nil) }) {
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
    self.notes = notes
  }

  /// The column of a number from 1, or of a name that is no number.
  private static func column(
    _ label: String, fields: [String], _ columns: Int, path: String
  ) throws -> Int {
    if let number = Int(label), (1...columns).contains(number) { return number - 1 }
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

  /// Whether no field but those of `columns` is a number.
  private static func isText(_ fields: [String], but columns: Set<Int>) -> Bool {
    let filled = fields.indices.filter { !columns.contains($0) && !fields[$0].isEmpty }
    return !filled.isEmpty
      && filled.allSatisfy { Float(fields[$0]) == nil && CSVReader.decimalComma(fields[$0]) == nil }
  }

  /// The column that a header names; nil where it names none, or the row is no header.
  private static func named(_ fields: [String], _ first: CSVReader?) -> Int? {
    let names = fields.map { $0.lowercased() }
    guard let named = labelNames.lazy.compactMap({ names.firstIndex(of: $0) }).first else {
      return nil
    }
    let last = fields.count - 1
    guard named == last, let first, !isText(fields, but: [last]) else { return named }
    // Numbers and then "y": a header of numbers, or a row of class "y". It is a class if it
    // comes again.
    var reader = first
    while (try? reader.advance()) == true {
      if reader.count == first.count, reader.field(last) == fields[last] { return nil }
    }
    return named
  }
}

/// The first and the last column of a file, for what the header does not say.
private struct ColumnScan {
  /// Values in order, by how often they come.
  private struct Column {
    var counts: [String: Int] = [:]
    var isNumeric = true
    /// Whether each value is the one before and one.
    var counting = true
    private var previous: Double?

    mutating func add(_ field: String) {
      counts[field, default: 0] += 1
      let value = Double(field) ?? CSVReader.decimalComma(field).map(Double.init)
      if value == nil { isNumeric = false }
      if let previous, value != previous + 1 { counting = false }
      previous = value
      if value == nil { counting = false }
    }

    /// The labels as whole numbers; nil where one is none.
    var labels: Set<Int>? {
      var labels: Set<Int> = []
      for field in counts.keys {
        guard let value = Double(field), let label = Int(exactly: value), label >= 0 else {
          return nil
        }
        labels.insert(label)
      }
      return labels
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
      first.add(reader.field(0))
      last.add(reader.field(lastIndex))
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
