import Foundation

/// A colour of a plot by its part, so that a page can give it another value in the dark.
enum PlotColour: Hashable, Sendable {
  /// Text and axes.
  case ink
  /// The grid.
  case grid
  /// What stands behind the rest.
  case muted
  /// Step 0 … `steps` − 1 of a ramp that colour-blind readers can order, from faint to strong.
  case ramp(Int)
  /// One of a few kinds that have no order.
  case kind(Int)

  /// Steps of the ramp.
  static let steps = 13

  /// The colour of member `index` of `count` in order: the ramp from end to end.
  static func ordered(_ index: Int, of count: Int) -> PlotColour {
    count < 2 ? .ramp(steps - 1) : .ramp(index * (steps - 1) / (count - 1))
  }

  /// Every colour that is a variable of the page's style.
  static let variables: [PlotColour] =
    [.grid, .muted] + (0..<steps).map(ramp) + light.indices.map(kind)

  /// Its value in CSS; `ink` is the text's.
  var css: String {
    switch self {
    case .ink: "currentColor"
    default: "var(--\(name))"
    }
  }

  /// The variable's name.
  var name: String {
    switch self {
    case .ink: "ink"
    case .grid: "grid"
    case .muted: "muted"
    case .ramp(let step): "ramp-\(step)"
    case .kind(let index): "kind-\(index)"
    }
  }

  /// Red, green and blue that stand for it in a drawing until `css` takes their place; no colour
  /// that is ever drawn.
  var placeholder: (Int, Int, Int) {
    switch self {
    case .ink: (253, 1, 0)
    case .grid: (253, 2, 0)
    case .muted: (253, 3, 0)
    case .ramp(let step): (254, 1, step)
    case .kind(let index): (254, 2, index)
    }
  }

  /// Its value on white paper, or on a dark screen, as #rrggbb.
  func value(dark: Bool) -> String {
    switch self {
    case .ink: dark ? "#e8e8e8" : "#1b1b1b"
    case .grid: dark ? "#3a3f47" : "#dddddd"
    case .muted: dark ? "#9aa0a8" : "#6b6b6b"
    case .ramp(let step): Self.viridis(at: Self.place(of: step, dark: dark))
    case .kind(let index): (dark ? Self.dark : Self.light)[index % Self.light.count]
    }
  }

  /// Where on the scale a step lies. Strong is dark on paper and bright in the dark; of each end
  /// what the background would swallow is left out.
  private static func place(of step: Int, dark: Bool) -> Double {
    let share = Double(step) / Double(steps - 1)
    return dark ? 0.36 + 0.64 * share : 0.66 * (1 - share)
  }

  /// After Okabe and Ito's colours, distinguishable by colour-blind readers.
  private static let light = [
    "#0072b2", "#d55e00", "#008060", "#b0508c", "#8a6d00", "#444444",
  ]
  private static let dark = [
    "#56b4e9", "#e6883c", "#2bc49a", "#e59bc6", "#e8cf4a", "#c8c8c8",
  ]

  /// matplotlib's viridis at 0, 1/8 … 1, between them by straight lines.
  private static let anchors: [(Double, Double, Double)] = [
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129),
    (92, 200, 99), (170, 220, 50), (253, 231, 37),
  ]

  private static func viridis(at place: Double) -> String {
    let scaled = min(max(place, 0), 1) * Double(anchors.count - 1)
    let low = min(Int(scaled), anchors.count - 2)
    let share = scaled - Double(low)
    let (a, b) = (anchors[low], anchors[low + 1])
    func mix(_ a: Double, _ b: Double) -> Int { Int((a + (b - a) * share).rounded()) }
    return String(format: "#%02x%02x%02x", mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
  }
}
