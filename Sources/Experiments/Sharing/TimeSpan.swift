import Foundation

/// How long something may take: minutes, `1:30:00`, or with a unit, `90s`, `30m`, `2h`.
public struct TimeSpan: SettingValue {
  /// Seconds, > 0.
  public let seconds: Double

  /// Reads a time.
  public init?(setting: JSONValue) {
    var text = setting.optionText
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
    let seconds: Double?
    if let unit = text.last.flatMap({ units[$0] }) {
      text.removeLast()
      seconds = Double(text).map { $0 * unit }
    } else if text.contains(":") {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Double($0) }
      let isClock = (2...3).contains(parts.count) && parts.allSatisfy { $0 ?? -1 >= 0 }
      seconds = isClock ? parts.reduce(0) { 60 * $0 + ($1 ?? 0) } : nil
    } else {
      seconds = Double(text).map { $0 * 60 }
    }
    guard let seconds, seconds > 0, seconds <= 1e9 else { return nil }
    self.seconds = seconds
  }

  /// A time.
  public init(_ duration: Duration) { seconds = duration / .seconds(1) }

  /// As an option has it: `90s`.
  public var setting: JSONValue { .string(JSONValue.number(seconds).optionText + "s") }

  /// For errors.
  public static let expected = "minutes, h:mm:ss, or a time such as 90s, 30m or 2h"
}
