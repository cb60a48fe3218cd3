import Foundation
import Testing

@testable import Experiments

@Suite struct ReportPartsTests {
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

  @Test func addresses_areRelativeAndQuoted() {
    func address(_ file: String, _ page: String) -> String {
      ReportParts.address(of: URL(fileURLWithPath: file), from: URL(fileURLWithPath: page))
    }
    #expect(address("/a/b/runs/1", "/a/b") == "runs/1")
    #expect(address("/a/c d#?:x/runs", "/a/b/e") == "../../c%20d%23%3F%3Ax/runs")
    #expect(address("/a/b", "/a/b") == ".")
  }

  @Test func identifiers_areLettersDigitsAndHyphens() {
    #expect(ReportParts.identifier("A: sp, adam, rate 2^−7.5") == "a-sp-adam-rate-2-7-5")
    #expect(ReportParts.identifier("../é<") == "unnamed")
    #expect(ReportParts.identifier(String(repeating: "x", count: 300)).count == 100)
  }

  @Test func identifiersOfSeveral_areUnique() {
    let texts = ["a", "A", "a 2", "a", "方法", "法"]
    let ids = ReportParts.identifiers(texts)
    #expect(ids == ["a", "a-3", "a-2", "a-4", "unnamed", "unnamed-2"])
  }

  /// Every table is a list where its box is narrower than it.
  @Test func tables_haveTheLeastClassThatHoldsThem() throws {
    let narrow = ReportParts.table(["", "a"], texts: [["b", "0.1"]], label: "t").rendered
    let wide = ReportParts.table(
      ["", "a", "b", "c"], texts: [["b", "0.1234 to 0.5678", "0.1", "a long sentence"]], label: "t"
    ).rendered
    func width(_ html: String) throws -> Int {
      let match = try #require(html.firstMatch(of: /table class="w([0-9]+)"/))
      return try #require(Int(match.1))
    }
    #expect(try width(narrow) < width(wide))
    #expect(try ReportStyle.css.contains("(max-width: \(width(wide))rem) { .w\(width(wide)),"))
    #expect(wide.contains("<td data-label=\"c\">"))
  }
}
