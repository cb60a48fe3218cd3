/// Reads JSON that may be hostile.
///
/// Beyond RFC 8259 it refuses what readers disagree about: a key given twice in one object,
/// invalid UTF-8, half a surrogate pair. Depth, and the length of an array, are bounded.
struct StrictJSON {
  /// Deepest nesting of arrays and objects.
  static let maximumDepth = 32
  /// Most elements of one array.
  static let maximumElements = 1 << 16

  private let bytes: [UInt8]
  private var position = 0
  private let path: String
  /// What is read, at the head of errors: "safetensors header".
  private let subject: String
  /// The members that were asked for.
  private var kept: [(name: String, value: JSONValue)]?

  /// The value that `bytes` hold; spaces around it are fine.
  ///
  /// - Throws: `DataError.malformed`, with the byte where it stops making sense.
  static func parse(_ bytes: [UInt8], path: String, subject: String) throws -> JSONValue {
    var parser = Self(bytes: bytes, path: path, subject: subject)
    let value = try parser.value(depth: 0)
    guard parser.next() == nil else { throw parser.failure("the end") }
    return value
  }

  /// The members of the object that `bytes` hold, or of the object that is its member `key`, in their order;
  /// nil where that is no object.
  ///
  /// Names that are written differently are different ones, whatever Unicode takes for equivalent.
  /// - Throws: `DataError.malformed`.
  static func members(
    of key: String? = nil, in bytes: [UInt8], path: String, subject: String
  ) throws -> [(name: String, value: JSONValue)]? {
    var parser = Self(bytes: bytes, path: path, subject: subject)
    guard parser.next() == "{" else {
      _ = try parser.value(depth: 0)
      return nil
    }
    let members = try parser.object(depth: 0, keeping: key)
    guard parser.next() == nil else { throw parser.failure("the end") }
    return key == nil ? members : parser.kept
  }

  private init(bytes: [UInt8], path: String, subject: String) {
    self.bytes = bytes
    self.path = path
    self.subject = subject
  }

  private mutating func value(depth: Int) throws -> JSONValue {
    guard depth <= Self.maximumDepth else {
      throw failure("at most \(Self.maximumDepth) levels")
    }
    switch next() {
    case "{":
      let start = position
      let members = try object(depth: depth)
      return .object(
        try Dictionary(members.map { ($0.name, $0.value) }) { _, _ in
          throw DataError.malformed(
            path: path, expected: "\(subject): names that are not the same text",
            found: "such names in the object at byte \(start)")
        })
    case "[": return .array(try array(depth: depth))
    case "\"": return .string(try string())
    case "t": return try word("true", .bool(true))
    case "f": return try word("false", .bool(false))
    case "n": return try word("null", .null)
    default: return try number()
    }
  }

  /// - keeping: the member, an object, whose own members `kept` takes.
  private mutating func object(
    depth: Int, keeping keptName: String? = nil
  ) throws -> [(name: String, value: JSONValue)] {
    var members: [(name: String, value: JSONValue)] = []
    var names: Set<ExactName> = []
    position += 1
    if next() == "}" {
      position += 1
      return members
    }
    while true {
      guard next() == "\"" else { throw failure("a key in quotes") }
      let start = position
      let key = try string()
      try expect(":")
      if key == keptName, next() == "{" {
        kept = try object(depth: depth + 1)
      } else {
        members.append((key, try value(depth: depth + 1)))
      }
      guard names.insert(ExactName(key)).inserted else {
        throw DataError.malformed(
          path: path, expected: "\(subject): each name once",
          found: "\(DataError.quoted(key)) again at byte \(start)")
      }
      if next() == "," {
        position += 1
      } else {
        try expect("}")
        return members
      }
    }
  }

  private mutating func array(depth: Int) throws -> [JSONValue] {
    var elements: [JSONValue] = []
    position += 1
    if next() == "]" {
      position += 1
      return elements
    }
    while true {
      guard elements.count < Self.maximumElements else {
        throw failure("at most \(Self.maximumElements) elements in an array")
      }
      elements.append(try value(depth: depth + 1))
      if next() == "," {
        position += 1
      } else {
        try expect("]")
        return elements
      }
    }
  }

  /// An integer where the text has neither fraction nor exponent and fits Int, else a Double.
  private mutating func number() throws -> JSONValue {
    let start = position
    if peek == "-" { position += 1 }
    let whole = digits()
    guard whole > 0, whole == 1 || bytes[position - whole] != 0x30 else {
      position = start
      throw failure("a value")
    }
    var isInteger = true
    if peek == "." {
      isInteger = false
      position += 1
      guard digits() > 0 else { throw failure("digits after the point") }
    }
    if peek == "e" || peek == "E" {
      isInteger = false
      position += 1
      if peek == "+" || peek == "-" { position += 1 }
      guard digits() > 0 else { throw failure("digits of an exponent") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let integer = Int(text) { return .integer(integer) }
    guard let number = Double(text), number.isFinite else {
      position = start
      throw failure("a number within a Double's range")
    }
    return .number(number)
  }

  private mutating func digits() -> Int {
    let start = position
    while let byte = peek, ("0"..."9").contains(byte) { position += 1 }
    return position - start
  }

  private mutating func string() throws -> String {
    position += 1
    var text = ""
    while true {
      let start = position
      while position < bytes.count, bytes[position] != 0x22, bytes[position] != 0x5C,
        bytes[position] >= 0x20
      {
        position += 1
      }
      let run = String(decoding: bytes[start..<position], as: UTF8.self)
      // Decoding repairs what is invalid, so that the bytes then differ.
      guard run.utf8.elementsEqual(bytes[start..<position]) else {
        position = start
        throw failure("text in UTF-8")
      }
      text += run
      switch peek {
      case "\"":
        position += 1
        return text
      case "\\":
        position += 1
        text.unicodeScalars.append(try escape())
      case nil: throw failure("a closing quote")
      default: throw failure("no control character in a string")
      }
    }
  }

  private mutating func escape() throws -> Unicode.Scalar {
    let escapes: [Unicode.Scalar: Unicode.Scalar] = [
      "\"": "\"", "\\": "\\", "/": "/", "b": "\u{8}", "f": "\u{C}", "n": "\n", "r": "\r",
      "t": "\t",
    ]
    guard let letter = peek else { throw failure("an escape") }
    position += 1
    if let scalar = escapes[letter] { return scalar }
    guard letter == "u" else { throw failure("an escape") }
    let unit = try codeUnit()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    // Above the basic plane: a high and a low surrogate.
    guard unit < 0xDC00, peek == "\\" else { throw failure("a surrogate pair") }
    position += 1
    guard peek == "u" else { throw failure("a surrogate pair") }
    position += 1
    let low = try codeUnit()
    guard (0xDC00...0xDFFF).contains(low) else { throw failure("a surrogate pair") }
    return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))!
  }

  private mutating func codeUnit() throws -> UInt32 {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
      let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw failure("four hexadecimal digits") }
    position += 4
    return unit
  }

  private mutating func word(_ word: String, _ value: JSONValue) throws -> JSONValue {
    guard bytes[position...].starts(with: word.utf8) else { throw failure("a value") }
    position += word.utf8.count
    return value
  }

  private mutating func expect(_ character: Unicode.Scalar) throws {
    guard next() == character else { throw failure("\"\(character)\"") }
    position += 1
  }

  /// The next character that is no space.
  private mutating func next() -> Unicode.Scalar? {
    while let byte = peek, byte == " " || byte == "\n" || byte == "\t" || byte == "\r" {
      position += 1
    }
    return peek
  }

  private var peek: Unicode.Scalar? {
    position < bytes.count ? Unicode.Scalar(bytes[position]) : nil
  }

  private func failure(_ expected: String) -> DataError {
    let rest = String(decoding: bytes[min(position, bytes.count)...].prefix(30), as: UTF8.self)
    return .malformed(
      path: path, expected: "\(subject): JSON, \(expected) at byte \(position)",
      found: rest.isEmpty ? "the end" : DataError.quoted(rest))
  }
}
