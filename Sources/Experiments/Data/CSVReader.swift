/// Records of a CSV file, one at a time: comma-separated, quoted fields may hold commas, quotes
/// (doubled) and line ends. Blank lines are skipped, as is a byte order mark at the start.
/// Source: RFC 4180; line ends may be CR LF, LF or CR.
struct CSVReader {
  private let bytes: [UInt8]
  private let path: String
  private var position: Int
  /// Records read so far, so the number of the current one, from 1.
  private(set) var row = 0
  /// The current record's fields without their quotes, one after another.
  private var text: [UInt8] = []
  /// Where each field ends in `text`.
  private var ends: [Int] = []

  init(_ bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
    position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  /// Number of fields of the current record.
  var count: Int { ends.count }

  /// Moves to the next record; false at the end of the file.
  /// - Throws: `DataError.malformed` for a quote that does not close, or text behind one.
  mutating func advance() throws -> Bool {
    text.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    while position < bytes.count, isLineEnd(bytes[position]) { position += 1 }
    guard position < bytes.count else { return false }
    row += 1
    while true {
      try field()
      ends.append(text.count)
      guard position < bytes.count else { return true }
      let separator = bytes[position]
      position += 1
      if separator != comma { return true }
    }
  }

  /// A field of the current record, spaces around it dropped.
  func field(_ column: Int) -> String {
    String(decoding: text[range(column)], as: UTF8.self)
  }

  /// A field as a number; nil where it is none. NaN and infinities are numbers here.
  func number(_ column: Int) -> Float? {
    let range = range(column)
    // Plain integers of few digits, so most image files, need no String.
    if !range.isEmpty, range.count <= 7 {
      var value: Int32 = 0
      var index = range.lowerBound
      while index < range.upperBound, text[index] >= 0x30, text[index] <= 0x39 {
        value = value * 10 + Int32(text[index] - 0x30)
        index += 1
      }
      if index == range.upperBound { return Float(value) }
    }
    return Float(field(column))
  }

  private func range(_ column: Int) -> Range<Int> {
    var start = column == 0 ? 0 : ends[column - 1]
    var end = ends[column]
    while start < end, isSpace(text[start]) { start += 1 }
    while start < end, isSpace(text[end - 1]) { end -= 1 }
    return start..<end
  }

  /// Reads one field up to its comma, line end or the file's end.
  private mutating func field() throws {
    var start = position
    while start < bytes.count, isSpace(bytes[start]) { start += 1 }
    guard start < bytes.count, bytes[start] == quote else {
      while position < bytes.count, bytes[position] != comma, !isLineEnd(bytes[position]) {
        text.append(bytes[position])
        position += 1
      }
      return
    }
    position = start + 1
    while true {
      guard position < bytes.count else {
        throw DataError.malformed(
          path: path, expected: "row \(row): a closing quote", found: "the end of the file")
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
    while position < bytes.count, isSpace(bytes[position]) { position += 1 }
    guard position == bytes.count || bytes[position] == comma || isLineEnd(bytes[position]) else {
      throw DataError.malformed(
        path: path, expected: "row \(row): a comma or line end after a closing quote",
        found: DataError.hex([bytes[position]]))
    }
  }

  private var comma: UInt8 { 0x2C }
  private var quote: UInt8 { 0x22 }
  private func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }
  private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
