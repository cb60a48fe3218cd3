import Tensors

/// Texts as tokens: by character, or by byte.
enum TextTokens {
  /// What a text is to be, for errors.
  static let expected = "a text of at least 2 different characters"

  /// Tokens of a text, and of that which validates. Characters are those of both together.
  ///
  /// - Throws: `DataError`: `.malformed` for what is no UTF-8, `.empty`, `.unsupported` where there
  ///   is a single character.
  static func load(_ files: TokenFiles, _ tokenization: Tokenization) throws -> LoadedTokens {
    switch tokenization {
    case .characters: try characters(files)
    case .bytes: try bytes(files)
    }
  }

  // MARK: Bytes

  /// As they are in the file, of whatever encoding.
  private static func bytes(_ files: TokenFiles) throws -> LoadedTokens {
    func sequence(_ path: String, _ name: String) throws -> TokenSequence {
      let bytes = try DataFile.readInflating(path, expected: "a text")
      let tokens = DeviceRows.Tokens.narrow(bytes.map { UInt16($0) })
      return try TokenSequence(name: name, checked: tokens, vocabulary: .bytes, path: path)
    }
    return try LoadedTokens(
      train: sequence(files.train, files.name),
      validation: files.validation.map { try sequence($0, files.validationName) },
      notes: files.notes)
  }

  // MARK: Characters

  private static func characters(_ files: TokenFiles) throws -> LoadedTokens {
    let train = try CharacterText(path: files.train)
    let validation = try files.validation.map { try CharacterText(path: $0) }
    let alphabet = train.alphabet.union(validation?.alphabet ?? []).sorted()
    var notes = files.notes + train.notes + (validation?.notes ?? [])
    if let validation {
      let count = validation.alphabet.subtracting(train.alphabet).count
      if count > 0 {
        notes.append("\(count) of the characters to validate on are not in the training text")
      }
    }
    func sequence(_ text: CharacterText, _ name: String) throws -> TokenSequence {
      try TokenSequence(
        name: name, checked: text.tokens(alphabet), vocabulary: .characters(alphabet),
        path: text.path)
    }
    return try LoadedTokens(
      train: sequence(train, files.name),
      validation: validation.map { try sequence($0, files.validationName) }, notes: notes)
  }

  /// Whether the start of a file may be that of a text: UTF-8, or UTF-16 by its mark, without NUL,
  /// or gzip, which is not looked into.
  static func begins(_ path: String) -> Bool {
    guard let file = try? RandomAccessFile(path: path, expected: expected),
      let start = try? file.read(0..<min(1 << 16, file.byteCount))
    else { return false }
    if start.starts(with: Gzip.magic) { return true }
    // An even number of bytes, as UTF-16 has them; but for the file's end a scalar may be cut.
    guard let text = try? DecodedText(start, path: path) else { return false }
    guard let bad = UTF8Scalars.forEach(in: text.bytes, { _ in }) else { return true }
    return start.count < file.byteCount && bad > text.bytes.count - 4
  }
}

/// A file's text and the characters in it.
private struct CharacterText {
  let path: String
  let alphabet: Set<Unicode.Scalar>
  let notes: [String]
  private let bytes: [UInt8]

  init(path: String) throws {
    let name = DataLocation(standingForFile: path).name
    let text = try DecodedText(
      DataFile.readInflating(path, expected: TextTokens.expected), path: path)
    guard !text.bytes.isEmpty else {
      throw DataError.empty(path: path, expected: TextTokens.expected)
    }
    (self.path, bytes) = (path, text.bytes)
    notes =
      (text.hadMark ? ["the byte order mark of \(name) is left out"] : [])
      + (text.encoding.map { ["\(name) is \($0)"] } ?? [])
    // A set alone would look up every character.
    var occurs = [Bool](repeating: false, count: UTF8Scalars.limit)
    var alphabet: Set<Unicode.Scalar> = []
    let bad = occurs.withUnsafeMutableBufferPointer { occurs in
      UTF8Scalars.forEach(in: text.bytes) { scalar in
        guard !occurs[Int(scalar)] else { return }
        occurs[Int(scalar)] = true
        if let scalar = Unicode.Scalar(scalar) { alphabet.insert(scalar) }
      }
    }
    self.alphabet = alphabet
    if let bad {
      throw DataError.malformed(
        path: path, expected: "UTF-8, or --tokens bytes, which reads any text",
        found: "\(DataError.hex(text.bytes[bad..<min(bad + 4, text.bytes.count)])) at byte "
          + "\(bad + (text.hadMark ? 3 : 0)), in line \(DecodedText.line(of: bad, in: text.bytes))")
    }
  }

  /// The place of each character in `alphabet`, which has them all.
  func tokens(_ alphabet: [Unicode.Scalar]) -> DeviceRows.Tokens {
    .tokens(ofUTF8: bytes, alphabet)
  }
}

extension DeviceRows.Tokens {
  /// The place in `alphabet` of each scalar of a text; traps where it is not UTF-8, or has others.
  static func tokens(ofUTF8 text: [UInt8], _ alphabet: [Unicode.Scalar]) -> Self {
    var table = [UInt32](repeating: .max, count: UTF8Scalars.limit)
    for (token, scalar) in alphabet.enumerated() { table[Int(scalar.value)] = UInt32(token) }
    return table.withUnsafeBufferPointer { table in
      alphabet.count <= 1 << 16
        ? .narrow(tokens(text) { UInt16(table[Int($0)]) })
        : .wide(tokens(text) { table[Int($0)] })
    }
  }

  private static func tokens<Token>(
    _ text: [UInt8], _ token: (UInt32) -> Token
  ) -> [Token] {
    [Token](unsafeUninitializedCapacity: text.count) { tokens, count in
      let bad = UTF8Scalars.forEach(in: text) {
        tokens[count] = token($0)
        count += 1
      }
      precondition(bad == nil, "tokens: no UTF-8")
    }
  }
}

extension TokenSequence {
  /// Tokens of a file, of which there have to be two different ones.
  ///
  /// - Throws: `DataError.unsupported`.
  init(name: String, checked tokens: DeviceRows.Tokens, vocabulary: Vocabulary, path: String) throws
  {
    if let bounds = tokens.bounds, bounds.lowerBound == bounds.upperBound {
      throw DataError.unsupported(
        path: path, expected: "a text of at least 2 different tokens",
        found: "\(tokens.count) times the same")
    }
    self.init(name: name, storage: tokens, vocabulary: vocabulary)
  }
}

/// The Unicode scalars of UTF-8.
enum UTF8Scalars {
  /// Scalars are below this.
  static let limit = 0x11_0000

  /// Calls `body` with each scalar; where bytes are not UTF-8, stops and returns the first one's
  /// index.
  ///
  /// Ours, as the standard library does not say where.
  /// Source: The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences".
  static func forEach(in text: [UInt8], _ body: (UInt32) -> Void) -> Int? {
    text.withUnsafeBufferPointer { bytes in
      var position = 0
      while position < bytes.count {
        if bytes[position] < 0x80 {
          body(UInt32(bytes[position]))
          position += 1
        } else {
          guard let (scalar, width) = longScalar(bytes, at: position) else { return position }
          body(scalar)
          position += width
        }
      }
      return nil
    }
  }

  /// A scalar of two to four bytes: none longer than it has to be, no surrogate.
  private static func longScalar(
    _ bytes: UnsafeBufferPointer<UInt8>, at start: Int
  ) -> (scalar: UInt32, width: Int)? {
    let (width, smallest): (Int, UInt32)
    switch bytes[start] {
    case 0xC0..<0xE0: (width, smallest) = (2, 0x80)
    case 0xE0..<0xF0: (width, smallest) = (3, 0x800)
    case 0xF0..<0xF8: (width, smallest) = (4, 0x1_0000)
    default: return nil
    }
    guard start + width <= bytes.count else { return nil }
    var value = UInt32(bytes[start]) & (0x7F >> UInt32(width))
    for byte in bytes[(start + 1)..<(start + width)] {
      guard byte & 0xC0 == 0x80 else { return nil }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    return value >= smallest && Unicode.Scalar(value) != nil ? (value, width) : nil
  }
}
