/// A point of the glyph plane: x to the right, y down, glyphs within −1…1.
struct GlyphPoint {
  var x: Float
  var y: Float

  init(_ x: Float, _ y: Float) {
    self.x = x
    self.y = y
  }
}

/// One stroke of a pen: control points, joined by a curve through them or by straight lines.
struct GlyphStroke {
  let points: [GlyphPoint]
  let isCurve: Bool

  static func curve(_ points: [(Float, Float)]) -> GlyphStroke {
    GlyphStroke(points: points.map { GlyphPoint($0.0, $0.1) }, isCurve: true)
  }

  static func lines(_ points: [(Float, Float)]) -> GlyphStroke {
    GlyphStroke(points: points.map { GlyphPoint($0.0, $0.1) }, isCurve: false)
  }
}

/// Skeletons of the ten digits, drawn by hand: for each digit the ways in which it is written.
enum GlyphStrokes {
  static let digits: [[[GlyphStroke]]] = [
    zero, one, two, three, four, five, six, seven, eight, nine,
  ]

  private static let zero: [[GlyphStroke]] = [
    [
      .curve([
        (0, -1), (-0.45, -0.7), (-0.62, 0), (-0.45, 0.7), (0, 1), (0.45, 0.7), (0.62, 0),
        (0.45, -0.7), (0, -1),
      ])
    ],
    [
      .curve([
        (0.1, -0.95), (-0.3, -0.75), (-0.42, 0), (-0.3, 0.75), (0, 0.95), (0.3, 0.7), (0.42, 0),
        (0.3, -0.7), (-0.1, -0.9),
      ])
    ],
  ]
  private static let one: [[GlyphStroke]] = [
    [.lines([(0, -1), (0, 1)])],
    [.lines([(-0.4, -0.55), (0.05, -1), (0.05, 1)])],
    [.lines([(-0.35, -0.6), (0.05, -1), (0.05, 0.95)]), .lines([(-0.4, 0.95), (0.45, 0.95)])],
  ]
  private static let two: [[GlyphStroke]] = [
    [
      .curve([
        (-0.5, -0.55), (-0.25, -0.92), (0.2, -0.95), (0.5, -0.6), (0.35, -0.1), (-0.1, 0.4),
        (-0.55, 0.95),
      ]), .lines([(-0.55, 0.95), (0.6, 0.95)]),
    ],
    [
      .curve([
        (-0.45, -0.7), (0, -1), (0.45, -0.7), (0.3, 0), (-0.2, 0.75), (-0.5, 0.8), (-0.25, 0.6),
        (0.1, 0.85), (0.6, 0.9),
      ])
    ],
  ]
  private static let three: [[GlyphStroke]] = [
    [
      .curve([
        (-0.5, -0.8), (0, -1), (0.45, -0.7), (0.35, -0.2), (-0.1, -0.03),
      ]), .curve([(-0.1, -0.03), (0.45, 0.2), (0.5, 0.65), (0, 1), (-0.55, 0.75)]),
    ],
    [
      .lines([(-0.5, -0.95), (0.5, -0.95), (-0.05, -0.15)]),
      .curve([(-0.05, -0.15), (0.45, 0.1), (0.5, 0.6), (0, 1), (-0.55, 0.75)]),
    ],
  ]
  private static let four: [[GlyphStroke]] = [
    [.lines([(0.3, 1), (0.3, -1), (-0.6, 0.35), (0.65, 0.35)])],
    [
      .lines([(-0.4, -0.95), (-0.5, 0.1), (0.55, 0.1)]),
      .lines([(0.4, -0.8), (0.3, 1)]),
    ],
  ]
  private static let five: [[GlyphStroke]] = [
    [
      .lines([(0.5, -0.95), (-0.4, -0.95), (-0.45, -0.1)]),
      .curve([(-0.45, -0.1), (0.1, -0.3), (0.55, 0.1), (0.45, 0.7), (0, 1), (-0.55, 0.8)]),
    ]
  ]
  private static let six: [[GlyphStroke]] = [
    [
      .curve([
        (0.4, -0.95), (-0.15, -0.6), (-0.5, 0), (-0.5, 0.55), (-0.1, 1), (0.4, 0.85), (0.5, 0.4),
        (0.15, 0.02), (-0.3, 0.15), (-0.5, 0.5),
      ])
    ],
    [
      .curve([
        (-0.1, -1), (-0.4, -0.3), (-0.45, 0.5), (0, 0.95), (0.45, 0.6), (0.2, 0.15), (-0.4, 0.45),
      ])
    ],
  ]
  private static let seven: [[GlyphStroke]] = [
    [.lines([(-0.55, -0.95), (0.55, -0.95), (-0.1, 1)])],
    [.lines([(-0.55, -0.95), (0.55, -0.95), (-0.1, 1)]), .lines([(-0.3, 0.05), (0.45, 0.05)])],
  ]
  private static let eight: [[GlyphStroke]] = [
    [
      .curve([
        (0, -0.05), (-0.42, -0.4), (-0.3, -0.85), (0, -1), (0.3, -0.85), (0.42, -0.4), (0, -0.05),
        (-0.5, 0.4), (-0.4, 0.85), (0, 1), (0.4, 0.85), (0.5, 0.4), (0, -0.05),
      ])
    ]
  ]
  private static let nine: [[GlyphStroke]] = [
    [
      .curve([
        (0.48, -0.5), (0.2, -0.05), (-0.25, -0.05), (-0.5, -0.45), (-0.3, -0.9), (0.1, -1),
        (0.45, -0.75), (0.5, -0.2), (0.4, 0.4), (0.2, 1),
      ])
    ],
    [
      .curve([
        (0.45, -0.5), (0, -0.95), (-0.45, -0.55), (-0.15, -0.1), (0.45, -0.5),
      ]), .lines([(0.45, -0.6), (0.4, 1)]),
    ],
  ]
}
