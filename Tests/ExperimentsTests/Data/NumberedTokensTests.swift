import Foundation
import Testing

@testable import Experiments

@Suite struct NumberedTokensTests {
  /// A file of llm.c: 256 words of header, then tokens.
  private func llmC(
    magic: Int32 = 20_240_520, version: Int32 = 1, count: Int32, _ tokens: [UInt8]
  ) -> [UInt8] {
    raw([magic, version, count] + [Int32](repeating: 0, count: 253)) + tokens
  }

  private func train(_ name: String, _ bytes: [UInt8]) throws -> TokenSequence {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, bytes)
    #expect(LoadedTokens.recognizes(path: path))
    return try LoadedTokens.load(path: path).train
  }

  private func error(_ name: String, _ bytes: [UInt8]) throws -> String {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, bytes)
    return try tokenError(path).replacing(path + ": ", with: "")
  }

  // MARK: Formats

  @Test func bin_isWordsOf16Bits() throws {
    let tokens = try train("a.bin", [1, 0, 0x50, 0xC3, 255, 255])
    #expect(tokens[0..<3] == [1, 50_000, 65_535] && tokens.vocabulary == .numbered(65_536))
    #expect(tokens.bytesPerToken == nil)
  }

  @Test func bin_isReadInPieces() throws {
    // 6 bytes more than a piece.
    var bytes = [UInt8](repeating: 0, count: 1 << 24 + 6)
    for (index, byte) in [1, 2, 3, 4, 5, 6, 7, 8].enumerated() {
      bytes[1 << 24 - 2 + index] = UInt8(byte)
    }
    let tokens = try train("a.bin", bytes)
    #expect(tokens.count == 1 << 23 + 3)
    #expect(tokens[(1 << 23 - 2)..<tokens.count] == [0, 0x0201, 0x0403, 0x0605, 0x0807])
  }

  @Test func bin_partsShareAVocabulary() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("tiny_train.bin", raw([1, 2, 3] as [UInt16]))
    try folder.write("tiny_val.bin", raw([4, 9] as [UInt16]))
    try folder.write("meta.pkl", [0])
    for path in [path, folder.path] {
      let loaded = try LoadedTokens.load(path: path)
      #expect(loaded.train[0..<3] == [1, 2, 3] && loaded.validation?[0..<2] == [4, 9])
      #expect(loaded.vocabulary == .numbered(10))
      #expect(
        loaded.notes == [
          "token numbers 0…9, of a tokenizer that is not known here: samples are numbers"
        ])
      #expect(LoadedTokens.recognizes(path: path))
    }
  }

  @Test func bin_headersOfLLMC() throws {
    let narrow = try train("a.bin", llmC(count: 2, raw([7, 50_256] as [UInt16])))
    #expect(narrow[0..<2] == [7, 50_256] && narrow.vocabulary == .numbered(50_257))
    let wide = try train(
      "a.bin",
      llmC(magic: 20_240_801, version: 7, count: 2, raw([7, 128_000] as [UInt32])))
    #expect(wide[0..<2] == [7, 128_000] && wide.vocabulary == .numbered(128_001))
  }

  @Test func bin_partOfSmallNumbersBesideLargeOnes() throws {
    // Of one vocabulary, though the training part alone would be stored in 16 bits.
    let folder = try TemporaryFolder()
    func file(_ tokens: [UInt32]) -> [UInt8] {
      llmC(magic: 20_240_801, version: 7, count: Int32(tokens.count), raw(tokens))
    }
    let path = try folder.write("train.bin", file([1, 2]))
    try folder.write("val.bin", file([70_000, 2]))
    let loaded = try LoadedTokens.load(path: path)
    #expect(loaded.vocabulary == .numbered(70_001))
    #expect(loaded.train[0..<2] == [1, 2] && loaded.validation?[0..<2] == [70_000, 2])
  }

  @Test func npy_everyIntegerTypeLoads() throws {
    let types: [(String, [UInt8])] = [
      ("|u1", raw([1, 0, 9] as [UInt8])), ("|i1", raw([1, 0, 9] as [Int8])),
      ("<u2", raw([1, 0, 9] as [UInt16])), (">u2", [0, 1, 0, 0, 0, 9]),
      ("<i4", raw([1, 0, 9] as [Int32])), ("<u4", raw([1, 0, 9] as [UInt32])),
      ("<i8", raw([1, 0, 9] as [Int64])), ("<u8", raw([1, 0, 9] as [UInt64])),
    ]
    for (type, values) in types {
      let tokens = try train("train.npy", npy(type, [3], values))
      #expect(tokens[0..<3] == [1, 0, 9] && tokens.vocabulary == .numbered(10), "\(type)")
    }
  }

  @Test func fingerprint_isThatOfTheTokens() throws {
    let tokens = [UInt16](0..<100)
    let forms = [
      try train("a.bin", raw(tokens)), try train("a.bin", llmC(count: 100, raw(tokens))),
      try train("a.npy", npy("<i8", [100], raw(tokens.map { Int64($0) }))),
    ]
    #expect(Set(forms.map(\.fingerprint)).count == 1)
  }

  // MARK: Images of the same ending

  @Test func cifar_isLeftToItsFormat() throws {
    let folder = try TemporaryFolder()
    let records = (0..<10).flatMap { [UInt8($0)] + [UInt8](repeating: 200, count: 3072) }
    for name in ["data_batch_1.bin", "test_batch.bin", "other.bin"] {
      let path = try folder.write(name, records)
      #expect(!LoadedTokens.recognizes(path: path))
      #expect(try tokenError(path).hasSuffix("found rows of features"))
    }
    // By its name alone.
    #expect(!LoadedTokens.recognizes(path: try folder.write("data_batch_2.bin", [0, 1])))
    #expect(!LoadedTokens.recognizes(path: folder.path))
    let hundred = try TemporaryFolder()
    let fine = (0..<6).flatMap { [0, UInt8($0) + 90] + [UInt8](repeating: 200, count: 3072) }
    let path = try hundred.write("train.bin", fine)
    #expect(!LoadedTokens.recognizes(path: path) && !LoadedTokens.recognizes(path: hundred.path))
    #expect(try DataSet.load(path: hundred.path).train.classes == 100)
  }

  @Test func cifar_sizeAloneIsNoRecord() throws {
    // As long as two records of CIFAR-10, with "labels" of 50 and more.
    let tokens = [UInt8](repeating: 50, count: 6145) + [51]
    #expect(try train("train.bin", tokens).count == 3073)
  }

  // MARK: Errors

  @Test func error_linesNameFileExpectedFound() throws {
    #expect(try error("a.bin", []) == "empty; expected token numbers of 16 bits")
    #expect(
      try error("a.bin", [1, 0, 2])
        == "truncated: expected whole tokens of 2 bytes, found 3 bytes, 1 "
        + "after the last whole token")
    #expect(
      try error("a.bin", [3, 0, 3, 0])
        == "unsupported: expected a text of at least 2 different tokens, found 2 times the same")
    #expect(
      try error("a.bin", raw([20_240_520, 1] as [Int32]))
        == "truncated: expected a header of llm.c, 1024 bytes, found 8 bytes")
    #expect(
      try error("a.bin", llmC(version: 2, count: 1, [1, 0]))
        == "unsupported: expected GPT-2 tokens of llm.c, version 1, found version 2")
    #expect(
      try error("a.bin", llmC(count: 3, [1, 0]))
        == "truncated: expected 6 bytes of values for shape [3], found 2")
    #expect(
      try error("a.bin", llmC(count: 1, [1, 0, 2, 0]))
        == "malformed: expected 2 bytes of values for shape [1], found 4")
    #expect(
      try error("a.bin", llmC(count: 0, [])) == "empty; expected token numbers after the header")
    #expect(
      try error("a.bin", llmC(magic: 20_240_522, count: 1, [1, 0]))
        == "unsupported: expected tokens of a text, found an evaluation of llm.c")
    #expect(
      try error(
        "a.bin",
        llmC(
          magic: 20_240_801, version: 7, count: 2, raw([1, 1 << 24] as [UInt32])))
        == "token 2: out of range: expected 0…16777215, found 16777216")
  }

  @Test func error_ofArrays() throws {
    #expect(
      try error("a.npy", npy("<i4", [3], raw([5, -1, 2] as [Int32])))
        == "token 2: out of range: expected 0…16777215, found -1")
    #expect(
      try error("a.npy", npy("<u8", [2], raw([5, UInt64.max])))
        == "token 2: out of range: expected 0…16777215, found \(UInt64.max)")
    #expect(
      try error("a.npy", npy("<i4", [1, 2], raw([5, 1] as [Int32])))
        == "unsupported: expected token numbers: integers of shape [count], found shape [1, 2]")
    #expect(
      try error("a.npy", npy("<f4", [2], raw([5, 1] as [Float])))
        == "unsupported: expected token numbers: integers of shape [count], found numbers "
        + "that are not integers")
    #expect(try error("a.npy", []) == "empty; expected an NPY array of token numbers")
    let folder = try TemporaryFolder()
    let rows = try folder.write("x.npy", npy("<i4", [1, 2], raw([5, 1] as [Int32])))
    #expect(!LoadedTokens.recognizes(path: rows))
  }

  @Test func error_pathsOfDirectories() throws {
    let folder = try TemporaryFolder()
    let path = try folder.makeFolder("train.bin")
    #expect(try tokenError(folder.path) == "\(path): unreadable: expected a regular file")
  }
}
