import OpenCL
import Tensors

/// Tokens in the order of their text, held on the host.
///
///     let text = TokenSequence(
///       name: "abba", tokens: [0, 1, 1, 0] as [UInt16], vocabulary: Vocabulary(characters: "ab"))
public struct TokenSequence: Sendable {
  /// What the text is called in reports; not part of the fingerprint.
  public let name: String
  /// The tokens, [count], each in 0..<vocabulary.count; narrow where the vocabulary has at most 65,536.
  public let storage: DeviceRows.Tokens
  /// What the tokens stand for; not all need to occur.
  public let vocabulary: Vocabulary
  /// Bytes of UTF-8 that a token stands for, on average over this text, for a loss in bits per
  /// byte; nil where the tokenizer is not known.
  ///
  ///     bits per byte = loss per token / (ln 2 · bytesPerToken)
  public let bytesPerToken: Double?

  /// Takes tokens of 16 bits as they are; traps where one is not in the vocabulary.
  public init(name: String, tokens: [UInt16], vocabulary: Vocabulary) {
    self.init(name: name, storage: .narrow(tokens), vocabulary: vocabulary)
  }

  /// Takes tokens of 32 bits, stored in 16 where the vocabulary allows it; traps where one is not
  /// in the vocabulary.
  public init(name: String, tokens: [UInt32], vocabulary: Vocabulary) {
    self.init(name: name, storage: .wide(tokens), vocabulary: vocabulary)
  }

  init(name: String, storage: DeviceRows.Tokens, vocabulary: Vocabulary) {
    let largest = storage.bounds?.upperBound ?? 0
    precondition(
      Int(largest) < vocabulary.count,
      "TokenSequence: token \(largest), expected 0..<\(vocabulary.count)")
    self.name = name
    self.vocabulary = vocabulary
    self.storage = vocabulary.count <= 1 << 16 ? storage.narrowed : storage
    bytesPerToken = self.storage.bytesPerToken(vocabulary)
  }

  /// The same over the tokens at some positions; over all where there are none.
  func bytesPerToken(of positions: Range<Int>) -> Double? {
    positions.isEmpty ? bytesPerToken : storage[positions].bytesPerToken(vocabulary)
  }

  /// Number of tokens.
  public var count: Int { storage.count }

  /// The token at a position in 0..<count.
  public subscript(position: Int) -> Int {
    switch storage {
    case .narrow(let tokens): Int(tokens[position])
    case .wide(let tokens): Int(tokens[position])
    }
  }

  /// The tokens at positions within 0..<count, as a device takes them.
  public subscript(positions: Range<Int>) -> [UInt32] {
    switch storage {
    case .narrow(let tokens): tokens[positions].map { UInt32($0) }
    case .wide(let tokens): Array(tokens[positions])
    }
  }

  /// The text of tokens at positions within 0..<count.
  public func text(_ positions: Range<Int>) -> String {
    vocabulary.decode(self[positions].map { Int($0) })
  }

  /// FNV-1a 64 over the contents, 16 hex digits. Reads every token, so keep the result.
  ///     h ← (h ⊕ byte) · 0x100000001B3,  from 0xCBF29CE484222325
  /// Order: kind (0 characters, 1 bytes, 2 numbered), tokens of the vocabulary, count (64 bits
  /// each), the scalars of characters, the tokens (32 bits each), all little-endian. The name is
  /// left out.
  /// Source: Fowler, Noll, Vo, the FNV hash, draft-eastlake-fnv.
  public var fingerprint: String {
    var hash = FNV1a()
    let kind =
      switch vocabulary {
      case .characters: 0
      case .bytes: 1
      case .numbered: 2
      }
    hash.combine([kind, vocabulary.count, count].map { UInt64($0).littleEndian })
    if case .characters(let scalars) = vocabulary {
      hash.combine(scalars.map { $0.value.littleEndian })
    }
    // In pieces: all at once would take another copy of the tokens.
    for start in stride(from: 0, to: count, by: 1 << 16) {
      hash.combine(self[start..<min(start + 1 << 16, count)].map(\.littleEndian))
    }
    return hash.hexadecimal
  }
}

extension DeviceRows.Tokens {
  /// The smallest and the largest token; nil where there is none.
  var bounds: ClosedRange<UInt32>? {
    switch self {
    case .narrow(let tokens): Self.bounds(of: tokens)
    case .wide(let tokens): Self.bounds(of: tokens)
    }
  }

  /// A pointer walk: `min` and `max` are ten times slower in a debug build.
  private static func bounds<Token: BinaryInteger>(of tokens: [Token]) -> ClosedRange<UInt32>? {
    tokens.withUnsafeBufferPointer { tokens in
      guard var next = tokens.baseAddress, !tokens.isEmpty else { return nil }
      let end = next + tokens.count
      var (smallest, largest) = (next.pointee, next.pointee)
      while next < end {
        if next.pointee < smallest { smallest = next.pointee }
        if next.pointee > largest { largest = next.pointee }
        next += 1
      }
      return UInt32(smallest)...UInt32(largest)
    }
  }

  /// The same tokens, each below 65,536, in 16 bits.
  fileprivate var narrowed: Self {
    switch self {
    case .narrow: self
    case .wide(let tokens): .narrow(tokens.map { UInt16($0) })
    }
  }

  /// Mean bytes of UTF-8 of these tokens; nil where the vocabulary does not say, or there are none.
  fileprivate func bytesPerToken(_ vocabulary: Vocabulary) -> Double? {
    switch vocabulary {
    case .bytes: return 1
    case .numbered: return nil
    case .characters(let scalars):
      guard count > 0 else { return nil }
      let widths = scalars.map { UTF8.width($0) }
      if widths.allSatisfy({ $0 == 1 }) { return 1 }
      let total =
        switch self {
        case .narrow(let tokens): tokens.reduce(0) { $0 + widths[Int($1)] }
        case .wide(let tokens): tokens.reduce(0) { $0 + widths[Int($1)] }
        }
      return Double(total) / Double(count)
    }
  }
}
