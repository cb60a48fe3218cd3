/// How a text becomes tokens.
public enum Tokenization: String, CaseIterable, Codable, SettingValue {
  /// A token for each Unicode scalar.
  case characters
  /// A token for each byte.
  case bytes
}

/// What token numbers stand for.
///
///     let vocabulary = Vocabulary(characters: "to be or not to be")
///     try vocabulary.encode("robot")  // [5, 4, 1, 4, 6]
///     vocabulary.decode([1, 4, 6])  // "bot"
public enum Vocabulary: Hashable, Sendable {
  /// Unicode scalars, ascending and each once: token i is the i-th. Scalars and not what a reader
  /// takes for one character, so that every text has one alphabet and tokens decode one by one.
  case characters([Unicode.Scalar])
  /// The 256 values of a byte of UTF-8.
  case bytes
  /// So many numbers of a tokenizer that is not known here.
  case numbered(Int)

  /// Ids at or above this are refused: each token costs a row of weights.
  public static let maximumCount = 1 << 24

  /// The different characters of a text, sorted.
  public init(characters text: String) {
    self = .characters(Set(text.unicodeScalars).sorted())
  }

  /// Number of tokens.
  public var count: Int {
    switch self {
    case .characters(let scalars): scalars.count
    case .bytes: 256
    case .numbered(let count): count
    }
  }

  /// The tokens of a text. Where tokens are numbers alone, the text is a list of them, as `decode`
  /// writes it: `#12 #7` or `12 7`.
  ///
  /// - Throws: `DataError.notInVocabulary`, with the first character or number that has no token.
  public func encode(_ text: String) throws -> [Int] {
    switch self {
    case .bytes: return text.utf8.map { Int($0) }
    case .characters(let scalars):
      let tokens = Dictionary(uniqueKeysWithValues: zip(scalars, 0...))
      return try text.unicodeScalars.enumerated().map { position, scalar in
        guard let token = tokens[scalar] else {
          throw DataError.notInVocabulary(
            found: "character \(position + 1), \(Self.name(of: scalar))",
            expected: "one of the \(count) characters that were trained on: leave it out, or train "
              + "with --tokens bytes, which knows every text")
        }
        return token
      }
    case .numbered(let count):
      return try text.split(whereSeparator: \.isWhitespace).map { word in
        guard let token = Int(word.first == "#" ? word.dropFirst() : word),
          (0..<count).contains(token)
        else {
          throw DataError.notInVocabulary(
            found: DataError.quoted(String(word)),
            expected:
              "token numbers 0…\(count - 1) with spaces between them, as their tokenizer is "
              + "not known here")
        }
        return token
      }
    }
  }

  /// The text of tokens; traps where one is outside of 0..<count.
  ///
  /// Bytes that are no UTF-8, as where a character is cut, become U+FFFD. Of numbers alone,
  /// `#12 #7`.
  public func decode(_ tokens: [Int]) -> String {
    if let token = tokens.first(where: { !(0..<count).contains($0) }) {
      preconditionFailure("decode: token \(token), expected 0..<\(count)")
    }
    switch self {
    case .characters(let scalars):
      var text = String.UnicodeScalarView()
      text.append(contentsOf: tokens.lazy.map { scalars[$0] })
      return String(text)
    case .bytes: return String(decoding: tokens.map { UInt8($0) }, as: UTF8.self)
    case .numbered: return tokens.map { "#\($0)" }.joined(separator: " ")
    }
  }

  /// A scalar for a message: `"é" (U+00E9)`; the number alone of what is not printable.
  static func name(of scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    let number = "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    return scalar.isObeyed ? number : "\"\(scalar)\" (\(number))"
  }
}

/// As JSON `{"characters": " abc"}`, `{"bytes": 256}` or `{"numbered": 50257}`.
extension Vocabulary: Codable {
  private enum CodingKeys: String, CodingKey { case characters, bytes, numbered }

  /// Reads one of the three.
  ///
  /// - Throws: `DecodingError` where it is none, and where characters are not ascending.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard container.allKeys.count == 1, let key = container.allKeys.first else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "expected one of characters, bytes, numbered"))
    }
    func require(_ holds: Bool, _ expected: String) throws {
      if !holds {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: container, debugDescription: "expected \(expected)")
      }
    }
    switch key {
    case .characters:
      let scalars = Array(try container.decode(String.self, forKey: key).unicodeScalars)
      try require(
        !scalars.isEmpty && zip(scalars, scalars.dropFirst()).allSatisfy(<),
        "characters, ascending and each once")
      self = .characters(scalars)
    case .bytes:
      try require(try container.decode(Int.self, forKey: key) == 256, "256 bytes")
      self = .bytes
    case .numbered:
      let count = try container.decode(Int.self, forKey: key)
      try require((1...Self.maximumCount).contains(count), "1…\(Self.maximumCount) tokens")
      self = .numbered(count)
    }
  }

  /// Writes the one that it is.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .characters(let scalars):
      try container.encode(
        String(String.UnicodeScalarView(scalars)), forKey: .characters)
    case .bytes: try container.encode(count, forKey: .bytes)
    case .numbered(let count): try container.encode(count, forKey: .numbered)
    }
  }
}
