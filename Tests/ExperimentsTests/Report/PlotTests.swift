import Foundation
import Testing

@testable import Experiments

@Suite struct PlotTests {
  @Test func html_escapesWhateverIsText() {
    let node = HTMLNode.tag("p", class: "a\"b", [.text("<&>'\"\u{0}\u{8}é"), .tag("br")])
    #expect(
      node.rendered == "<p class=\"a&quot;b\">&lt;&amp;&gt;&#39;&quot;\u{FFFD}\u{FFFD}é<br/></p>\n")
  }

  @Test func powersAndIntervals_standOnTheirOwn() {
    let nodes = ReportParts.rich("at 2^−7.25, n^0.5 (95 % −0.1…0.2)")
    let text = nodes.map(\.rendered).joined()
    #expect(text.contains("<span class=\"whole\">2<sup>−7.25</sup></span>,"))
    #expect(text.contains("<span class=\"whole\">n<sup>0.5</sup></span>"))
    #expect(text.contains("<span class=\"whole\">95\u{A0}% −0.1…0.2</span>)"))
  }

  @Test func ticks_areRound_few_andInside() {
    for (low, high) in [(0.09, 0.9), (1e-9, 1e6), (0.5, 0.6), (3.0, 4000), (1e-3, 2e-3)] {
      let ticks = Plot.Axis.roundNumbers(within: low...high)
      #expect(
        ticks.count <= 8 && ticks.allSatisfy { ($0 * 0.999...$0 * 1.001).overlaps(low...high) })
      if high / low > 2 { #expect(ticks.count >= 2, "\(low)…\(high): \(ticks)") }
    }
    #expect(
      [0.25, 1e-7, 2e6, 1e5, 1000, 0].map(Plot.Axis.label) == [
        "0.25", "10⁻⁷", "2·10⁶", "10⁵", "1000", "0",
      ])
  }

  @Test func addresses_areRelativeAndQuoted() {
    func address(_ file: String, _ page: String) -> String {
      ReportParts.address(of: URL(fileURLWithPath: file), from: URL(fileURLWithPath: page))
    }
    #expect(address("/a/b/runs/1", "/a/b") == "runs/1")
    #expect(address("/a/c d#?:x/runs", "/a/b/e") == "../../c%20d%23%3F%3Ax/runs")
    #expect(address("/a/b", "/a/b") == ".")
  }

  @Test func gnuplotStrings_holdNoCommands() {
    #expect(PlotScript.quoted("it's\n`rm`") == "'it''s `rm`'")
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

  @Test func drawing_takesItsColoursFromThePage_andKeepsItsNamesApart() throws {
    let svg = """
      <?xml version="1.0"?>
      <svg
       viewBox="0 0 4 4" xmlns="http://www.w3.org/2000/svg"
       xmlns:xlink="http://www.w3.org/1999/xlink">
      <title>t</title><desc>d</desc>
      <g id="gnuplot_canvas">
      <rect x="0" y="0" width="4" height="4" fill="none"/>
      <defs><circle id='gpDot' r='0.5'/><filter id='f'><feFlood flood-color='white'/></filter></defs>
      <g fill="none" color="black"><g> </g></g>
      <g color="gray"><path stroke='rgb(254,   1,   3)' class="gridline" d='M0,0'/>
      <use xlink:href='#gpDot' color='rgb(254, 2, 1)'/><text fill="rgb(253,1,0)">a &lt; b</text></g>
      </g></svg>
      """
    let node = try #require(
      InlineDrawing(svg: svg, id: "p", title: "T <", description: "D").node)
    #expect(
      node.rendered == "<svg id=\"p\" role=\"img\" aria-labelledby=\"p-title p-desc\" "
        + "viewBox=\"0 0 4 4\" xmlns=\"http://www.w3.org/2000/svg\"><title id=\"p-title\">T &lt;</title>"
        + "<desc id=\"p-desc\">D</desc><g id=\"p-gnuplot_canvas\"><defs><circle id=\"p-gpDot\" "
        + "r=\"0.5\"></circle></defs><g><path stroke=\"var(--ramp-3)\" d=\"M0,0\"></path>"
        + "<use href=\"#p-gpDot\" color=\"var(--kind-1)\"></use><text fill=\"currentColor\">a &lt; b"
        + "</text></g></g></svg>")
    #expect(InlineDrawing(svg: "<svg><g>", id: "p", title: "", description: "").node == nil)
    #expect(InlineDrawing(svg: "gnuplot: no", id: "p", title: "", description: "").node == nil)
  }

  @Test(.enabled(if: ReportFixture.installed != nil)) func png_isPartOfThePage() throws {
    let gnuplot = try #require(ReportFixture.installed)
    try Fixture.inDirectory { directory in
      let plot = Plot(
        id: "p", title: "T", description: "D", x: Plot.Axis(label: "x"),
        y: .logarithmic("y", over: [1, 8]),
        series: [
          Plot.Series(
            name: "it's_a^b", colour: .ramp(2), style: .line,
            points: [.init(x: 0, y: 1), .init(x: 1, y: nil), .init(x: 2, y: 8)],
            band: [(x: 0, low: 1, high: 2), (x: 2, low: 5, high: 9)])
        ])
      for (format, part) in [
        (Gnuplot.Format.png, "data:image/png;base64,iVBOR"), (.svg, "it's_a^b"),
      ] {
        let maker = PictureMaker(gnuplot: gnuplot, format: format, workplace: directory)
        let text = try #require(try maker.picture(of: plot)).rendered
        #expect(text.contains(part), "\(text.prefix(2000))")
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }
  }
}
