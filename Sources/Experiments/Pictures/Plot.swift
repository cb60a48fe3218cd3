import Foundation

/// A panel: axes, and what is drawn between them.
struct Plot: Sendable {
  /// An axis.
  struct Axis: Sendable {
    /// How values lie along it.
    enum Kind: Hashable, Sendable {
      case linear
      case logarithmic
      /// Values are log2 of a quantity; marked both as 2^−8 and as 0.0039.
      case powersOfTwo
    }

    let label: String
    var kind = Kind.linear
    /// Where it begins and ends; nil: as the points need.
    var range: ClosedRange<Double>?
    /// Where it is marked; nil: at round numbers.
    var places: [Double]?
  }

  /// A point, or a gap in a line where `y` is nil.
  struct Point: Hashable, Sendable {
    let x: Double
    let y: Double?
  }

  /// An interval as a bar with ends: one of the two is a single value.
  struct Bar: Hashable, Sendable {
    let x, y: ClosedRange<Double>
  }

  /// Points drawn in one way.
  struct Series: Sendable {
    /// How points are drawn.
    enum Style: Hashable, Sendable {
      /// A line with a marker at every point.
      case line
      /// A line of many points, with a marker at some.
      case curve
      /// A thin line: what was fitted to points.
      case fit
      /// A line that is no measurement.
      case dashed
      /// The same, of another kind.
      case dotted
      /// Markers at the points, no line.
      case dots
      /// Rings around what is drawn before.
      case rings
      /// ×.
      case crosses
    }

    /// What the legend calls it; nil: it is not there. Without points it is there alone.
    let name: String?
    let colour: PlotColour
    /// Tells series apart beside the colour, by the marker.
    var index = 0
    let style: Style
    var points: [Point] = []
    /// The line, where it does not join the points: what was fitted to them.
    var line: [Point]?
    /// At each x the lower and upper end of a band behind the line.
    var band: [(x: Double, low: Double, high: Double)] = []
    /// Intervals.
    var bars: [Bar] = []
  }

  /// Where the legend goes.
  enum LegendPlace: Hashable, Sendable {
    /// Into a corner where nothing is drawn, or below where there is none.
    case freeCorner
    /// Below, as of panels that stand side by side.
    case below
  }

  /// Unique on its page and the name of its file; letters, digits and hyphens.
  let id: String
  let title: String
  /// What the picture shows, for those who do not see it.
  let description: String
  let x: Axis
  let y: Axis
  let series: [Series]
  var legend = LegendPlace.freeCorner

  /// Whether anything lies within.
  var hasPoints: Bool { series.contains { $0.points.contains { $0.y?.isFinite == true } } }
}

/// One or several panels that are one file.
struct Picture: Sendable {
  /// The file's name without what follows the full stop.
  let name: String
  let title: String
  let description: String
  let panels: [Plot]

  /// Several panels with their titles.
  init(name: String, title: String, description: String, panels: [Plot]) {
    (self.name, self.title, self.description) = (name, title, description)
    self.panels = panels
  }

  /// A panel alone.
  init(_ plot: Plot) {
    self.init(
      name: plot.id, title: plot.title, description: plot.description, panels: [plot])
  }
}

extension Plot.Axis {
  /// A logarithmic axis of widths or other values of a scale, marked at each.
  static func widths(_ widths: [Int], label: String = "width n") -> Self {
    let places = widths.map(Double.init)
    let padded = places.min().flatMap { low in places.max().map { low / 1.12...$0 * 1.12 } }
    return Self(label: label, kind: .logarithmic, range: padded, places: places)
  }

  /// A logarithmic axis over the positive ones of `values`, with room around them.
  static func logarithmic(_ label: String, over values: [Double]) -> Self {
    let positive = values.filter { $0 > 0 && $0.isFinite }
    guard let low = positive.min(), let high = positive.max() else {
      return Self(label: label, kind: .logarithmic)
    }
    let room = max(pow(high / low, 0.06), 1.08)
    return Self(label: label, kind: .logarithmic, range: Self.positive(low / room, high * room))
  }

  /// The place of a value on a straight scale: log2 of it where the axis is logarithmic.
  func straight(_ value: Double) -> Double { kind == .logarithmic ? log2(value) : value }

  /// From the least to the greatest of `values` that the axis can show, where no range is given.
  func range(over values: [Double]) -> ClosedRange<Double> {
    if let range { return range }
    let shown = values.filter { $0.isFinite && (kind != .logarithmic || $0 > 0) }
    guard let low = shown.min(), let high = shown.max() else {
      return kind == .logarithmic ? 1...2 : 0...1
    }
    guard low == high else { return low...high }
    return kind == .logarithmic ? Self.positive(low / 2, low * 2) : low - 1...low + 1
  }

  /// The range of two positive numbers that may have become 0 or infinite, of which no logarithm is a place.
  private static func positive(_ low: Double, _ high: Double) -> ClosedRange<Double> {
    let low = min(max(low, .leastNormalMagnitude), .greatestFiniteMagnitude / 2)
    return low...min(max(high, 2 * low), .greatestFiniteMagnitude)
  }
}
