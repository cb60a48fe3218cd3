import Testing

@testable import Experiments

@Suite struct TokenSequenceTests {
  private let small = TokenSequence(
    name: "small", tokens: [0, 1, 1, 2] as [UInt16], vocabulary: Vocabulary(characters: "abé"))

  @Test func tokens_areReadByPosition() {
    #expect(small.count == 4 && small[3] == 2)
    #expect(small[1..<4] == [1, 1, 2])
    #expect(small.text(0..<4) == "abbé")
    let large = TokenSequence(
      name: "large", tokens: [70_000, 3] as [UInt32], vocabulary: .numbered(70_001))
    #expect(large.count == 2 && large[0] == 70_000 && large[0..<1] == [70_000])
    #expect(large.text(0..<2) == "#70000 #3")
  }

  @Test func storage_isNarrowWhereTheVocabularyAllows() {
    func isNarrow(_ count: Int) -> Bool {
      let tokens = TokenSequence(
        name: "", tokens: [1, 0] as [UInt32], vocabulary: .numbered(count))
      return if case .narrow = tokens.storage { true } else { false }
    }
    #expect(isNarrow(65_536) && !isNarrow(65_537))
  }

  @Test func bytesPerToken_isTheTextsMean() {
    #expect(small.bytesPerToken == 5.0 / 4)
    let tokens: [UInt16] = [0, 1]
    #expect(TokenSequence(name: "", tokens: tokens, vocabulary: .bytes).bytesPerToken == 1)
    #expect(TokenSequence(name: "", tokens: tokens, vocabulary: .numbered(2)).bytesPerToken == nil)
  }

  @Test func fingerprint_isFNV1aOfContents() {
    // The loop over the documented byte order, written out.
    var bytes: [UInt8] = []
    for number in [UInt64(0), 3, 4] { bytes += (0..<8).map { UInt8(number >> (8 * $0) & 255) } }
    for number in [UInt32(0x61), 0x62, 0xE9, 0, 1, 1, 2] {
      bytes += (0..<4).map { UInt8(number >> (8 * $0) & 255) }
    }
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    #expect(small.fingerprint.drop { $0 == "0" } == String(hash, radix: 16))
    #expect(small.fingerprint.count == 16)
  }

  @Test func fingerprint_followsContentsNotNameOrStorage() {
    func variant(
      _ name: String = "small", _ tokens: [UInt32] = [0, 1, 1, 2],
      _ vocabulary: Vocabulary = Vocabulary(characters: "abé")
    ) -> String {
      TokenSequence(name: name, tokens: tokens, vocabulary: vocabulary).fingerprint
    }
    #expect(variant("other") == small.fingerprint)
    let others = [
      small.fingerprint, variant("", [0, 1, 1, 1]), variant("", [0, 1, 1, 2, 0]),
      variant("", [0, 1, 1, 2], .bytes), variant("", [0, 1, 1, 2], .numbered(3)),
      variant("", [0, 1, 1, 2], .numbered(4)),
      variant("", [0, 1, 1, 2], Vocabulary(characters: "abc")),
    ]
    #expect(Set(others).count == others.count)
  }

  @Test func fingerprint_joinsPieces() {
    // Longer than a piece of those that are hashed at once, by a prime.
    let count = 1 << 16 + 7
    let tokens = (0..<count).map { UInt16($0 % 251) }
    let whole = TokenSequence(name: "", tokens: tokens, vocabulary: .bytes)
    let other = TokenSequence(
      name: "", tokens: tokens.dropLast() + [tokens[count - 1] ^ 1], vocabulary: .bytes)
    #expect(whole.count == count && whole.fingerprint != other.fingerprint)
  }
}

@Suite struct TokenSplitTests {
  private func tokens(_ count: Int, name: String = "text") -> TokenSequence {
    TokenSequence(
      name: name, tokens: (0..<count).map { UInt16($0 % 2) }, vocabulary: .numbered(2))
  }

  @Test(arguments: [4, 5, 10, 97, 1000]) func split_endValidates(count: Int) throws {
    let split = try LoadedTokens(train: tokens(count)).split()
    let held = max(2, Int((0.1 * Double(count)).rounded()))
    #expect(split == TokenSplit(train: 0..<(count - held), validation: (count - held)..<count))
  }

  @Test func split_leavesAWindowOnEachSide() throws {
    let loaded = LoadedTokens(train: tokens(20))
    #expect(try loaded.split(validationFraction: 0.99, window: 9).train == 0..<9)
    #expect(try loaded.split(validationFraction: 0.01, window: 9).validation == 11..<20)
    #expect(try loaded.split(validationFraction: 0, window: 20).train == 0..<20)
    #expect(try loaded.split(validationFraction: 0, window: 20).validation.isEmpty)
    #expect(throws: DataError.tooFewTokens(name: "text", expected: 22, found: 20)) {
      try loaded.split(window: 11)
    }
    #expect(throws: DataError.tooFewTokens(name: "text", expected: 21, found: 20)) {
      try loaded.split(validationFraction: 0, window: 21)
    }
    #expect(
      DataError.tooFewTokens(name: "text", expected: 21, found: 20).description
        == "text: expected at least 21 tokens, so that every part has a window, found 20")
  }

  @Test func split_usesValidationTokensWhereGiven() throws {
    let loaded = LoadedTokens(train: tokens(30), validation: tokens(7, name: "held out"))
    #expect(
      try loaded.split(validationFraction: 0.5) == TokenSplit(train: 0..<30, validation: 0..<7))
    #expect(loaded.validationSource.name == "held out")
    #expect(throws: DataError.tooFewTokens(name: "held out", expected: 8, found: 7)) {
      try loaded.split(window: 8)
    }
  }
}
