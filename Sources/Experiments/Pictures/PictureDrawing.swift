import Foundation

/// A picture as SVG: part of a page, in the page's colours and font, or a file of its own.
struct PictureDrawing {
  private let layout: PictureLayout
  private let colour: (PlotColour) -> String
  private var font: Double { layout.font }

  /// The font of files; a page's drawings have the page's.
  static let fontFamily = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

  /// Width and font size of a page's drawings, in pixels where the page gives them their full width.
  static let (pageWidth, pageFont) = (460.0, 13.0)

  /// A panel as an `svg` element of a page.
  static func inline(_ plot: Plot) -> HTMLNode {
    let layout = PictureLayout(Picture(plot), width: pageWidth, font: pageFont)
    return PictureDrawing(layout: layout, colour: \.css).svg(
      id: plot.id, [("viewBox", layout.viewBox)], behind: [])
  }

  /// The text of a file, `size` points wide, on white paper.
  ///
  /// - height: in points; nil: as is usual for the width.
  /// - fontSize: in points.
  static func file(
    _ picture: Picture, width: Double, height: Double? = nil, fontSize: Double
  ) -> String {
    let layout = PictureLayout(picture, width: width, height: height, font: fontSize)
    let drawing = PictureDrawing(layout: layout) { $0.value(dark: false) }
    let paper = HTMLNode.element(
      "rect", [("width", "100%"), ("height", "100%"), ("fill", "#ffffff")], [])
    let node = drawing.svg(
      id: picture.name,
      [
        ("width", SVGNumber.text(layout.width) + "pt"),
        ("height", SVGNumber.text(layout.height) + "pt"), ("viewBox", layout.viewBox),
        ("font-family", fontFamily),
      ], behind: [paper])
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + node.rendered + "\n"
  }

  private func svg(
    id: String, _ attributes: [(name: String, value: String)], behind: [HTMLNode]
  ) -> HTMLNode {
    .element(
      "svg",
      [
        ("xmlns", "http://www.w3.org/2000/svg"), ("id", id), ("role", "img"),
        ("aria-labelledby", "\(id)-title \(id)-desc"),
      ] + attributes,
      [
        HTMLNode.tag("title", layout.picture.title).with("id", "\(id)-title"),
        HTMLNode.tag("desc", layout.picture.description).with("id", "\(id)-desc"),
      ] + behind
        + layout.panels.enumerated().flatMap { panel($1, clip: "\(id)-area\($0 + 1)") }
        + (layout.legend.map { [legend($0)] } ?? []))
  }

  // MARK: Panel

  private func panel(_ panel: PlotLayout, clip: String) -> [HTMLNode] {
    let area = panel.area
    let series = panel.plot.series
    let lines =
      series.compactMap { band($0, panel) } + series.compactMap { line($0, panel) }
    var drawn = [grid(panel)]
    if reachesOut(panel) {
      let sides = [
        ("x", area.x), ("y", area.y), ("width", area.width), ("height", area.height),
      ].map { ($0.0, number($0.1)) }
      drawn += [
        .element("clipPath", [("id", clip)], [.element("rect", sides, [])]),
        .element("g", [("clip-path", "url(#\(clip))")], lines),
      ]
    } else {
      drawn += lines
    }
    drawn += series.flatMap { marks($0, panel) } + [axes(panel), labels(panel)]
    return drawn + (panel.legend.map { [legend($0)] } ?? [])
  }

  /// Whether a line or a band leaves the area.
  private func reachesOut(_ panel: PlotLayout) -> Bool {
    let area = panel.area.grown(by: 0.01)
    return panel.plot.series.contains { series in
      let band = series.band.flatMap {
        [Plot.Point(x: $0.x, y: $0.low), Plot.Point(x: $0.x, y: $0.high)]
      }
      let line = series.style.hasLine ? series.line ?? series.points : []
      return places(band + line, panel).contains { place in
        place.map { !area.overlaps(Box(x: $0.x, y: $0.y, width: 0, height: 0)) } ?? false
      }
    }
  }

  private func grid(_ panel: PlotLayout) -> HTMLNode {
    let area = panel.area
    let path =
      panel.x.ticks.map { "M\(number($0.place)),\(number(area.y))V\(number(area.bottom))" }
      + panel.y.ticks.map { "M\(number(area.x)),\(number($0.place))H\(number(area.right))" }
    return stroke(path.joined(), .grid, width: 0.05)
  }

  private func axes(_ panel: PlotLayout) -> HTMLNode {
    let area = panel.area
    let (long, short) = (PlotLayout.tick * font, 0.5 * PlotLayout.tick * font)
    let small = { (axis: PlotLayout.AxisPlace) in
      axis.axis.minorPlaces(within: axis.range).compactMap(axis.place)
    }
    func below(_ x: Double, _ length: Double) -> String {
      "M\(number(x)),\(number(area.bottom))v\(number(length))"
    }
    func beside(_ y: Double, _ length: Double) -> String {
      "M\(number(area.x)),\(number(y))h\(number(-length))"
    }
    let path =
      [
        "M\(number(area.x)),\(number(area.y))V\(number(area.bottom))H\(number(area.right))"
      ]
      + small(panel.x).map { below($0, short) } + panel.x.ticks.map { below($0.place, long) }
      + small(panel.y).map { beside($0, short) } + panel.y.ticks.map { beside($0.place, long) }
    return stroke(path.joined(), .ink, width: 0.06)
  }

  private func labels(_ panel: PlotLayout) -> HTMLNode {
    var nodes: [HTMLNode] = []
    for (tick, place, box) in panel.x.ticks {
      nodes.append(text(tick.label, x: place, y: box.y + 0.8 * font, anchor: "middle"))
      if let second = tick.second {
        nodes.append(
          text(
            second, x: place, y: box.y + 1.78 * font, anchor: "middle",
            size: PlotLayout.second * font, .muted))
      }
    }
    for (tick, place, box) in panel.y.ticks {
      let baseline = place + (tick.second == nil ? 0.35 : -0.1) * font
      nodes.append(text(tick.label, x: box.right, y: baseline, anchor: "end"))
      if let second = tick.second {
        nodes.append(
          text(
            second, x: box.right, y: baseline + 0.95 * font, anchor: "end",
            size: PlotLayout.second * font, .muted))
      }
    }
    func fitted(
      _ words: String, _ place: (x: Double, y: Double), within room: Double, anchor: String
    ) -> HTMLNode {
      let words = PlotText(words)
      let size = words.size(font, within: room)
      return text(
        words, x: place.x, y: place.y, anchor: anchor, size: size == font ? nil : size)
    }
    nodes.append(
      fitted(panel.plot.x.label, panel.xLabel, within: panel.area.width, anchor: "middle"))
    nodes.append(
      fitted(
        panel.plot.y.label, panel.yLabel, within: panel.area.bottom - panel.box.y,
        anchor: "middle"
      ).with("transform", "rotate(-90 \(number(panel.yLabel.x)) \(number(panel.yLabel.y)))"))
    if let title = panel.title {
      // Bold is a tenth wider.
      nodes.append(
        fitted(panel.plot.title, title, within: panel.area.width / 1.1, anchor: "start")
          .with("font-weight", "bold"))
    }
    return .element(
      "g", [("font-size", number(font)), ("fill", colour(.ink))], nodes)
  }

  private func text(
    _ text: PlotText, x: Double, y: Double, anchor: String, size: Double? = nil,
    _ fill: PlotColour? = nil
  ) -> HTMLNode {
    var attributes = [("x", number(x)), ("y", number(y))]
    if anchor != "start" { attributes.append(("text-anchor", anchor)) }
    if let size { attributes.append(("font-size", number(size))) }
    if let fill { attributes.append(("fill", colour(fill))) }
    return .element("text", attributes, text.nodes(size: size ?? font))
  }

  // MARK: Series

  /// The places of the points; nil in gaps.
  private func places(
    _ points: [Plot.Point], _ panel: PlotLayout
  ) -> [(x: Double, y: Double)?] {
    points.map { point in
      guard let value = point.y, let x = panel.x.place(point.x), let y = panel.y.place(value) else {
        return nil
      }
      return (x, y)
    }
  }

  private func band(_ series: Plot.Series, _ panel: PlotLayout) -> HTMLNode? {
    guard series.band.count > 1 else { return nil }
    let upper = places(series.band.map { Plot.Point(x: $0.x, y: $0.high) }, panel)
    let lower = places(series.band.map { Plot.Point(x: $0.x, y: $0.low) }, panel)
    return .element(
      "path",
      [
        ("d", path(upper + lower.reversed()) + "Z"), ("fill", colour(series.colour)),
        ("fill-opacity", "0.12"),
      ], [])
  }

  private func line(_ series: Plot.Series, _ panel: PlotLayout) -> HTMLNode? {
    guard series.style.hasLine else { return nil }
    let path = path(places(series.line ?? series.points, panel))
    return path.isEmpty ? nil : stroke(path, series)
  }

  /// Lines between what follows one another without a gap.
  private func path(_ places: [(x: Double, y: Double)?]) -> String {
    var result = ""
    var isDrawing = false
    for place in places {
      if let place {
        result += "\(isDrawing ? "L" : "M")\(number(place.x)),\(number(place.y))"
      }
      isDrawing = place != nil
    }
    return result
  }

  private func stroke(_ path: String, _ series: Plot.Series) -> HTMLNode {
    switch series.style {
    case .line, .curve: stroke(path, series.colour, width: 0.12)
    case .fit: stroke(path, series.colour, width: 0.08)
    case .dashed: stroke(path, series.colour, width: 0.09, dash: [0.55, 0.3])
    case .dotted: stroke(path, series.colour, width: 0.11, dash: [0.01, 0.3])
    case .dots: stroke(path, series.colour, width: 0.08)
    case .rings: stroke(path, series.colour, width: 0.11)
    case .crosses: stroke(path, series.colour, width: 0.13)
    }
  }

  /// Bars and markers, those of the inside of the panel.
  private func marks(_ series: Plot.Series, _ panel: PlotLayout) -> [HTMLNode] {
    let bars = series.bars.map { bar($0, panel) }.joined()
    let near = panel.area.grown(by: 0.5)
    var points = places(series.points, panel).compactMap { $0 }
      .filter { near.x <= $0.x && $0.x <= near.right && near.y <= $0.y && $0.y <= near.bottom }
    if series.style == .curve, points.count > 9 {
      // Six markers a line, not all at the same places.
      let every = points.count / 6
      let first = every / 2 + (series.index % 3) * every / 4
      points = stride(from: first, to: points.count, by: every).map { points[$0] }
    }
    return (bars.isEmpty ? [] : [stroke(bars, series.colour, width: 0.1)])
      + (points.isEmpty ? [] : [marker(series, at: points)].compactMap { $0 })
  }

  private func bar(_ bar: Plot.Bar, _ panel: PlotLayout) -> String {
    let area = panel.area
    func inside(_ place: Double?, _ low: Double, _ high: Double) -> Double {
      min(max(place ?? low, low), high)
    }
    let (left, right) = (
      inside(panel.x.place(bar.x.lowerBound), area.x, area.right),
      inside(panel.x.place(bar.x.upperBound), area.x, area.right)
    )
    let (low, high) = (
      inside(panel.y.place(bar.y.lowerBound), area.y, area.bottom),
      inside(panel.y.place(bar.y.upperBound), area.y, area.bottom)
    )
    let end = 0.22 * font
    let isUpright = bar.x.lowerBound == bar.x.upperBound
    let ends = [(left, low), (right, high)].map { x, y in
      isUpright
        ? "M\(number(x - end)),\(number(y))h\(number(2 * end))"
        : "M\(number(x)),\(number(y - end))v\(number(2 * end))"
    }
    return "M\(number(left)),\(number(low))L\(number(right)),\(number(high))" + ends.joined()
  }

  private func marker(_ series: Plot.Series, at places: [(x: Double, y: Double)]) -> HTMLNode? {
    let size =
      PlotLayout.marker * font
      * (series.style == .rings ? 1.6 : series.style == .dots ? 0.8 : 1)
    let shape: MarkerShape
    switch series.style {
    case .line, .curve, .dots: shape = MarkerShape.ordered(series.index)
    case .rings: shape = MarkerShape(outline: .circle, isOpen: true)
    case .crosses: shape = MarkerShape(outline: .cross, isOpen: true)
    case .fit, .dashed, .dotted: return nil
    }
    let path = places.map { shape.path(x: $0.x, y: $0.y, size: size) }.joined()
    if shape.isOpen { return stroke(path, series.colour, width: 0.11) }
    return .element("path", [("d", path), ("fill", colour(series.colour))], [])
  }

  // MARK: Legend

  private func legend(_ legend: PlotLayout.Legend) -> HTMLNode {
    let font = legend.font
    let entries = zip(legend.series, legend.places).flatMap { series, place -> [HTMLNode] in
      let middle = (x: place.x + PlotLayout.sample / 2 * font, y: place.y)
      let line =
        "M\(number(place.x)),\(number(place.y))h\(number(PlotLayout.sample * font))"
      return [
        series.style.hasLine ? stroke(line, series) : nil, marker(series, at: [middle]),
        text(
          PlotText(series.name ?? ""), x: place.x + (PlotLayout.sample + 0.4) * font,
          y: place.y + 0.35 * font, anchor: "start", size: font == self.font ? nil : font),
      ].compactMap { $0 }
    }
    return .element(
      "g", [("font-size", number(self.font)), ("fill", colour(.ink))], entries)
  }

  // MARK: Parts

  /// - width, dash: multiples of the font's size.
  private func stroke(
    _ path: String, _ stroke: PlotColour, width: Double, dash: [Double] = []
  ) -> HTMLNode {
    var attributes = [
      ("d", path), ("fill", "none"), ("stroke", colour(stroke)),
      ("stroke-width", number(width * font)),
    ]
    if !dash.isEmpty {
      attributes.append(
        ("stroke-dasharray", dash.map { number($0 * font) }.joined(separator: " ")))
      if dash[0] < width { attributes.append(("stroke-linecap", "round")) }
    }
    return .element("path", attributes, [])
  }

  private func number(_ value: Double) -> String { SVGNumber.text(value) }
}

extension PictureLayout {
  var viewBox: String { "0 0 \(SVGNumber.text(width)) \(SVGNumber.text(height))" }
}

/// Shapes that tell series apart without colour.
private struct MarkerShape {
  enum Outline: CaseIterable {
    case circle, square, triangle, diamond, wedge, cross
  }

  let outline: Outline
  let isOpen: Bool

  /// Filled shapes first, then the same ones open.
  static func ordered(_ index: Int) -> MarkerShape {
    let outlines = Outline.allCases.filter { $0 != .cross }
    return MarkerShape(
      outline: outlines[index % outlines.count], isOpen: index / outlines.count % 2 == 1)
  }

  /// - size: half the height, about.
  func path(x: Double, y: Double, size: Double) -> String {
    let n = SVGNumber.text
    func polygon(_ corners: [(Double, Double)]) -> String {
      "M" + corners.map { "\(n(x + $0.0 * size)),\(n(y + $0.1 * size))" }.joined(separator: "L")
        + "Z"
    }
    switch outline {
    case .circle:
      return "M\(n(x - size)),\(n(y))a\(n(size)),\(n(size)) 0 1 0 \(n(2 * size)),0"
        + "a\(n(size)),\(n(size)) 0 1 0 \(n(-2 * size)),0Z"
    case .square: return polygon([(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)])
    case .triangle: return polygon([(0, -1.2), (1.1, 0.8), (-1.1, 0.8)])
    case .diamond: return polygon([(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)])
    case .wedge: return polygon([(0, 1.2), (1.1, -0.8), (-1.1, -0.8)])
    case .cross:
      return "M\(n(x - size)),\(n(y - size))l\(n(2 * size)),\(n(2 * size))"
        + "M\(n(x - size)),\(n(y + size))l\(n(2 * size)),\(n(-2 * size))"
    }
  }
}
