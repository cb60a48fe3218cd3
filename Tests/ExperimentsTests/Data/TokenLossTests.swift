import Foundation
import Testing
import Training

@testable import Experiments

/// A text's losses in perplexity and bits per byte, and those of other data without.
@Suite struct TokenLossTests {
  /// A text of which a token stands for so many bytes; nil: nobody knows.
  private static func text(bytesPerToken: Double?) -> DataDescription {
    DataDescription(
      name: "a text", fingerprint: "00", inputs: 1,
      outputs: .tokens(.bytes, bytesPerToken: bytesPerToken), trainCount: 900,
      validationCount: 100, normalization: "bytes")
  }

  static let losses: [(Double, Double, Double, Double)] = [
    (log(2), 1, 2, 1), (log(65), 1, 65, log2(65)), (3 * log(2), 1.5, 8, 2), (0, 4, 1, 0),
  ]

  @Test(arguments: losses)
  func units_areThoseOfLanguageModels(
    nats: Double, bytes: Double, perplexity: Double, bitsPerByte: Double
  ) throws {
    let loss = try #require(Self.text(bytesPerToken: bytes).tokenLoss(nats))
    #expect(abs(loss.perplexity - perplexity) <= 1e-12 * perplexity)
    #expect(abs(try #require(loss.bitsPerByte) - bitsPerByte) <= 1e-12)
  }

  @Test func whatIsNotKnown_isLeftOut() throws {
    #expect(Fixture.experiment.facts.data.tokenLoss(1) == nil, "no text")
    #expect(Self.text(bytesPerToken: 1).tokenLoss(nil) == nil, "no loss")
    let numbered = try #require(Self.text(bytesPerToken: nil).tokenLoss(log(8)))
    #expect(numbered.bitsPerByte == nil && numbered.inWords == "perplexity 8.00")
    let known = try #require(Self.text(bytesPerToken: 1).tokenLoss(log(8)))
    #expect(known.inWords == "perplexity 8.00, 3.000 bits per byte")
    // Characters are of one to four bytes.
    let mixed = TokenSequence(
      name: "mixed", tokens: [0, 1, 1, 0] as [UInt16], vocabulary: Vocabulary(characters: "aé"))
    #expect(mixed.bytesPerToken == 1.5)
  }

  private static func result(_ loss: Double, of data: DataDescription) -> RunResult {
    RunResult(
      epochs: 1, steps: 10, trainLoss: loss, validationLoss: loss, tokenLoss: data.tokenLoss(loss),
      outcome: .completed, seconds: 1, device: "cpu")
  }

  @Test func results_haveThem_ofTextsAlone() throws {
    let data: [DataDescription] = [
      Self.text(bytesPerToken: 2), Self.text(bytesPerToken: nil), Fixture.experiment.facts.data,
    ]
    let names = try data.map { data in
      let result = Self.result(log(16), of: data)
      let json = try CanonicalJSON.pretty(result)
      #expect(try JSONDecoder().decode(RunResult.self, from: json) == result)
      let row = SummaryTests.row(result: result)
      let lines = SummaryRow.csv([row]).split(separator: "\n").map { $0.split(separator: ",") }
      #expect(lines[0].count == lines[1].count + 4, "four figures are not measured")
      let keys = try JSONValue(of: result).leaves.keys
      return [("perplexity", "perplexity"), ("bitsPerByte", "bits_per_byte")].filter {
        key, column in
        #expect(keys.contains(key) == lines[0].map(String.init).contains(column))
        return keys.contains(key)
      }.map(\.1)
    }
    #expect(names == [["perplexity", "bits_per_byte"], ["perplexity"], []])
    #expect(abs(try #require(Self.result(log(16), of: data[0]).bitsPerByte) - 2) <= 1e-12)
  }

  @Test func tables_haveThem_ofTextsAlone() throws {
    let data = Self.text(bytesPerToken: 1)
    let rows = [(32, 2.0), (64, 1.75)].flatMap { width, least in
      [-8.0, -7, -6].map { rate in
        SummaryTests.row(
          "mup", .adam, width: width, rate: rate,
          result: Self.result(least + 0.1 * pow(rate + 7, 2), of: data))
      }
    }
    let report = TransferReport(rows: rows, data: data)
    let widths = try #require(report.groups.first).widths
    for width in widths {
      let loss = try #require(width.loss)
      #expect(width.perplexity == exp(loss) && width.bitsPerByte == loss / log(2))
    }
    let line = try #require(
      report.table().split(separator: "\n").first { $0.contains("perplexity") })
    #expect(line == "  perplexity 7.39, 5.75 of the best losses; bits per byte 2.885, 2.525")
    let other = TransferReport(rows: rows, data: Fixture.experiment.facts.data)
    #expect(!other.table().contains("perplexity"))
    #expect(
      !String(decoding: try CanonicalJSON.pretty(other), as: UTF8.self).contains("bitsPerByte"))
  }
}
