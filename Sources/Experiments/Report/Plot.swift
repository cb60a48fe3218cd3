import Foundation

/// A panel: axes, and what is drawn between them.
struct Plot: Sendable {
  /// An axis.
  struct Axis: Sendable {
    let label: String
    /// Whether it is divided logarithmically.
    var isLogarithmic = false
    /// Where it begins and ends; nil: as the points need.
    var range: ClosedRange<Double>?
    /// Where it is marked; nil: at round numbers.
    var ticks: [Double]?
  }

  /// A point, or a gap in a line where `y` is nil.
  struct Point: Hashable, Sendable {
    let x: Double
    let y: Double?
  }

  /// Points drawn in one way.
  struct Series: Sendable {
    /// How points are drawn.
    enum Style: Hashable, Sendable {
      /// A line with a marker at every point.
      case line
      /// A line without.
      case plainLine
      /// A line that is no measurement.
      case dashed
      /// The same, of another kind.
      case dotted
      /// Small markers.
      case dots
      /// Rings around what is drawn before.
      case rings
      /// ×.
      case crosses
    }

    /// What the key calls it; nil: it is not in the key.
    let name: String?
    let colour: PlotColour
    /// Tells lines apart beside the colour, by marker and dash.
    var index = 0
    let style: Style
    let points: [Point]
    /// At each x the lower and upper end of a band behind the line.
    var band: [(x: Double, low: Double, high: Double)] = []
  }

  /// Unique on its page; letters, digits and hyphens.
  let id: String
  let title: String
  /// What the picture shows, for those who do not see it.
  let description: String
  let x: Axis
  let y: Axis
  let series: [Series]

  /// Whether anything lies within.
  var hasPoints: Bool { series.contains { $0.points.contains { $0.y?.isFinite == true } } }
}

extension Plot.Axis {
  /// A logarithmic axis of widths or other values of a scale, marked at each.
  static func widths(
    _ widths: [Int], label: String = "width n", range: ClosedRange<Double>? = nil
  ) -> Self {
    let ticks = widths.map(Double.init)
    let padded = ticks.min().flatMap { low in ticks.max().map { low / 1.12...$0 * 1.12 } }
    return Self(
      label: label, isLogarithmic: true, range: range ?? padded, ticks: ticks)
  }

  /// A logarithmic axis over the positive ones of `values`, with room around them.
  static func logarithmic(_ label: String, over values: [Double]) -> Self {
    let positive = values.filter { $0 > 0 && $0.isFinite }
    guard let low = positive.min(), let high = positive.max() else {
      return Self(label: label, isLogarithmic: true)
    }
    let room = max(pow(high / low, 0.06), 1.08)
    let range = low / room...high * room
    return Self(
      label: label, isLogarithmic: true, range: range, ticks: roundNumbers(within: range))
  }

  /// 1, 2 and 5 times powers of ten, or fewer where these are many.
  static func roundNumbers(within range: ClosedRange<Double>) -> [Double] {
    let powers = Int(log10(range.lowerBound).rounded(.down))...Int(log10(range.upperBound))
    func numbers(_ factors: [Double], every: Int = 1) -> [Double] {
      powers.filter { $0 % every == 0 }.flatMap { power in
        factors.map { $0 * pow(10, Double(power)) }
      }.filter(range.contains)
    }
    let candidates =
      [[1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8], [1, 2, 5], [1, 3], [1]].map { numbers($0) }
      + (2...20).map { numbers([1], every: $0) }
    return candidates.first { $0.count <= 8 } ?? []
  }

  /// A number at a tick.
  static func label(_ value: Double) -> String {
    if value == 0 { return "0" }
    let magnitude = abs(value)
    guard magnitude >= 0.001 && magnitude < 100_000 else {
      let power = Int(log10(magnitude).rounded(.down))
      let factor = value / pow(10, Double(power))
      let text = DecimalText.trimmed(factor, digits: 1)
      let raised = "10" + superscript(power)
      return text == "1" ? raised : "\(text)·\(raised)"
    }
    return DecimalText.trimmed(value, digits: 4).replacing("-", with: "−")
  }

  private static func superscript(_ number: Int) -> String {
    let digits: [Character: Character] = [
      "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷",
      "8": "⁸", "9": "⁹",
    ]
    return String("\(number)".map { digits[$0] ?? $0 })
  }
}
