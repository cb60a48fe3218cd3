import Foundation

/// The text of a CSV file, and how its lines are written.
struct CSVText {
  /// UTF-8, without a byte order mark.
  let bytes: [UInt8]
  /// What stands between fields.
  let separator: UInt8
  /// The first record of data or header.
  let start: Int
  /// Fields of the first record, but for a blank last one that is blank in all; nil where it does not
  /// parse.
  let columns: Int?
  /// The names of a comment line in front of the data, as numpy.savetxt writes a header.
  let commentedHeader: [String]?
  /// Comments in front of the first record, but for the header.
  let comments: Int
  /// What is worth saying of it.
  let notes: [String]

  private static let separators: [(byte: UInt8, name: String)] = [
    (0x09, "tabs"), (0x3B, "semicolons"), (0x2C, "commas"),
  ]

  /// Records that are looked at to find the separator.
  private static let sample = 20

  /// Decodes UTF-8 or, by its byte order mark, UTF-16, and finds the separator: what a first line such
  /// as `sep=;` says, as Excel reads it, or what gives the first records one number of fields, at
  /// least two; tabs and semicolons before commas, which may be decimal ones.
  ///
  /// - Throws: as `DecodedText`.
  init(_ stored: [UInt8], path: String) throws {
    let decoded = try DecodedText(stored, path: path)
    let text = decoded.bytes
    let told = Self.toldSeparator(text)
    var front = CSVReader(text, path: path, from: told?.end ?? 0)
    front.skipComments()
    let first = front.position
    var separator = told?.separator ?? 0x2C
    if told == nil {
      for candidate in Self.separators {
        let counts = Self.fieldCounts(text, from: first, separator: candidate.byte, path: path)
        if let first = counts.first, first >= 2, counts.allSatisfy({ $0 == first }) {
          separator = candidate.byte
          break
        }
      }
    }
    (bytes, self.separator) = (text, separator)
    let columns = Self.columns(text, from: first, separator: separator, path: path)
    self.columns = columns
    notes =
      (decoded.encoding.map { [$0] } ?? [])
      + (separator == 0x2C ? [] : ["fields are separated by \(Self.name(of: separator))"])
    // Once more, as a record may begin with #.
    front = CSVReader(
      text, path: path, from: told?.end ?? 0, separator: separator, columns: columns)
    let comment = front.skipComments()
    start = front.position
    var header: [String]?
    if let comment {
      let line = CSVReader(Array(text[comment]), path: path, separator: separator, columns: columns)
      let names = Self.fields(after: line)
      // Texts of its own make the first record the header.
      if names.count == columns, Self.isText(names), !Self.isText(Self.fields(after: front)) {
        header = names
      }
    }
    commentedHeader = header
    comments = front.comments - (header == nil ? 0 : 1)
  }

  /// Whether no field but those of `columns` is a number.
  static func isText(_ fields: [String], but columns: Set<Int> = []) -> Bool {
    let filled = fields.indices.filter { !columns.contains($0) && !fields[$0].isEmpty }
    return !filled.isEmpty && !filled.contains { CSVNumbers.isNumeric(fields[$0]) }
  }

  private static func name(of separator: UInt8) -> String {
    separators.first { $0.byte == separator }?.name
      ?? DataError.quoted(String(decoding: [separator], as: UTF8.self))
  }

  /// The separator of a first line `sep=;`, and where that line ends.
  private static func toldSeparator(_ text: [UInt8]) -> (separator: UInt8, end: Int)? {
    let line = text.prefix(9).prefix { $0 != 0x0A && $0 != 0x0D }
    let bare = line.filter { $0 != 0x22 }
    guard bare.count == 5, line.count < text.count,
      String(decoding: bare.prefix(4), as: UTF8.self).lowercased() == "sep="
    else { return nil }
    return (bare[4], line.count)
  }

  /// Fields of the first record. One less where its last is blank, and no other record has more or
  /// anything there: all lines end with a separator.
  private static func columns(
    _ text: [UInt8], from start: Int, separator: UInt8, path: String
  ) -> Int? {
    var reader = CSVReader(text, path: path, from: start, separator: separator)
    guard (try? reader.advance()) == true else { return nil }
    let count = reader.count
    guard count > 1, reader.field(count - 1).isEmpty else { return count }
    while (try? reader.advance()) == true {
      guard reader.count < count || reader.count == count && reader.field(count - 1).isEmpty
      else { return count }
    }
    return count - 1
  }

  /// Fields of the next record; none where there is none.
  private static func fields(after reader: CSVReader) -> [String] {
    var reader = reader
    guard (try? reader.advance()) == true else { return [] }
    return (0..<reader.count).map { reader.field($0) }
  }

  /// Fields of the first records; none where they do not parse.
  private static func fieldCounts(
    _ text: [UInt8], from start: Int, separator: UInt8, path: String
  ) -> [Int] {
    var reader = CSVReader(text, path: path, from: start, separator: separator)
    var counts: [Int] = []
    while counts.count < sample {
      guard let more = try? reader.advance() else { return [] }
      if !more { break }
      counts.append(reader.count)
    }
    return counts
  }
}
