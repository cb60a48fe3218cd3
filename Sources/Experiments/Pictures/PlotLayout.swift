import Foundation

/// A rectangle; y grows downwards.
struct Box: Hashable, Sendable {
  var x, y, width, height: Double

  var right: Double { x + width }
  var bottom: Double { y + height }

  /// The same with `margin` more on every side.
  func grown(by margin: Double) -> Box {
    Box(x: x - margin, y: y - margin, width: width + 2 * margin, height: height + 2 * margin)
  }

  func overlaps(_ other: Box) -> Bool {
    x < other.right && other.x < right && y < other.bottom && other.y < bottom
  }

  /// Whether the line from `a` to `b` touches it (Liang and Barsky's clipping).
  func isCrossed(from a: (x: Double, y: Double), to b: (x: Double, y: Double)) -> Bool {
    var (enters, leaves) = (0.0, 1.0)
    let (dx, dy) = (b.x - a.x, b.y - a.y)
    for (step, room) in [(-dx, a.x - x), (dx, right - a.x), (-dy, a.y - y), (dy, bottom - a.y)] {
      if step == 0 {
        if room < 0 { return false }
      } else if step < 0 {
        enters = max(enters, room / step)
      } else {
        leaves = min(leaves, room / step)
      }
    }
    return enters <= leaves
  }
}

/// Where everything of a panel is. Lengths are in the picture's unit; those that follow the text are
/// multiples of the font's size.
struct PlotLayout {
  /// An axis between two places of the picture.
  struct AxisPlace {
    let axis: Plot.Axis
    let range: ClosedRange<Double>
    /// Where the range begins and ends.
    let start, end: Double
    /// The marks that have labels, and the room that these take.
    var ticks: [(tick: Plot.Tick, place: Double, box: Box)] = []

    /// The place of a value; one that the axis cannot show is nowhere.
    func place(_ value: Double) -> Double? {
      let (low, high) = (axis.straight(range.lowerBound), axis.straight(range.upperBound))
      let place = start + (end - start) * (axis.straight(value) - low) / (high - low)
      return place.isFinite ? place : nil
    }
  }

  /// Names of series with what they look like.
  struct Legend {
    let series: [Plot.Series]
    /// The size of its font, which is less where a name is wider than the picture.
    let font: Double
    /// The room that it takes.
    let box: Box
    /// Where each sample begins, at half the height of its text.
    let places: [(x: Double, y: Double)]
  }

  let plot: Plot
  let font: Double
  /// What the panel takes of the picture.
  let box: Box
  /// Between the axes.
  let area: Box
  let x, y: AxisPlace
  let legend: Legend?
  /// Where the axes' labels stand: the middle of the x axis' baseline and of the y axis', which reads
  /// upwards.
  let xLabel, yLabel: (x: Double, y: Double)
  /// The title's baseline; nil where none is shown.
  let title: (x: Double, y: Double)?

  // Multiples of the font's size.
  static let tick = 0.3
  static let gap = 0.28
  static let line = 1.2
  static let second = 0.82
  static let sample = 2.2
  static let marker = 0.25

  /// Lays a panel out in `width`.
  ///
  /// - height: of the panel; nil: as is usual for the width. It is more where names need it.
  /// - hasTitle: whether its title is shown.
  /// - hasLegend: whether its legend is; else the picture has one for all panels.
  init(
    _ plot: Plot, x left: Double = 0, y top: Double = 0, width: Double, height: Double? = nil,
    font: Double, hasTitle: Bool = false, hasLegend: Bool = true
  ) {
    let names = hasLegend ? plot.series.filter { $0.name != nil } : []
    // Labels of two lines reach above the area.
    let areaTop =
      top + (hasTitle ? 1.9 : plot.y.kind == .powersOfTwo ? 1.05 : 0.65) * font
    let below = Self.below(plot.x, font)
    let rows = Self.legend(names, in: Box(x: 0, y: 0, width: width, height: 0), font)
    func area(height areaHeight: Double) -> (area: Box, x: AxisPlace, y: AxisPlace) {
      Self.axes(plot, left: left, top: areaTop, width: width, height: areaHeight, font)
    }
    let least = 5 * font
    let whole = height.map { max($0 - (areaTop - top) - below, least) } ?? 0.6 * width
    var place = area(height: whole)
    var legend: Legend?
    if plot.legend == .freeCorner, !names.isEmpty {
      legend = Self.corner(names, plot, place.area, place.x, place.y, font)
    }
    var bottom = place.area.bottom + below
    if legend == nil, !names.isEmpty {
      if height != nil { place = area(height: max(whole - rows.box.height - 0.4 * font, least)) }
      legend = Self.legend(
        names,
        in: Box(
          x: left, y: place.area.bottom + below + 0.4 * font, width: width, height: 0), font)
      bottom = legend?.box.bottom ?? bottom
    }
    (self.plot, self.font, self.legend) = (plot, font, legend)
    (self.area, x, y) = place
    box = Box(x: left, y: top, width: width, height: bottom - top)
    xLabel = (place.area.x + place.area.width / 2, place.area.bottom + below - 0.3 * font)
    yLabel = (left + 0.95 * font, place.area.y + place.area.height / 2)
    title = hasTitle ? (place.area.x, top + 1.1 * font) : nil
  }

  /// What the x axis needs below the area: marks, their labels, its own label.
  private static func below(_ axis: Plot.Axis, _ font: Double) -> Double {
    (tick + gap + 1 + (axis.kind == .powersOfTwo ? 0.95 : 0) + 1.55) * font
  }

  // MARK: Axes

  private static func axes(
    _ plot: Plot, left: Double, top: Double, width: Double, height: Double, _ font: Double
  ) -> (area: Box, x: AxisPlace, y: AxisPlace) {
    let points = plot.series.flatMap(\.points)
    var y = AxisPlace(
      axis: plot.y, range: plot.y.range(over: points.compactMap(\.y)), start: top + height,
      end: top)
    y.ticks = marks(y, font) { tick, place in
      let size = size(tick, font)
      return Box(
        x: -size.width, y: place - size.height / 2, width: size.width, height: size.height)
    }
    let labels = y.ticks.map(\.box.width).max() ?? 0
    let areaLeft = left + 1.45 * font + labels + (gap + tick) * font
    var right = left + width - 0.5 * font
    var x = AxisPlace(
      axis: plot.x, range: plot.x.range(over: points.map(\.x)), start: areaLeft, end: right)
    // Once more where the last label reaches out of the picture.
    for _ in 0..<2 {
      x = AxisPlace(axis: x.axis, range: x.range, start: areaLeft, end: right)
      x.ticks = marks(x, font) { tick, place in
        let size = size(tick, font)
        return Box(
          x: place - size.width / 2, y: top + height + (Self.tick + gap) * font, width: size.width,
          height: size.height)
      }
      right -= max(0, (x.ticks.last?.box.right ?? 0) - (left + width))
    }
    let area = Box(x: areaLeft, y: top, width: x.end - areaLeft, height: height)
    for index in y.ticks.indices {
      y.ticks[index].box.x += areaLeft - (gap + tick) * font
    }
    return (area, x, y)
  }

  /// The room of a tick's label.
  private static func size(_ tick: Plot.Tick, _ font: Double) -> (width: Double, height: Double) {
    (
      max(tick.label.width(size: font), tick.second?.width(size: second * font) ?? 0),
      (tick.second == nil ? 1 : 1.95) * font
    )
  }

  /// The densest set of marks whose labels are apart, by half a font's size or more side by side and a
  /// third above one another; of no set the first mark alone.
  private static func marks(
    _ axis: AxisPlace, _ font: Double, box: (Plot.Tick, Double) -> Box
  ) -> [(tick: Plot.Tick, place: Double, box: Box)] {
    let candidates = axis.axis.candidates(within: axis.range).map { ticks in
      ticks.compactMap { tick in axis.place(tick.value).map { (tick, $0, box(tick, $0)) } }
    }
    let isUpright = axis.start > axis.end
    return candidates.first { ticks in
      zip(ticks, ticks.dropFirst()).allSatisfy { before, after in
        isUpright
          ? after.2.bottom + font / 3 <= before.2.y : before.2.right + font / 2 <= after.2.x
      }
    } ?? candidates.last.map { Array($0.prefix(1)) } ?? []
  }

  // MARK: Legend

  /// A legend of as many columns as find room, at the top of `box`.
  static func legend(_ series: [Plot.Series], in box: Box, _ font: Double) -> Legend {
    let font = font * min(1, box.width / max(entryWidth(series, font), 1))
    let column = entryWidth(series, font)
    let most = max(1, min(series.count, Int((box.width + font) / (column + font))))
    let rows = (series.count + most - 1) / most
    // Rows of about the same length.
    let columns = rows > 0 ? (series.count + rows - 1) / rows : 1
    let width = Double(columns) * (column + font) - font
    let left = box.x + max(0, (box.width - width) / 2)
    return Legend(
      series: series, font: font,
      box: Box(
        x: left, y: box.y, width: width, height: Double(rows) * line * font + 0.2 * font),
      places: series.indices.map { index in
        (
          left + Double(index % columns) * (column + font),
          box.y + (Double(index / columns) + 0.5) * line * font
        )
      })
  }

  private static func entryWidth(_ series: [Plot.Series], _ font: Double) -> Double {
    let names = series.map { PlotText($0.name ?? "").width(size: font) }
    return (sample + 0.4) * font + (names.max() ?? 0)
  }

  /// A legend in a corner where nothing is drawn; nil where there is none.
  private static func corner(
    _ series: [Plot.Series], _ plot: Plot, _ area: Box, _ x: AxisPlace, _ y: AxisPlace,
    _ font: Double
  ) -> Legend? {
    let width = entryWidth(series, font)
    let height = (Double(series.count) * line + 0.2) * font
    let inset = 0.5 * font
    guard width + 2 * inset < area.width, height + 2 * inset < area.height else { return nil }
    let corners = [
      (area.right - width - inset, area.y + inset), (area.x + inset, area.y + inset),
      (area.right - width - inset, area.bottom - height - inset),
      (area.x + inset, area.bottom - height - inset),
    ]
    let free = corners.map { Box(x: $0.0, y: $0.1, width: width, height: height) }
      .first { !isOccupied($0.grown(by: 0.5 * font), plot, x, y) }
    return free.map { legend(series, in: $0, font) }
  }

  /// Whether a line, a marker, a band or a bar touches a box.
  static func isOccupied(_ box: Box, _ plot: Plot, _ x: AxisPlace, _ y: AxisPlace) -> Bool {
    func place(_ pointX: Double, _ pointY: Double?) -> (x: Double, y: Double)? {
      guard let pointY, let left = x.place(pointX), let top = y.place(pointY) else { return nil }
      return (left, top)
    }
    func isCrossed(_ a: (x: Double, y: Double)?, _ b: (x: Double, y: Double)?) -> Bool {
      guard let a, let b else { return false }
      return box.isCrossed(from: a, to: b)
    }
    return plot.series.contains { series in
      let points = series.points.map { place($0.x, $0.y) }
      let line =
        series.style.hasLine ? (series.line ?? series.points).map { place($0.x, $0.y) } : []
      let bars = series.bars.map {
        (place($0.x.lowerBound, $0.y.lowerBound), place($0.x.upperBound, $0.y.upperBound))
      }
      // A band is upright lines, close to one another.
      let band = zip(series.band, series.band.dropFirst()).flatMap { a, b in
        (0...8).map { step in
          let share = Double(step) / 8
          func between(_ from: Double, _ to: Double) -> Double { from + share * (to - from) }
          let left = between(a.x, b.x)
          return (place(left, between(a.low, b.low)), place(left, between(a.high, b.high)))
        }
      }
      return points.contains { isCrossed($0, $0) }
        || zip(line, line.dropFirst()).contains(where: isCrossed)
        || (bars + band).contains(where: isCrossed)
    }
  }
}

extension Plot.Series.Style {
  /// Whether points are joined.
  var hasLine: Bool {
    switch self {
    case .line, .curve, .fit, .dashed, .dotted: true
    case .dots, .rings, .crosses: false
    }
  }
}

/// Where the panels of a picture are: side by side, as many as find room, with one legend where theirs
/// are the same.
struct PictureLayout {
  let picture: Picture
  let font: Double
  let width, height: Double
  let panels: [PlotLayout]
  /// The panels' common legend.
  let legend: PlotLayout.Legend?

  /// The least width of a panel beside others, as a multiple of the font's size.
  static let panel = 18.0

  /// - height: nil: as is usual for the width. It is more where names need it.
  init(_ picture: Picture, width: Double, height: Double? = nil, font: Double) {
    let count = max(picture.panels.count, 1)
    let between = 1.2 * font
    let columns = max(1, min(count, Int((width + between) / (Self.panel * font + between))))
    let rows = (count + columns - 1) / columns
    let panelWidth = (width - Double(columns - 1) * between) / Double(columns)
    let names = picture.panels.map { $0.series.filter { $0.name != nil } }
    let isShared = count > 1 && Set(names.map { $0.map(\.look) }).count == 1
    let shared = isShared ? names[0] : []
    let common = PlotLayout.legend(
      shared, in: Box(x: 0, y: 0, width: width, height: 0), font)
    let below = shared.isEmpty ? 0 : common.box.height + 0.4 * font
    let panelHeight = height.map {
      ($0 - below - Double(rows - 1) * between) / Double(rows)
    }
    var panels: [PlotLayout] = []
    var top = 0.0
    for row in 0..<rows {
      let members = picture.panels.dropFirst(row * columns).prefix(columns)
      let laid = members.enumerated().map { column, plot in
        PlotLayout(
          plot, x: Double(column) * (panelWidth + between), y: top, width: panelWidth,
          height: panelHeight, font: font, hasTitle: count > 1, hasLegend: !isShared)
      }
      panels += laid
      top = (laid.map(\.box.bottom).max() ?? top) + (row < rows - 1 ? between : 0)
    }
    legend =
      shared.isEmpty
      ? nil
      : PlotLayout.legend(
        shared, in: Box(x: 0, y: top + 0.4 * font, width: width, height: 0), font)
    (self.picture, self.font, self.width) = (picture, font, width)
    (self.panels, self.height) = (panels, max(legend?.box.bottom ?? top, height ?? 0))
  }
}

extension Plot.Series {
  /// What a legend shows of it.
  struct Look: Hashable {
    let name: String?
    let colour: PlotColour
    let index: Int
    let style: Style
  }

  var look: Look { Look(name: name, colour: colour, index: index, style: style) }
}
