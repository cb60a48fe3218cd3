/// Records of a CSV text, one at a time: separated by commas or another byte, quoted fields may hold
/// separators, quotes (doubled) and line ends. Blank lines, of spaces too, and comments are skipped:
/// lines that begin with #, but for those that have as many fields as the records, numbers among them,
/// and no space after the #: there it begins a field, such as a colour.
/// Source: RFC 4180; line ends may be CR LF, LF or CR.
struct CSVReader {
  private let bytes: [UInt8]
  private let path: String
  private let separator: UInt8
  /// Fields of a record; nil where that is not known yet.
  private let columns: Int?
  private(set) var position: Int
  /// Records read so far, so the number of the current one, from 1.
  private(set) var row = 0
  /// Comments passed so far.
  private(set) var comments = 0
  /// Records that ended with a separator and a blank field beyond the columns, which is dropped.
  private(set) var blankEnds = 0
  /// Where the current record starts.
  private var start = 0
  /// The current record's fields without their quotes, one after another.
  private var text: [UInt8] = []
  /// Where each field ends in `text`.
  private var ends: [Int] = []
  /// How numbers are written, by the starts of their records.
  private(set) var numbers: CSVNumbers

  init(
    _ bytes: [UInt8], path: String, from start: Int = 0, separator: UInt8 = 0x2C,
    columns: Int? = nil
  ) {
    (self.bytes, self.path, self.separator) = (bytes, path, separator)
    (position, self.columns) = (start, columns)
    numbers = CSVNumbers(separator: separator)
  }

  init(_ text: CSVText, path: String) {
    self.init(
      text.bytes, path: path, from: text.start, separator: text.separator, columns: text.columns)
  }

  /// Number of fields of the current record.
  var count: Int { ends.count }

  /// The line of the file where the current record starts, from 1. Counts all lines before it.
  var line: Int { line(at: start) }

  private func line(at position: Int) -> Int {
    var counter = LineCounter(bytes)
    return counter.line(at: position)
  }

  /// Moves to the next record; false at the end of the file.
  /// - Throws: `DataError.malformed` for a quote that does not close, or text behind one.
  mutating func advance() throws -> Bool {
    skipComments()
    text.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    guard position < bytes.count else { return false }
    row += 1
    start = position
    try record()
    if let columns, count == columns + 1, range(columns).isEmpty {
      ends.removeLast()
      blankEnds += 1
    }
    return true
  }

  /// Reads the fields from `position` to the line's end.
  private mutating func record() throws {
    while true {
      try field()
      ends.append(text.count)
      guard position < bytes.count else { return }
      let byte = bytes[position]
      position += 1
      if byte != separator { return }
    }
  }

  /// Moves past blank lines and comments to the next record; where the last comment's text is.
  @discardableResult
  mutating func skipComments() -> Range<Int>? {
    var comment: Range<Int>?
    while position < bytes.count {
      var start = position
      while start < bytes.count, isSpace(bytes[start]) { start += 1 }
      if start < bytes.count, bytes[start] == 0x23 {
        if isRecord(mark: start) { break }
        let end = bytes[start...].firstIndex(where: isLineEnd) ?? bytes.count
        comment = start + 1..<end
        comments += 1
        position = end
      } else if start == bytes.count || isLineEnd(bytes[start]) {
        position = min(start + 1, bytes.count)
      } else {
        break
      }
    }
    return comment
  }

  /// Whether a line whose first byte but spaces is # holds a record.
  private func isRecord(mark: Int) -> Bool {
    guard let columns, columns > 1, mark + 1 < bytes.count, !isSpace(bytes[mark + 1]) else {
      return false
    }
    var line = CSVReader(bytes, path: path, from: position, separator: separator)
    guard (try? line.record()) != nil,
      line.count == columns || line.count == columns + 1 && line.range(columns).isEmpty
    else { return false }
    return !CSVText.isText((0..<columns).map { line.field($0) }, but: [0])
  }

  /// A field of the current record, spaces around it dropped.
  func field(_ column: Int) -> String {
    String(decoding: text[range(column)], as: UTF8.self)
  }

  /// A field as a number, as `CSVNumbers` reads it; nil where it is none.
  mutating func number<Value: BinaryFloatingPoint & LosslessStringConvertible>(
    _ column: Int, as type: Value.Type = Float.self
  ) -> Value? {
    let range = range(column)
    // Plain integers of few digits, so most image files, need no String.
    if !range.isEmpty, range.count <= 7 {
      var value: Int32 = 0
      var index = range.lowerBound
      while index < range.upperBound, text[index] >= 0x30, text[index] <= 0x39 {
        value = value * 10 + Int32(text[index] - 0x30)
        index += 1
      }
      if index == range.upperBound { return Value(value) }
    }
    return numbers.value(of: field(column), at: start, as: Value.self)
  }

  /// Refuses a file with decimal points and decimal commas among the numbers read.
  ///
  /// - Throws: `DataError.malformed`.
  func checkDecimals() throws { try numbers.check(path: path, line: line) }

  private func range(_ column: Int) -> Range<Int> {
    var start = column == 0 ? 0 : ends[column - 1]
    var end = ends[column]
    while start < end, isSpace(text[start]) { start += 1 }
    while start < end, isSpace(text[end - 1]) { end -= 1 }
    return start..<end
  }

  /// Reads one field up to its separator, line end or the file's end.
  private mutating func field() throws {
    var start = position
    while start < bytes.count, isSpace(bytes[start]), bytes[start] != separator { start += 1 }
    guard start < bytes.count, bytes[start] == quote else {
      while position < bytes.count, bytes[position] != separator, !isLineEnd(bytes[position]) {
        text.append(bytes[position])
        position += 1
      }
      return
    }
    position = start + 1
    while true {
      guard position < bytes.count else {
        throw DataError.malformed(
          path: path, expected: "line \(line): a closing quote", found: "the end of the file")
      }
      let byte = bytes[position]
      position += 1
      if byte != quote {
        text.append(byte)
      } else if position < bytes.count, bytes[position] == quote {
        text.append(quote)
        position += 1
      } else {
        break
      }
    }
    while position < bytes.count, isSpace(bytes[position]), bytes[position] != separator {
      position += 1
    }
    guard
      position == bytes.count || bytes[position] == separator || isLineEnd(bytes[position])
    else {
      throw DataError.malformed(
        path: path, expected: "line \(line): a separator or line end after a closing quote",
        found: DataError.hex([bytes[position]]))
    }
  }

  private var quote: UInt8 { 0x22 }
  private func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }
  private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

/// Lines of a text by where they are.
struct LineCounter {
  private let bytes: [UInt8]
  private var position = 0
  private var line = 1

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The line, from 1, that `position` is in; positions must not fall.
  mutating func line(at position: Int) -> Int {
    while self.position < min(position, bytes.count) {
      let byte = bytes[self.position]
      self.position += 1
      // CR LF is one end of a line.
      if byte == 0x0A || byte == 0x0D && !bytes[self.position...].starts(with: [0x0A]) { line += 1 }
    }
    return line
  }
}
