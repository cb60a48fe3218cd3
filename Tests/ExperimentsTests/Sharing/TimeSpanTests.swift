import Testing

@testable import Experiments

@Suite struct TimeSpanTests {
  @Test(arguments: [
    ("30", 1800), ("1:30", 90), ("1:30:00", 5400), ("90s", 90), ("1.5h", 5400), ("2d", 172800),
  ]) func timeSpans_areRead(text: String, seconds: Double) {
    #expect(TimeSpan(setting: .string(text))?.seconds == seconds)
  }

  @Test(arguments: ["", "0", "-1m", "1:-2", "x", "1:2:3:4", "1e30", "nan"])
  func othersAreNone(text: String) { #expect(TimeSpan(setting: .string(text)) == nil) }
}
