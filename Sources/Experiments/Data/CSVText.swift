import Foundation

/// The text of a CSV file, and how its lines are written.
struct CSVText {
  /// UTF-8, without a byte order mark.
  let bytes: [UInt8]
  /// What stands between fields.
  let separator: UInt8
  /// The first record of data or header.
  let start: Int
  /// The names of a comment line in front of the data, as numpy.savetxt writes a header.
  let commentedHeader: [String]?
  /// What is worth saying of it.
  let notes: [String]

  private static let separators: [(byte: UInt8, name: String)] = [
    (0x09, "tabs"), (0x3B, "semicolons"), (0x2C, "commas"),
  ]

  /// Records that are looked at to find the separator.
  private static let sample = 20

  /// Decodes UTF-8 or, by its byte order mark, UTF-16, and finds the separator: what gives the first
  /// records one number of fields, at least two; tabs and semicolons before commas, which may be
  /// decimal ones.
  ///
  /// - Throws: `DataError.unsupported` for other encodings, `.malformed` for NUL bytes.
  init(_ stored: [UInt8], path: String) throws {
    let (text, encoding) = try Self.decoded(stored, path: path)
    if let nul = text.firstIndex(of: 0) {
      let line = text[..<nul].count { $0 == 0x0A } + 1
      throw DataError.malformed(
        path: path, expected: "text", found: "a NUL byte in line \(line)")
    }
    var notes: [String] = encoding.map { [$0] } ?? []
    var reader = CSVReader(text, path: path)
    let comment = reader.skipComments()
    let start = reader.position
    var best = Self.separators[2]
    for candidate in Self.separators {
      let counts = Self.fieldCounts(text, from: start, separator: candidate.byte, path: path)
      if let first = counts.first, first >= 2, counts.allSatisfy({ $0 == first }) {
        best = candidate
        break
      }
    }
    if best.byte != 0x2C { notes.append("fields are separated by \(best.name)") }
    (bytes, separator, self.start) = (text, best.byte, start)
    commentedHeader = comment.flatMap { range in
      var line = CSVReader(Array(text[range]), path: path, separator: best.byte)
      guard (try? line.advance()) == true else { return nil }
      return (0..<line.count).map { line.field($0) }
    }
    self.notes = notes
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

  private static func decoded(
    _ bytes: [UInt8], path: String
  ) throws -> (text: [UInt8], encoding: String?) {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return (Array(bytes[3...]), nil) }
    let isLittle = bytes.starts(with: [0xFF, 0xFE])
    guard isLittle || bytes.starts(with: [0xFE, 0xFF]) else { return (bytes, nil) }
    guard bytes.count.isMultiple(of: 2) else {
      throw DataError.truncated(
        path: path, expected: "UTF-16, whole units of 2 bytes", found: "\(bytes.count) bytes")
    }
    let units = stride(from: 2, to: bytes.count, by: 2).map { index in
      UInt16(bytes[index + (isLittle ? 1 : 0)]) << 8 | UInt16(bytes[index + (isLittle ? 0 : 1)])
    }
    var text: [UInt8] = []
    let isBroken = transcode(
      units.makeIterator(), from: UTF16.self, to: UTF8.self, stoppingOnError: true
    ) { text.append($0) }
    guard !isBroken else {
      throw DataError.malformed(
        path: path, expected: "UTF-16, as its byte order mark says", found: "half a surrogate pair")
    }
    return (text, "UTF-16")
  }
}
