/// The header of an NPY file: element type, order and shape.
/// Source: NumPy, numpy/lib/format.py, "Format Version 1.0" to "3.0".
struct NPYHeader: Equatable {
  /// Element type as NumPy writes it, such as "<f4".
  let type: String
  let fortranOrder: Bool
  let shape: [Int]
  /// Where the values start.
  let dataOffset: Int

  static let magic: [UInt8] = [0x93] + "NUMPY".utf8

  /// Longest header read, 1 MiB; NumPy's own hold some hundred bytes.
  static let maximumBytes = 1 << 20

  /// Reads the header at the start of `source`, and no more than that of it.
  /// - Throws: as the other, and what reading throws.
  init(_ source: any ByteSource, path: String) throws {
    let start = try source.read(0..<min(12, source.byteCount))
    guard start.count == 12, start.starts(with: Self.magic) else {
      try self.init(start, path: path)
      return
    }
    let length = start.unsigned(at: 8, width: start[6] == 1 ? 2 : 4)
    guard length <= Self.maximumBytes else {
      throw DataError.malformed(
        path: path, expected: "an NPY header of at most \(Self.maximumBytes) bytes",
        found: "a length of \(length)")
    }
    try self.init(source.read(0..<min(12 + Int(length), source.byteCount)), path: path)
  }

  /// Reads the header at the start of a file.
  /// - Throws: `DataError.truncated`, `.wrongMagic`, `.unsupported`, `.malformed`.
  init(_ bytes: [UInt8], path: String) throws {
    guard bytes.count >= 10 else {
      throw DataError.truncated(
        path: path, expected: "an NPY header of at least 10 bytes", found: "\(bytes.count) bytes")
    }
    guard bytes.starts(with: Self.magic) else {
      throw DataError.wrongMagic(
        path: path, expected: "NPY, \(DataError.hex(Self.magic))",
        found: DataError.hex(bytes.prefix(Self.magic.count)))
    }
    let (major, minor) = (bytes[6], bytes[7])
    guard (1...3).contains(major), minor == 0 else {
      throw DataError.unsupported(
        path: path, expected: "NPY version 1.0, 2.0 or 3.0", found: "\(major).\(minor)")
    }
    // The length of the dictionary: 16 bits in version 1.0, else 32, little-endian.
    let start = major == 1 ? 10 : 12
    guard bytes.count >= start else {
      throw DataError.truncated(
        path: path, expected: "an NPY header of at least \(start) bytes",
        found: "\(bytes.count) bytes")
    }
    let length = bytes[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard bytes.count - start >= length else {
      throw DataError.truncated(
        path: path, expected: "an NPY header of \(start + length) bytes",
        found: "\(bytes.count) bytes")
    }
    var parser = Parser(bytes: bytes[start..<(start + length)], path: path)
    (type, fortranOrder, shape) = try parser.dictionary()
    dataOffset = start + length
  }
}

/// What a value is, by NumPy's letter, its bytes and their order.
/// Source: NumPy, "The array interface protocol", typestr.
struct NPYElementType: Equatable {
  let kind: Character
  /// Bytes of a value.
  let width: Int
  let bigEndian: Bool

  /// Reads what NumPy writes, such as "<f4"; nil where it is none of its types, or Python objects.
  init?(_ text: String) {
    let letters = Array(text)
    guard letters.count >= 3, "<>|=".contains(letters[0]), "biufcmMSUV".contains(letters[1]),
      let length = Int(
        String(letters[2...].prefix(9).prefix { $0.isASCII && $0.isWholeNumber }))
    else { return nil }
    kind = letters[1]
    width = kind == "U" ? 4 * length : length
    bigEndian = letters[0] == ">"
  }

  /// Whether it is an integer, a truth value or a floating-point number of up to 64 bits.
  var isReal: Bool {
    let widths: [Character: [Int]] = [
      "b": [1], "u": [1, 2, 4, 8], "i": [1, 2, 4, 8], "f": [2, 4, 8],
    ]
    return widths[kind]?.contains(width) == true
  }

  /// A type that is not read, in words.
  static func found(_ text: String) -> String {
    text.dropFirst().first == "O"
      ? "pickled Python objects, which are not opened: they can run code" : DataError.quoted(text)
  }
}

/// The Python dictionary of the header; just what NumPy writes: quoted strings, True or False, and
/// a tuple of integers, of Python 2's long ones too.
private struct Parser {
  var bytes: ArraySlice<UInt8>
  let path: String

  mutating func dictionary() throws -> (type: String, fortranOrder: Bool, shape: [Int]) {
    var type: String?
    var fortranOrder: Bool?
    var shape: [Int]?
    var seen: Set<String> = []
    try expect("{")
    while !take("}") {
      let key = try string()
      try expect(":")
      guard seen.insert(key).inserted else {
        throw malformed("each key once", "\(DataError.quoted(key)) again")
      }
      switch key {
      case "descr":
        guard peek() != "[" else {
          throw DataError.unsupported(
            path: path, expected: "one element type", found: "a structure of several")
        }
        type = try string()
      case "fortran_order": fortranOrder = try boolean()
      case "shape": shape = try tuple()
      default: throw malformed("keys descr, fortran_order and shape", DataError.quoted(key))
      }
      if !take(",") {
        try expect("}")
        break
      }
    }
    guard let type, let fortranOrder, let shape else {
      throw malformed("keys descr, fortran_order and shape", "fewer")
    }
    guard peek() == nil else { throw malformed("spaces after the dictionary", rest) }
    return (type, fortranOrder, shape)
  }

  private mutating func string() throws -> String {
    guard let quote = peek(), quote == "'" || quote == "\"" else {
      throw malformed("a quoted string", rest)
    }
    bytes.removeFirst()
    guard let end = bytes.firstIndex(of: quote.value8) else {
      throw malformed("a closing quote", "none")
    }
    defer { bytes = bytes[(end + 1)...] }
    return String(decoding: bytes[..<end], as: UTF8.self)
  }

  private mutating func boolean() throws -> Bool {
    if takeWord("True") { return true }
    if takeWord("False") { return false }
    throw malformed("True or False", rest)
  }

  private mutating func tuple() throws -> [Int] {
    var sizes: [Int] = []
    try expect("(")
    while !take(")") {
      _ = peek()  // past spaces
      let digits = bytes.prefix { (0x30...0x39).contains($0) }
      guard let size = Int(String(decoding: digits, as: UTF8.self)) else {
        throw malformed("a size that fits 64 bits", rest)
      }
      bytes = bytes[digits.endIndex...]
      // Python 2 wrote its long integers as 10L.
      _ = takeWord("L")
      sizes.append(size)
      if !take(",") {
        try expect(")")
        break
      }
    }
    return sizes
  }

  /// The next character that is no space.
  private mutating func peek() -> Unicode.Scalar? {
    bytes = bytes.drop { $0 == 0x20 || $0 == 0x0A || $0 == 0x09 || $0 == 0x0D }
    return bytes.first.map { Unicode.Scalar($0) }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek() == character else { return false }
    bytes.removeFirst()
    return true
  }

  private mutating func takeWord(_ word: String) -> Bool {
    _ = peek()
    guard bytes.starts(with: word.utf8) else { return false }
    bytes.removeFirst(word.utf8.count)
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws {
    guard take(character) else { throw malformed("\"\(character)\"", rest) }
  }

  private var rest: String {
    bytes.isEmpty ? "the end" : DataError.quoted(String(decoding: bytes.prefix(60), as: UTF8.self))
  }

  private func malformed(_ expected: String, _ found: String) -> DataError {
    .malformed(path: path, expected: "NPY header: \(expected)", found: found)
  }
}

extension Unicode.Scalar {
  /// The scalar as one byte; only for ASCII.
  fileprivate var value8: UInt8 { UInt8(value) }
}
