import Foundation
import Testing

@testable import GPUTrainCommand

/// JSON is printed whatever the numbers are: it is read where something went wrong.
@Suite(.runsPrograms) struct JSONOutputTests {
  private struct Figure: Encodable {
    let milliseconds: Double
    let error: Float
    let missing: Double?
    let details: [String: Double]
  }

  @Test func numbersThatAreNotFinite_areTexts() throws {
    let text = try jsonText([
      Figure(
        milliseconds: .infinity, error: .nan, missing: nil,
        details: ["least": -.infinity, "most": 2])
    ])
    let value = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
    let figure = try #require(value?.first)
    #expect(figure["milliseconds"] as? String == "inf")
    #expect(figure["error"] as? String == "nan")
    let details = try #require(figure["details"] as? [String: Any])
    #expect(details["least"] as? String == "-inf" && details["most"] as? Double == 2)
    // As `Double` and Python's `float` read them.
    #expect(Double("inf") == .infinity && Double("-inf") == -.infinity && Double("nan")!.isNaN)
  }
}
