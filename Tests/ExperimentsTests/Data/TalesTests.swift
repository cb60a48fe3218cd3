import Foundation
import Testing

@testable import Experiments

@Suite struct TalesTests {
  private static let text = TokenSequence.tales()

  @Test func tales_haveDocumentedShape() throws {
    #expect(Self.text.count == 1_000_000 && Self.text.vocabulary.count == 64)
    #expect(Self.text.bytesPerToken == 1)
    #expect(Set(Self.text[0..<1_000_000]).count == 64)
    #expect(LoadedTokens.builtIn.train.name == "tales" && LoadedTokens.builtIn.validation == nil)
    #expect(try LoadedTokens.builtIn.split().validation == 900_000..<1_000_000)
  }

  @Test func tales_contentsArePinned() {
    // Integers alone: the same on every platform. A change of the grammar or of its words changes
    // recorded results, so it must be seen here.
    #expect(Self.text.fingerprint == "2ffa1e3dffd05ffc")
  }

  @Test func tales_followSeed() {
    #expect(TokenSequence.tales(count: 500, seed: 1).text(0..<500) != Self.text.text(0..<500))
  }

  @Test(arguments: [1, 997]) func tales_shorterTextIsAStart(count: Int) {
    let few = TokenSequence.tales(count: count)
    #expect(few.count == count && few.vocabulary == Self.text.vocabulary)
    #expect(few.text(0..<count) == Self.text.text(0..<count))
  }

  // MARK: What there is to learn

  /// Lines that are whole, of the text's start.
  private func paragraphs() -> [Substring] {
    Self.text.text(0..<200_000).split(separator: "\n").dropLast()
  }

  @Test func tales_marksClose() {
    for paragraph in paragraphs() {
      var open: [Character] = []
      for mark in paragraph where "\"'()[]".contains(mark) {
        switch mark {
        case "(", "[": open.append(mark)
        case ")": #expect(open.popLast() == "(")
        case "]": #expect(open.popLast() == "[")
        default: if open.last == mark { open.removeLast() } else { open.append(mark) }
        }
      }
      #expect(open.isEmpty, "\(paragraph)")
    }
  }

  @Test func tales_sumsAreRight() throws {
    let numbers = TaleWords.numbers.map { String(decoding: $0, as: UTF8.self) }
    let sums = paragraphs().flatMap {
      $0.lowercased().matches(of: /([a-z]+) (and|less) ([a-z]+) (?:make|leaves) ([a-z]+)\./)
    }
    #expect(sums.count > 100)
    for sum in sums {
      let values = try [sum.1, sum.3, sum.4].map {
        try #require(numbers.firstIndex(of: String($0)))
      }
      #expect(
        sum.2 == "and" ? values[0] + values[1] == values[2] : values[0] - values[1] == values[2])
    }
  }

  @Test func tales_answersSayWhereSomebodyWasLast() {
    var answers = 0
    for paragraph in paragraphs() {
      var places: [Substring: String] = [:]
      for match in paragraph.matches(
        of: /([A-Z][a-z]+) is now ([a-z ]+)\.|is ([A-Z][a-z]+)\? ([A-Za-z ]+)\./)
      {
        if let name = match.1, let place = match.2 { places[name] = String(place) }
        if let name = match.3, let place = match.4 {
          answers += 1
          #expect(places[name] == place.lowercased(), "\(paragraph)")
        }
      }
    }
    #expect(answers > 100)
  }

  /// Cross entropy per character of the next 20,000 characters under counts of the first 180,000.
  private func entropy(context: Int) -> Double {
    let tokens = Self.text[0..<200_000].map { Int($0) }
    func state(_ position: Int) -> Int {
      tokens[(position - context)..<position].reduce(0) { $0 * 64 + $1 }
    }
    var counts: [Int: Int] = [:]
    var totals: [Int: Int] = [:]
    for position in context..<180_000 {
      counts[state(position) * 64 + tokens[position], default: 0] += 1
      totals[state(position), default: 0] += 1
    }
    var sum = 0.0
    for position in 180_000..<200_000 {
      let seen = Double(counts[state(position) * 64 + tokens[position]] ?? 0)
      sum -= log((seen + 0.01) / (Double(totals[state(position)] ?? 0) + 0.64))
    }
    return sum / 20_000
  }

  /// One character of context leaves much to know, more of it less: there is something to learn,
  /// and more than counting does.
  @Test func tales_areLearnableNotTrivial() {
    let (one, three) = (entropy(context: 1), entropy(context: 3))
    #expect(one >= 2 && one <= 2.6, "\(one) nats with one character")
    #expect(three >= 1 && three <= 1.5, "\(three) nats with three characters")
  }
}
