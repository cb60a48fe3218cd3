import Foundation
import Testing

@testable import Experiments

/// The error of loading tokens; empty where they load. Errors of other types fail the caller.
func tokenError(_ path: String, _ tokenization: Tokenization? = nil) throws -> String {
  do {
    _ = try LoadedTokens.load(path: path, tokenization)
    return ""
  } catch let error as DataError {
    return error.description
  }
}

@Suite struct TextTokensTests {
  private let text = "to be or not to be: naïve\n"

  @Test(arguments: ["a.txt", "a.text", "a.md", "README", "wiki.raw", "a.TXT"])
  func text_ofAnyNameLoadsByCharacter(name: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, text: text)
    let loaded = try LoadedTokens.load(path: path)
    #expect(loaded.train.text(0..<loaded.train.count) == text)
    #expect(loaded.vocabulary == Vocabulary(characters: text))
    #expect(loaded.train.name == name && loaded.validation == nil && loaded.notes == [])
    #expect(loaded.train.bytesPerToken == Double(text.utf8.count) / Double(text.count))
    #expect(LoadedTokens.recognizes(path: path))
  }

  @Test func text_byBytes() throws {
    let folder = try TemporaryFolder()
    // Latin-1 and NUL are bytes too.
    let path = try folder.write("a.txt", [0xEF, 0x00, 0x61])
    let loaded = try LoadedTokens.load(path: path, .bytes)
    #expect(loaded.train[0..<3] == [0xEF, 0, 0x61] && loaded.vocabulary == .bytes)
    #expect(loaded.train.bytesPerToken == 1)
  }

  @Test func text_everyWidthOfCharacterLoads() throws {
    let folder = try TemporaryFolder()
    let text = "a\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}e\u{301}\r\n"
    let path = try folder.write("a.txt", text: text)
    let train = try LoadedTokens.load(path: path).train
    #expect(train.count == 14 && train.vocabulary.count == 14)
    #expect(Array(train.text(0..<14).utf8) == Array(text.utf8))
  }

  @Test func text_ofManyCharactersIsWide() throws {
    let folder = try TemporaryFolder()
    let scalars = (0...65_536).compactMap { Unicode.Scalar(0x1_0000 + $0) }
    let text = String(String.UnicodeScalarView(scalars.reversed()))
    let train = try LoadedTokens.load(path: folder.write("a.txt", text: text)).train
    #expect(train.vocabulary == .characters(scalars) && train.count == 65_537)
    #expect(train[0] == 65_536 && train[65_536] == 0 && train.bytesPerToken == 4)
  }

  /// Bytes by Python: gzip.compress(b"to be", mtime=0).
  @Test func text_gzipIsInflated() throws {
    let folder = try TemporaryFolder()
    let gzip: [UInt8] = [
      0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xFF, 0x2B, 0xC9, 0x57, 0x48, 0x4A,
      0x05, 0x00, 0x55, 0x8C, 0x6B, 0xFB, 0x05, 0x00, 0x00, 0x00,
    ]
    for name in ["a.txt.gz", "a.txt", "a.gz"] {
      let path = try folder.write(name, gzip)
      let train = try LoadedTokens.load(path: path).train
      #expect(train.text(0..<train.count) == "to be")
      #expect(LoadedTokens.recognizes(path: path))
    }
  }

  @Test func text_marksAreLeftOutAndSaid() throws {
    let folder = try TemporaryFolder()
    let utf8 = try folder.write("a.txt", [0xEF, 0xBB, 0xBF] + Array("ab".utf8))
    let loaded = try LoadedTokens.load(path: utf8)
    #expect(loaded.train.text(0..<2) == "ab")
    #expect(loaded.notes == ["the byte order mark of a.txt is left out"])
    let utf16 = try folder.write("b.txt", [0xFF, 0xFE, 0x61, 0, 0xE9, 0])
    #expect(try LoadedTokens.load(path: utf16).train.text(0..<2) == "aé")
    #expect(try LoadedTokens.load(path: utf16).notes == ["b.txt is UTF-16"])
    #expect(LoadedTokens.recognizes(path: utf16))
  }

  // MARK: Parts

  @Test(arguments: ["val", "valid", "validation", "test"])
  func parts_shareAnAlphabet(word: String) throws {
    let folder = try TemporaryFolder()
    let train = try folder.write("train.txt", text: "abab")
    try folder.write("\(word).txt", text: "bcd")
    for path in [folder.path, train] {
      let loaded = try LoadedTokens.load(path: path)
      #expect(loaded.vocabulary == Vocabulary(characters: "abcd"))
      #expect(loaded.train[0..<4] == [0, 1, 0, 1] && loaded.validation?[0..<3] == [1, 2, 3])
      #expect(
        loaded.notes == ["2 of the characters to validate on are not in the training text"])
      #expect(loaded.validation?.name == "\(loaded.train.name) validation")
      #expect(LoadedTokens.recognizes(path: path))
    }
    #expect(try LoadedTokens.load(path: folder.path, .bytes).validation?.count == 3)
  }

  @Test func parts_ofLongerNames() throws {
    let folder = try TemporaryFolder()
    try folder.write("wiki.train.tokens", text: "ab")
    try folder.write("wiki.valid.tokens", text: "b")
    try folder.write("wiki.test.tokens", text: "a")
    // A validation part of one character alone is none.
    #expect(try tokenError(folder.path).contains("at least 2 different tokens, found 1 times the"))
    try folder.write("wiki.valid.tokens", text: "bab")
    #expect(try LoadedTokens.load(path: folder.path).validation?.count == 3)
    // The word alone counts, and the part given as the data is not validated by another.
    #expect(
      try LoadedTokens.load(path: folder.write("trainer.txt", text: "ab")).validation == nil)
    #expect(
      try LoadedTokens.load(path: folder.path + "/wiki.valid.tokens").validation == nil)
  }

  @Test func parts_numbersComeBeforeText() throws {
    let folder = try TemporaryFolder()
    try folder.write("train.txt", text: "ab")
    try folder.write("train.bin", [1, 0, 0, 0])
    let loaded = try LoadedTokens.load(path: folder.path)
    #expect(loaded.vocabulary == .numbered(2))
    #expect(loaded.notes.first == "train.bin is read; train.txt not")
    #expect(try LoadedTokens.load(path: folder.path, .characters).notes == [])
  }

  // MARK: Errors

  @Test(
    arguments: [
      ([0x61, 0x0A, 0xE9, 0x20, 0x62], "e9 20 62 at byte 2, in line 2"),
      ([0x61, 0x80], "80 at byte 1, in line 1"), ([0x61, 0xC3], "c3 at byte 1, in line 1"),
      ([0xC0, 0xAF], "c0 af at byte 0, in line 1"), ([0xE0, 0x80, 0xAF], "e0 80 af at byte 0"),
      ([0xED, 0xA0, 0x80], "ed a0 80 at byte 0"),
      ([0xF4, 0x90, 0x80, 0x80], "f4 90 80 80 at byte 0"),
      ([0xF8, 0x88, 0x80, 0x80, 0x80], "f8 88 80 80 at byte 0"),
      ([0xEF, 0xBB, 0xBF, 0x61, 0xFF], "ff at byte 4, in line 1"),
    ] as [([UInt8], String)])
  func error_saysWhereUTF8Ends(bytes: [UInt8], found: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.txt", bytes)
    #expect(
      try tokenError(path).hasPrefix(
        "\(path): malformed: expected UTF-8, or --tokens bytes, which reads any text, "
          + "found \(found)"))
    #expect(!LoadedTokens.recognizes(path: path))
  }

  @Test func error_linesNameFileExpectedFound() throws {
    let folder = try TemporaryFolder()
    func error(_ name: String, _ bytes: [UInt8], _ tokenization: Tokenization? = nil) throws
      -> String
    {
      let path = try folder.write(name, bytes)
      return try tokenError(path, tokenization).replacing(path + ": ", with: "")
    }
    let expected = "expected a text of at least 2 different characters"
    #expect(try error("a.txt", []) == "empty; \(expected)")
    #expect(try error("a.txt", [0xEF, 0xBB, 0xBF]) == "empty; \(expected)")
    #expect(try error("a.txt", [], .bytes) == "empty; expected a text")
    #expect(
      try error("a.txt", [0x61, 0x0A, 0]) == "malformed: expected text, found a NUL byte in line 2")
    for tokenization in Tokenization.allCases {
      #expect(
        try error("a.txt", [0x61, 0x61, 0x61], tokenization)
          == "unsupported: expected a text of at least 2 different tokens, found 3 times the same")
    }
    #expect(try error("a.txt.gz", [0x61, 0x62]).hasPrefix("wrong first bytes: expected gzip"))
    #expect(
      try error("a.csv", Array("x,y\n1,2\n".utf8)).hasPrefix(
        "unsupported: expected tokens: a text, plain or gzip, or"))
    #expect(try error("a.csv", Array("x,y\n1,2\n".utf8)).hasSuffix("found rows of features"))
    #expect(try error("a.csv", Array("x,y\n1,2\n".utf8), .characters) == "")
    for name in ["a.bin", "a.npy"] {
      #expect(
        try error(name, [0, 0], .bytes)
          == "unsupported: expected a text for --tokens bytes, found a "
          + "file of token numbers: leave --tokens out")
    }
  }

  @Test func error_ofPaths() throws {
    let folder = try TemporaryFolder()
    let missing = folder.path + "/none.txt"
    #expect(try tokenError(missing) == "\(missing): missing; expected a data file or directory")
    let pipe = folder.path + "/pipe.txt"
    #expect(mkfifo(pipe, 0o600) == 0)
    #expect(try tokenError(pipe) == "\(pipe): unreadable: expected a regular file")
    #expect(!LoadedTokens.recognizes(path: pipe) && !LoadedTokens.recognizes(path: missing))
    let sub = try folder.makeFolder("sub")
    #expect(
      try tokenError(sub).hasPrefix("\(sub): unrecognized; expected a text, plain or gzip, or"))
    try folder.write("sub/a_train.txt", text: "ab")
    try folder.write("sub/b_train.txt", text: "ab")
    #expect(
      try tokenError(sub)
        == "\(sub): unsupported: expected one file to train on, found a_train.txt, "
        + "b_train.txt; give the file of one")
    let rows = try folder.makeFolder("rows")
    try folder.write("rows/x.npy", [])
    #expect(try tokenError(rows).hasSuffix("found rows of features"))
    #expect(!LoadedTokens.recognizes(path: rows))
  }

  @Test func recognizes_textsAloneByTheirBeginning() throws {
    let folder = try TemporaryFolder()
    #expect(!LoadedTokens.recognizes(path: try folder.write("a", [0x61, 0])))
    #expect(!LoadedTokens.recognizes(path: try folder.write("a.csv", text: "1,2\n")))
    // What is looked at ends within a character.
    let long = String(repeating: "a", count: 1 << 16 - 1) + "é"
    #expect(LoadedTokens.recognizes(path: try folder.write("b.txt", text: long)))
    #expect(!LoadedTokens.recognizes(path: try folder.write("c.txt", Array(long.utf8.dropLast()))))
  }
}
