import Foundation
import Testing

@testable import Experiments

@Suite struct PictureTests {
  /// A panel like those of reports: falling and rising curves with bands, bars, rings and gaps.
  static func plot(
    curves: Int, seed: UInt64, x kind: Plot.Axis.Kind = .powersOfTwo, name: String = "width",
    legend: Plot.LegendPlace = .freeCorner
  ) -> Plot {
    var random = SplitMix(state: seed)
    let values = (0..<9).map { kind == .logarithmic ? exp2(Double($0)) : Double($0) - 11 }
    let series = (0..<curves).map { curve in
      let (middle, steepness) = (
        Double.random(in: -11...(-3), using: &random),
        Double.random(in: 0.02...0.12, using: &random)
      )
      func height(_ x: Double) -> Double {
        let distance = (kind == .logarithmic ? log2(x) - 11 : x) - middle
        return 0.1 * Double(curve + 1) * exp(steepness * distance * distance)
      }
      return Plot.Series(
        name: "\(name) \(curve)", colour: .ordered(curve, of: curves), index: curve, style: .line,
        points: values.map { Plot.Point(x: $0, y: height($0)) },
        band: values.map { (x: $0, low: 0.9 * height($0), high: 1.1 * height($0)) },
        bars: [Plot.Bar(x: values[3]...values[4], y: height(values[3])...height(values[3]))])
    }
    return Plot(
      id: "p\(seed)", title: "T", description: "D",
      x: Plot.Axis(label: "learning rate", kind: kind),
      y: .logarithmic("loss", over: series.flatMap { $0.points.compactMap(\.y) }), series: series,
      legend: legend)
  }

  // MARK: Text

  @Test(arguments: [
    (0.0, "0"), (1.0, "1"), (-0.004, "0"), (12.345, "12.35"), (-0.05, "-0.05"), (3.1, "3.1"),
    (1e6 + 0.5, "1000000.5"),
  ]) func numbers_areToAHundredth(value: Double, text: String) {
    #expect(SVGNumber.text(value) == text)
  }

  @Test func powers_areRaised_andTheLineComesBack() {
    let text = PlotText("rate 2^−7.5 = n^0.5")
    #expect(text.parts.map(\.text) == ["rate 2", "−7.5", " = n", "0.5"])
    #expect(text.parts.map(\.isRaised) == [false, true, false, true])
    #expect(
      text.nodes(size: 10).map(\.rendered).joined()
        == "rate 2<tspan dy=\"-3.8\" font-size=\"7.2\">−7.5</tspan>"
        + "<tspan dy=\"3.8\">\u{A0}= n</tspan><tspan dy=\"-3.8\" font-size=\"7.2\">0.5</tspan>")
    // Ten digits of 0.64 each.
    #expect(PlotText("0123456789").width(size: 10) == 64)
    #expect(PlotText("0123456789").size(10, within: 32) == 5)
  }

  // MARK: Axes

  @Test func ticksOfNumbers_areRound_few_andInside() {
    for (low, high) in [(0.09, 0.9), (1e-9, 1e6), (0.5, 0.6), (3.0, 4000), (1e-3, 2e-3)] {
      for kind in [Plot.Axis.Kind.logarithmic, .linear] {
        let axis = Plot.Axis(label: "", kind: kind)
        let sets = axis.candidates(within: low...high).map { $0.map(\.value) }
        #expect(!sets.isEmpty && (3...9).contains(sets[0].count), "\(kind) \(low)…\(high): \(sets)")
        #expect(sets.joined().allSatisfy((low...high).contains))
      }
    }
    #expect(
      [0.25, 1e-7, 2e6, 1e5, 1000, 0, -0.5].map(Plot.Axis.label) == [
        "0.25", "10^−7", "2·10^6", "10^5", "1000", "0", "−0.5",
      ])
  }

  @Test func rates_standAsPowerAndAsNumber() {
    let axis = Plot.Axis(label: "", kind: .powersOfTwo)
    let ticks = axis.candidates(within: -11.2...(-4.8))[0]
    #expect(ticks.map(\.value) == [-11, -10, -9, -8, -7, -6, -5])
    #expect(ticks[3].label == PlotText("2^−8") && ticks[3].second == PlotText("0.0039"))
    // Less than two octaves have halves too.
    #expect(axis.candidates(within: -8.1...(-7))[0].map(\.value) == [-8, -7.5, -7])
    #expect(
      [0.125, 0.0625, 3.0 / 700, 1.5e-5, 8192].map(Plot.Axis.shortly) == [
        "0.125", "0.0625", "0.0043", "1.5·10^−5", "8192",
      ])
  }

  /// Values at the ends of what a Double holds have places and labels; found by Tests/Fuzz.
  @Test func extremes_areMarked() {
    let powers = Plot.Axis(label: "", kind: .powersOfTwo).candidates(within: 100...1100)
    #expect(powers.contains { $0.contains { $0.value == 1024 && $0.second == nil } })
    for values in [[5e-324, 1e308], [5e-324], [.greatestFiniteMagnitude], [1e-300, 1e300]] {
      let ranges = [
        Plot.Axis.logarithmic("", over: values).range,
        Plot.Axis(label: "", kind: .logarithmic).range(over: values),
      ].compactMap(\.self)
      for range in ranges {
        #expect(range.lowerBound > 0 && range.upperBound.isFinite, "\(values): \(range)")
        _ = Plot.Axis(label: "", kind: .logarithmic).candidates(within: range)
      }
    }
  }

  @Test func places_areThoseOfArithmetic() throws {
    let straight = PlotLayout.AxisPlace(
      axis: Plot.Axis(label: ""), range: -10...10, start: 100, end: 300)
    #expect(straight.place(5) == 250)
    let logarithmic = PlotLayout.AxisPlace(
      axis: Plot.Axis(label: "", kind: .logarithmic), range: 1...10000, start: 200, end: 0)
    #expect(abs(try #require(logarithmic.place(10)) - 150) < 1e-9)
    #expect(logarithmic.place(0) == nil && logarithmic.place(-1) == nil)

    let plot = Plot(
      id: "p", title: "", description: "", x: Plot.Axis(label: "", range: 0...4),
      y: Plot.Axis(label: "", range: 0...1),
      series: [
        Plot.Series(
          name: nil, colour: .ink, style: .dashed,
          points: [
            .init(x: 0, y: 0), .init(x: 1, y: 1), .init(x: 2, y: nil), .init(x: 3, y: 0.25),
            .init(x: 4, y: .nan), .init(x: 4, y: 0.5),
          ])
      ])
    let area = PlotLayout(plot, width: 200, font: 10).area
    func place(_ x: Double, _ y: Double) -> String {
      SVGNumber.text(area.x + x / 4 * area.width) + ","
        + SVGNumber.text(area.y + (1 - y) * area.height)
    }
    let svg = PictureDrawing.file(Picture(plot), width: 200, fontSize: 10)
    // A gap ends a line.
    #expect(
      svg.contains("d=\"M\(place(0, 0))L\(place(1, 1))M\(place(3, 0.25))M\(place(4, 0.5))\""),
      "\(svg)")
  }

  // MARK: Layout

  @Test(arguments: [
    Plot.Axis.Kind.powersOfTwo, .linear, .logarithmic,
  ]) func labelsOfTicks_areApart_atEverySize(kind: Plot.Axis.Kind) {
    for width in stride(from: 112.0, through: 600, by: 31) {
      for (places, seed) in [([Double](), UInt64(1)), ([1, 2, 3, 4, 6, 8, 100, 128, 256], 2)] {
        var plot = Self.plot(curves: 2, seed: seed, x: kind)
        if !places.isEmpty && kind == .logarithmic {
          plot = Plot(
            id: "p", title: "", description: "",
            x: Plot.Axis(label: "", kind: kind, places: places), y: plot.x, series: plot.series)
        }
        let layout = PlotLayout(plot, width: width, height: 0.7 * width, font: 8)
        for axis in [layout.x, layout.y] {
          #expect(!axis.ticks.isEmpty)
          for (before, after) in zip(axis.ticks, axis.ticks.dropFirst()) {
            #expect(!before.box.overlaps(after.box), "\(width): \(before) \(after)")
          }
          let whole = Box(x: 0, y: 0, width: width, height: layout.box.bottom)
          for tick in axis.ticks {
            #expect(
              whole.x <= tick.box.x + 0.01 && tick.box.right <= whole.right + 0.01
                && whole.y <= tick.box.y && tick.box.bottom <= whole.bottom, "\(width): \(tick)")
          }
        }
      }
    }
  }

  /// Sampled densely, without the layout's own test of what is free.
  @Test func legends_areNeverOverData() throws {
    var inside = 0
    for seed in 1...60 {
      let plot = Self.plot(curves: 1 + seed % 6, seed: UInt64(seed))
      let layout = PlotLayout(plot, width: 200 + Double(seed) * 3, font: 8)
      let legend = try #require(layout.legend)
      #expect(legend.places.count == plot.series.count)
      for place in legend.places {
        #expect(legend.box.x - 0.01 <= place.x && place.y < legend.box.bottom)
      }
      #expect(legend.box.x >= 0 && legend.box.right <= layout.box.right + 0.01)
      guard legend.box.overlaps(layout.area) else {
        #expect(legend.box.y >= layout.xLabel.y)
        continue
      }
      inside += 1
      for series in plot.series {
        for (a, b) in zip(series.points, series.points.dropFirst()) {
          let ends = try [a, b].map { point in
            (
              x: try #require(layout.x.place(point.x)),
              y: try #require(point.y.flatMap(layout.y.place))
            )
          }
          for share in stride(from: 0.0, through: 1, by: 0.01) {
            let x = ends[0].x + share * (ends[1].x - ends[0].x)
            let y = ends[0].y + share * (ends[1].y - ends[0].y)
            #expect(
              !legend.box.overlaps(Box(x: x - 1, y: y - 1, width: 2, height: 2)), "seed \(seed)")
          }
        }
      }
    }
    // Both ways out are taken.
    #expect(inside > 5 && inside < 55, "\(inside)")
  }

  @Test func boxes_areCrossedByWhatTouchesThem() {
    let box = Box(x: 10, y: 10, width: 10, height: 10)
    #expect(
      box.isCrossed(from: (0, 0), to: (30, 30)) && box.isCrossed(from: (15, 15), to: (15, 15)))
    #expect(box.isCrossed(from: (5, 15), to: (12, 15)))
    #expect(!box.isCrossed(from: (0, 0), to: (9, 40)) && !box.isCrossed(from: (5, 5), to: (5, 5)))
    #expect(!box.isCrossed(from: (0, 25), to: (30, 25)))
  }

  @Test func panels_standSideBySideWhereTheyFindRoom_withOneLegend() throws {
    let panels = [1, 1].map { Self.plot(curves: 3, seed: $0, legend: .below) }
    let picture = Picture(name: "two", title: "", description: "", panels: panels)
    let wide = PictureLayout(picture, width: 480, font: 8)
    #expect(wide.panels[0].area.y == wide.panels[1].area.y)
    #expect(wide.panels[0].box.right < wide.panels[1].box.x)
    #expect(wide.panels.allSatisfy { $0.legend == nil } && wide.legend?.series.count == 3)
    let narrow = PictureLayout(picture, width: 240, font: 8)
    #expect(narrow.panels[0].area.x == narrow.panels[1].area.x)
    #expect(narrow.panels[0].box.bottom < narrow.panels[1].box.y)
    let fixed = PictureLayout(picture, width: 480, height: 200, font: 8)
    #expect(abs(fixed.height - 200) < 0.01)
    #expect(try #require(fixed.legend).box.bottom <= 200.01)
    // Unlike legends stay with their panels.
    let unlike = Picture(
      name: "two", title: "", description: "",
      panels: [panels[0], Self.plot(curves: 2, seed: 3, legend: .below)])
    let layout = PictureLayout(unlike, width: 480, font: 8)
    #expect(layout.legend == nil && layout.panels.allSatisfy { $0.legend != nil })
  }

  // MARK: SVG

  @Test func files_areWellFormed_escapeNames_andAreTheSameAgain() throws {
    let name = "a<b>&\"'\u{1}"
    let plot = Self.plot(curves: 3, seed: 5, name: name)
    let svg = PictureDrawing.file(Picture(plot), width: 240, fontSize: 8)
    let page = ParsedPage(svg)
    #expect(page.problem == nil)
    #expect(page.texts["text"]?.contains("a<b>&\"'\u{FFFD} 0") == true)
    #expect(!svg.contains("<b>") && !svg.contains("var(") && !svg.contains("currentColor"))
    #expect(svg == PictureDrawing.file(Picture(plot), width: 240, fontSize: 8))
    let root = try #require(page.elements.first)
    #expect(root.attributes["width"] == "240pt" && root.attributes["role"] == "img")
    #expect(page.texts["title"] == ["T"] && page.texts["desc"] == ["D"])
    // A band, a line and markers a series.
    let colours = page.elements.filter {
      $0.attributes["fill"] == PlotColour.ramp(12).value(dark: false)
    }
    #expect(colours.count == 3)  // band, markers, legend's marker
  }

  @Test func drawingsOfPages_takeColoursAndFontFromThem() throws {
    let svg = PictureDrawing.inline(Self.plot(curves: 2, seed: 6)).rendered
    #expect(
      !svg.contains("#1b1b1b") && !svg.contains("font-family") && svg.contains("var(--ramp-12)"))
    for variable in svg.matches(of: /var\(--([a-z0-9-]+)\)/) {
      #expect(PlotColour.variables.contains { $0.name == variable.1 })
    }
  }

  /// Colours that colour-blind readers and printers tell apart differ in lightness along the ramp.
  @Test(arguments: [false, true]) func ramp_goesFromFaintToStrong(dark: Bool) throws {
    func lightness(_ colour: PlotColour) throws -> Double {
      let hex = try #require(UInt32(colour.value(dark: dark).dropFirst(), radix: 16))
      let channels = [hex >> 16, hex >> 8 & 255, hex & 255].map { value -> Double in
        let share = Double(value) / 255
        return share <= 0.04045 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4)
      }
      return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]
    }
    let ramp = try (0..<PlotColour.steps).map { try lightness(.ramp($0)) }
    for (before, after) in zip(ramp, ramp.dropFirst()) {
      #expect(dark ? after > before : after < before)
    }
    // 2.4 to 1 at least between a line and the page behind it; markers and dashes help.
    let paper = dark ? 0.0086 : 1.0
    for colour in (0..<PlotColour.steps).map(PlotColour.ramp) + (0..<6).map(PlotColour.kind) {
      let other = try lightness(colour)
      #expect((max(paper, other) + 0.05) / (min(paper, other) + 0.05) >= 2.4, "\(colour)")
    }
  }

  // MARK: Files

  @Test(
    arguments: [
      ("85mm", 240.945, nil), ("85x60mm", 240.945, 170.079), ("3.25inx2in", 234, 144),
      ("8.5cm", 240.945, nil), ("240pt", 240, nil), ("100ptx5cm", 100, 141.732),
    ] as [(String, Double, Double?)])
  func sizes_areRead(text: String, width: Double, height: Double?) throws {
    let size = try #require(PictureFiles.Size(text))
    #expect(abs(size.width - width) < 0.01)
    #expect((size.height == nil) == (height == nil))
    if let height { #expect(abs((size.height ?? 0) - height) < 0.01) }
  }

  @Test(arguments: ["", "85", "85px", "mm", "-85mm", "85x60", "1e3mm", "0mm", "9999cm", "85mmx0mm"])
  func otherSizes_areNone(text: String) { #expect(PictureFiles.Size(text) == nil) }

  @Test func files_needTheirProgram_andRoomForText() throws {
    #expect(throws: PictureFiles.Failure.noConverter(.pdf)) {
      try PictureFiles([.svg, .pdf], path: "/nowhere:")
    }
    let size = try #require(PictureFiles.Size("30mm"))
    #expect(throws: PictureFiles.Failure.tooSmall(size, fontSize: 8)) {
      try PictureFiles([.svg], size: size, path: "")
    }
    #expect(
      PictureFiles.Failure.tooSmall(size, fontSize: 8).description
        == "a picture of 30mm is too small for text of 8 pt: expected at least 112x80pt")
  }

  @Test func programThatFails_isAFailureInItsWords_andLeavesNoFiles() throws {
    try Fixture.inDirectory { directory in
      let program = directory.appendingPathComponent("rsvg-convert")
      try Data("#!/bin/sh\necho no fonts here >&2\nexit 3\n".utf8).write(to: program)
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o755], ofItemAtPath: program.path)
      let files = try PictureFiles([.svg, .png], path: directory.path)
      let out = directory.appendingPathComponent("out")
      #expect(
        throws: PictureFiles.Failure.notConverted(file: "p1.png", reason: "no fonts here")
      ) { try files.write([Picture(Self.plot(curves: 1, seed: 1))], in: out) }
      #expect(try FileManager.default.contentsOfDirectory(atPath: out.path) == ["p1.svg"])
    }
  }

  private static let path = ProcessInfo.processInfo.environment["PATH"] ?? ""

  @Test(.enabled(if: (try? PictureFiles([.png], path: path)) != nil))
  func pdfAndPng_areMadeInTheSizeAskedFor() throws {
    try Fixture.inDirectory { directory in
      let files = try PictureFiles(
        [.svg, .pdf, .png, .svg], size: PictureFiles.Size("85x60mm"), path: Self.path)
      let made = try files.write([Picture(Self.plot(curves: 2, seed: 1))], in: directory)
      #expect(made.map(\.lastPathComponent) == ["p1.svg", "p1.pdf", "p1.png"])
      let bytes = try made.map { try Data(contentsOf: $0) }
      #expect(bytes[0].starts(with: Data("<?xml".utf8)))
      #expect(bytes[1].starts(with: Data("%PDF".utf8)))
      #expect(bytes[2].starts(with: [0x89, 0x50, 0x4E, 0x47]))
      // 85 mm and 60 mm at 300 pixels an inch; the header is in big-endian numbers.
      let sizes = [16, 20].map { offset in
        bytes[2][offset..<offset + 4].reduce(0) { 256 * $0 + Int($1) }
      }
      #expect(abs(sizes[0] - 1004) <= 1 && abs(sizes[1] - 709) <= 1, "\(sizes)")
    }
  }
}
