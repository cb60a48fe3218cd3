import Foundation
import Testing

@testable import Experiments

/// Files of runs are written whatever a network did.
@Suite struct CanonicalJSONTests {
  private struct Value: Codable, Equatable {
    let number: Double
    let byName: [String: Double]
  }

  @Test func numbersThatAreNotFinite_areWrittenAndRead() throws {
    let value = Value(number: .infinity, byName: ["a": -.infinity, "b": 1.5])
    for data in [try CanonicalJSON.compact(value), try CanonicalJSON.pretty(value)] {
      let decoder = JSONDecoder()
      decoder.nonConformingFloatDecodingStrategy = .fromText
      #expect(try decoder.decode(Value.self, from: data) == value)
    }
    let text = String(
      decoding: try CanonicalJSON.compact(["x": Double.nan, "y": 0.1]), as: UTF8.self)
    #expect(text == #"{"x":"nan","y":0.1}"#)
  }

  /// Results and records hold finite numbers alone, so that whoever reads them finds no text.
  @Test func resultsAndRecords_leaveThemOut() throws {
    let result = RunResult(
      epochs: 1, steps: 3, firstEpochTrainLoss: 2, trainLoss: .nan, validationLoss: .infinity,
      outcome: .diverged, divergedAtStep: 2, seconds: 1, device: "d")
    let stored = try CanonicalJSON.pretty(result)
    #expect(try JSONDecoder().decode(RunResult.self, from: stored) == result)
    #expect(!String(decoding: stored, as: UTF8.self).contains("nan"))
    let record = RunRecord(epoch: 1, step: 3, values: ["loss": .nan, "norm": -.infinity, "a": 1])
    #expect(
      String(decoding: try RunRecord.lines([record]), as: UTF8.self)
        == #"{"a":1,"epoch":1,"step":3}"# + "\n")
  }
}
