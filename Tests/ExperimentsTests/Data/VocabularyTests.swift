import Foundation
import Testing

@testable import Experiments

@Suite struct VocabularyTests {
  private let letters = Vocabulary(characters: "to be or not to be")

  private func problem(_ vocabulary: Vocabulary, _ text: String) -> String {
    do {
      _ = try vocabulary.encode(text)
      return ""
    } catch { return "\(error)" }
  }

  @Test func characters_areSortedAndOnce() {
    #expect(letters == .characters([" ", "b", "e", "n", "o", "r", "t"]))
    #expect(letters.count == 7)
  }

  @Test func characters_areScalarsNotGraphemes() {
    // e and a combining accent; a line end of two; a flag of two scalars.
    let text = "e\u{301}\r\n🇫🇷"
    let vocabulary = Vocabulary(characters: text)
    #expect(vocabulary.count == 6)
    #expect(vocabulary == .characters(["\n", "\r", "e", "\u{301}", "🇫", "🇷"]))
  }

  @Test(arguments: ["", "a", "to be", "é\u{301}\r\n🇫🇷\u{FEFF}", "naïve — 東京"])
  func encode_roundTrips(text: String) throws {
    for vocabulary in [Vocabulary(characters: text + "z"), .bytes] {
      let tokens = try vocabulary.encode(text)
      #expect(Array(vocabulary.decode(tokens).utf8) == Array(text.utf8))
      #expect(tokens.allSatisfy { (0..<vocabulary.count).contains($0) })
    }
  }

  @Test func encode_examplesOfDocumentation() throws {
    #expect(try letters.encode("robot") == [5, 4, 1, 4, 6])
    #expect(letters.decode([1, 4, 6]) == "bot")
  }

  @Test func encode_namesTheFirstCharacterThatIsMissing() {
    #expect(
      problem(letters, "to é")
        == "text: character 4, \"é\" (U+00E9) is not in the vocabulary; expected one of the 7 "
        + "characters that were trained on: leave it out, or train with --tokens bytes, which knows every text"
    )
    #expect(problem(letters, "to\u{7}").contains("character 3, U+0007 is not"))
  }

  @Test func numbered_readsWhatItWrites() throws {
    let vocabulary = Vocabulary.numbered(13)
    #expect(vocabulary.decode([12, 7]) == "#12 #7")
    #expect(try vocabulary.encode("#12 #7") == [12, 7])
    #expect(try vocabulary.encode(" 12\n7 ") == [12, 7])
    for text in ["#13", "-1", "x", "# 1"] {
      #expect(problem(vocabulary, text).contains("expected token numbers 0…12 with spaces"))
    }
  }

  @Test func bytes_cutCharacterIsReplaced() {
    #expect(Vocabulary.bytes.decode([0x61, 0xC3]) == "a\u{FFFD}")
  }

  // MARK: JSON

  @Test func json_isReadBack() throws {
    let forms: [(Vocabulary, String)] = [
      (letters, #"{"characters":" benort"}"#), (.bytes, #"{"bytes":256}"#),
      (.numbered(50_257), #"{"numbered":50257}"#),
      (Vocabulary(characters: "\r\n\u{0}🇫🇷e\u{301}"), ""),
    ]
    for (vocabulary, text) in forms {
      let json = try CanonicalJSON.compact(vocabulary)
      if !text.isEmpty { #expect(String(decoding: json, as: UTF8.self) == text) }
      #expect(try JSONDecoder().decode(Vocabulary.self, from: json) == vocabulary)
    }
  }

  @Test(arguments: [
    "{}", #"{"bytes":255}"#, #"{"numbered":0}"#, #"{"numbered":16777217}"#,
    #"{"characters":"ba"}"#, #"{"characters":"aa"}"#, #"{"characters":""}"#,
    #"{"bytes":256,"numbered":3}"#,
  ])
  func json_malformedIsRefused(text: String) {
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(Vocabulary.self, from: Data(text.utf8))
    }
  }

  @Test func tokenization_isASetting() {
    #expect(Tokenization(setting: .string("bytes")) == .bytes)
    #expect(Tokenization.expected == "one of characters, bytes")
  }
}
