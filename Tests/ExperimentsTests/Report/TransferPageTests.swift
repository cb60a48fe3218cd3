import Foundation
import Testing

@testable import Experiments

/// What a page says of the verdict, of sweeps and of tables of results alike.
@Suite struct TransferPageTests {
  /// A table with a method whose best rate stays, one whose moves down by an octave a doubling, and one run
  /// that diverged.
  private static let table: String = {
    var lines = ["method,width,lr,seed,val_loss"]
    for (method, drift) in [("<sp>", -1.0), ("mup", 0)] {
      for (octave, width) in [64, 128, 256].enumerated() {
        for rate in -12...(-6) {
          for seed in 1...3 {
            let x = Double(rate) + 8 - drift * Double(octave)
            let loss = (1 + 0.001 * Double(seed)) * exp(0.05 * x * x)
            let diverges = method == "<sp>" && width == 256 && rate == -6 && seed == 1
            lines.append(
              "\(method),\(width),\(exp2(Double(rate))),\(seed),\(diverges ? "nan" : "\(loss)")")
          }
        }
      }
    }
    return lines.joined(separator: "\n")
  }()

  /// The page of a table, and the names of its pictures.
  private static func page(
    _ text: String, name: String = "results.csv"
  ) throws -> (page: ParsedPage, html: String, pictures: [String]) {
    try Fixture.inDirectory { directory in
      let file = directory.appendingPathComponent("pages/report.html")
      let output = try ReportWriter(pictures: try PictureFiles([.svg], path: "")).write(
        ResultsTable(Array(text.utf8), path: name),
        command: ["/bin/gputrain", "transfer", name, "--out", "a b"], version: "commit 1234",
        to: file)
      let html = try String(contentsOf: file, encoding: .utf8)
      return (
        try ReportTests().checkPage(html), html,
        output.pictures.map { URL(fileURLWithPath: $0).lastPathComponent }
      )
    }
  }

  /// Rates and losses at the ends of what a Double holds; found by Tests/Fuzz.
  @Test(arguments: [
    ",depth,lr\n,2,2\n,4,1e300", ",depth,lr\n,2,1e-320\n,4,1e300",
    "width,lr,loss\n64,1e-320,1e-320\n64,1,1e308\n64,1e300,1\n128,1e-320,1\n128,1,1e-300\n128,1e300,1e308",
  ]) func extremeNumbers_haveAPage(table: String) throws {
    _ = try Self.page(table)
  }

  @Test func tableOfRuns_hasQuestionAnswerAndEvidence() throws {
    let (page, html, pictures) = try Self.page(Self.table)
    let places = [
      "<h1>", "id=\"answer\"", "id=\"loss\"", "id=\"optimum\"", "id=\"terms\"", "id=\"runs\"",
    ].map { html.range(of: $0)?.lowerBound }
    #expect(!places.contains(nil))
    #expect(places.compactMap { $0 } == places.compactMap { $0 }.sorted())
    #expect(page.text.contains("No, it does not carry over"))
    #expect(page.text.contains("Yes, it carries over"))
    #expect(
      page.text.contains(
        "results.csv has 126 runs, of <sp> and mup, at widths 64, 128 and 256, with 7 learning rates "
          + "from 2−12 to 2−6 and 3 seeds."))
    #expect(page.text.contains("that of the lowest val_loss."))
    #expect(page.text.contains("Use 2−8.00 = 0.00391 (90"), "\(page.text)")
    // How it was read.
    #expect(page.text.contains("gputrain transfer results.csv --out 'a b'"))
    for cell in ["column method", "column lr", "column val_loss", "126", "commit 1234"] {
      #expect(page.texts["td"]?.contains(cell) == true, "\(cell)")
    }
    #expect(page.text.contains("1 run diverged there"))
    #expect(page.texts["td"]?.contains("1 of 3 diverged") == true)
    #expect(
      pictures == ["loss.svg", "loss-sp.svg", "loss-mup.svg", "best-rate.svg"])
  }

  @Test func whichIsBest_isATableWithItsReasons() throws {
    let (page, _, _) = try Self.page(Self.table)
    #expect(page.texts["h3"]?.contains("Which is best at width 256?") == true)
    #expect(
      page.text.contains(
        "Tuned at width 256 there is no difference that is sure; with width 64's rate mup is surely best."
      ))
    let report = try ResultsTable(Array(Self.table.utf8), path: "results.csv").report
    let comparison = try #require(report.comparison)
    #expect(report.reasons.count == 2)
    let items = page.texts["li"] ?? []
    for reason in report.reasons {
      #expect(items.contains(reason.replacing(" %", with: "\u{A0}%") + "."), "\(reason)")
    }
    for entry in comparison.tuned + comparison.transferred {
      #expect(page.texts["td"]?.contains(ReportText.loss(entry.loss)) == true)
    }
    let lost = try #require(comparison.transferred.last?.excess)
    #expect(
      page.texts["td"]?.contains {
        $0.hasPrefix(ReportText.percent(lost).replacing(" %", with: "\u{A0}%"))
      }
        == true)
  }

  /// Groups of one name, or of names that differ in signs alone.
  @Test func groupsOfOneName_haveElementsAndPicturesOfTheirOwn() throws {
    let text = Self.table.replacing("<sp>,", with: "a b,").replacing("mup,", with: "a-b,")
    let (page, _, pictures) = try Self.page(text)
    #expect(pictures == ["loss.svg", "loss-a-b.svg", "loss-a-b-2.svg", "best-rate.svg"])
    let ids = page.elements.compactMap { $0.attributes["id"] }
    #expect(Set(ids).count == ids.count, "\(ids)")
  }

  @Test func targetWidth_isInTheTableAndOnItsCard() throws {
    func text(_ target: Int?, _ table: String) throws -> String {
      try Fixture.inDirectory { directory in
        let file = directory.appendingPathComponent("report.html")
        _ = try ReportWriter().write(
          ResultsTable(Array(table.utf8), path: "results.csv", target: target), command: [],
          version: "", to: file)
        return ParsedPage(try String(contentsOf: file, encoding: .utf8)).text
      }
    }
    let moving = Self.table.split(separator: "\n").filter { !$0.hasPrefix("mup") }
      .joined(separator: "\n")
    let beyond = try text(1024, moving)
    #expect(beyond.contains("width 1024, not trained"))
    #expect(beyond.contains("at width 1024, by the line through the optima, which is a guess."))
    #expect(!(try text(nil, moving)).contains("not trained"))
    let best = try text(1024, "width,lr\n128,1e-3\n256,5e-4\n512,2.5e-4\n")
    #expect(best.contains("Use 2−12.97 = 0.000125 at width 1024, by the line"), "\(best)")
    let lone = Self.table.split(separator: "\n").filter { $0.contains(",64,") || $0.contains("lr") }
      .joined(separator: "\n")
    #expect(try text(1024, lone).contains("No rate is recommended for width 1024 from these runs."))
  }

  @Test func oneComparison_hasNoSuchQuestion() throws {
    let lines = Self.table.split(separator: "\n").filter { $0.hasPrefix("m") }
    let text = lines.map { $0.split(separator: ",").dropFirst().joined(separator: ",") }
    let (page, _, pictures) = try Self.page(text.joined(separator: "\n"), name: "a/my runs.csv")
    #expect(!page.text.contains("hich is best"))
    #expect(page.texts["h3"]?.contains("my runs") == true)
    #expect(pictures == ["loss-my-runs.svg", "best-rate.svg"])
  }

  @Test func bestRates_haveTheirPlotAlone() throws {
    let (page, html, pictures) = try Self.page("width,lr\n128,1e-3\n256,5e-4\n512,2.5e-4\n")
    #expect(pictures == ["best-rate.svg"] && !html.contains("id=\"loss\""))
    #expect(page.text.contains("Cannot tell") && !page.text.contains("recommended"))
    #expect(page.text.contains("results.csv has best rates at widths 128, 256 and 512."))
    #expect(page.text.contains("results: −1.00 octaves a doubling of width, without an interval."))
    #expect(page.text.contains("one learning rate a width: taken for the best ones."))
    // No loss, so no columns of losses and no words of them.
    #expect(page.texts["th"]?.contains("best loss") == false)
    #expect(page.texts["dt"] == ["learning rate", "octave", "drift"])
  }

  /// A sweep's page has the same parts, of each sweep its own.
  @Test func sweeps_haveRecommendationAndComparison() throws {
    try Fixture.inDirectory { directory in
      let (first, second) = (
        directory.appendingPathComponent("first"), directory.appendingPathComponent("second")
      )
      try ReportFixture.fill(first)
      try ReportFixture.fill(second)
      let report = try SweepRecord(directory: first).report
      let page = ParsedPage(try ReportFixture.page([first]))
      #expect(page.texts["h3"]?.contains("Which is best at width 256?") == true)
      #expect(page.text.contains("Tuning at width 256 takes runs 1.0 times as long"))
      #expect(!report.reasons.isEmpty)
      for reason in report.reasons {
        #expect(page.text.contains(reason.replacing(" %", with: "\u{A0}%")), "\(reason)")
      }
      let uses = report.groups.compactMap(\.recommendation).map { $0.sentence(SweepAxes()) }
      #expect(uses.count == 1)
      for use in uses {
        let shown = use.replacing("^", with: "").replacing(" %", with: "\u{A0}%")
        #expect(page.text.contains("Use \(shown)."), "\(use)")
      }
      #expect(page.text.contains("No rate is recommended from these runs."))
      let both = ParsedPage(try ReportFixture.page([first, second]))
      for heading in ["A: which is best at width 256?", "B: which is best at width 256?"] {
        #expect(both.texts["h3"]?.contains(heading) == true)
      }
    }
  }
}
