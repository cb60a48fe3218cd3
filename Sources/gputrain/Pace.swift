import Foundation

/// How fast something goes: over the last seconds, so that it follows what is going on.
struct Pace {
  private var marks: [(seconds: Double, count: Int)] = []
  private static let window = 5.0

  /// Notes that `count` have been done after `seconds`.
  mutating func mark(_ count: Int, at seconds: Double) {
    marks.append((seconds, count))
    while marks.count > 2 && seconds - marks[1].seconds > Self.window { marks.removeFirst() }
  }

  /// Such as 812 or 12.4k a second; nil before there is a span to speak of.
  var text: String? {
    guard let first = marks.first, let last = marks.last, last.seconds - first.seconds > 0.2
    else { return nil }
    let rate = Double(last.count - first.count) / (last.seconds - first.seconds)
    return rate >= 10_000
      ? String(format: "%.0fk", rate / 1000)
      : rate >= 1000 ? String(format: "%.1fk", rate / 1000) : String(format: "%.3g", rate)
  }
}
