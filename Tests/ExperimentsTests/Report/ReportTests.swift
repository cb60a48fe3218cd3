import Foundation
import Testing
import Training

@testable import Experiments

@Suite struct ReportTests {
  /// A page that a browser opens from disk: well-formed, with every name once, and with nothing
  /// that it would have to fetch.
  func checkPage(_ html: String) throws -> ParsedPage {
    let page = ParsedPage(html)
    #expect(page.problem == nil)
    let ids = page.values("id")
    #expect(
      Set(ids).count == ids.count, "repeated: \(ids.filter { id in ids.count { $0 == id } > 1 })")
    for (name, attributes) in page.elements {
      #expect(name != "script" && name != "iframe")
      for attribute in ["src", "href", "xlink:href", "action", "data"] {
        guard let value = attributes[attribute] else { continue }
        if value.hasPrefix("#") {
          #expect(ids.contains(String(value.dropFirst())), "\(value)")
        } else if name == "a" {
          #expect(value == "https://arxiv.org/abs/2310.17813" || !value.contains(":"), "\(value)")
        } else {
          #expect(value.hasPrefix("data:"), "\(name) loads \(value)")
        }
      }
      for id in (attributes["aria-labelledby"] ?? "").split(separator: " ") {
        #expect(ids.contains(String(id)))
      }
    }
    #expect(!html.contains("@import"))
    for address in html.matches(of: /url\((.*?)\)/) {
      #expect(address.1.hasPrefix("#") && ids.contains(String(address.1.dropFirst())))
    }
    return page
  }

  @Test func page_hasQuestionAnswerAndEvidence_inThatOrder() throws {
    try Fixture.inDirectory { directory in
      try ReportFixture.fill(directory, diagnosed: true)
      let html = try ReportFixture.page([directory])
      let page = try checkPage(html)
      let places = [
        "<h1>", "id=\"answer\"", "id=\"loss\"", "id=\"optimum\"", "id=\"training\"",
        "id=\"layers\"",
        "id=\"terms\"", "id=\"runs1\"",
      ].map { html.range(of: $0)?.lowerBound }
      #expect(!places.contains(nil))
      #expect(places.compactMap { $0 } == places.compactMap { $0 }.sorted())
      #expect(page.text.contains("No, it does not carry over"))
      #expect(page.text.contains("Cannot tell"))
      for term in ["drift", "regret", "octave", "seed", "90 % interval", "parametrization"] {
        #expect(page.texts["dt"]?.contains(term) == true, "\(term)")
      }
      #expect(page.text.contains("gputrain sweep --x 'a b'"))
      #expect(page.text.contains("<cpu> & co, cpu, 2 cores, 8.0 GB"))
      // Diverged runs are counted and marked.
      #expect(page.text.contains("2 runs diverged there"))
      #expect(page.text.contains("2 of 2 diverged"))
      let pictures = page.elements.filter { $0.name == "svg" }
      // Two losses, the optimum, two trainings; of each group four quantities twice.
      #expect(pictures.count == 5 + 2 * 8)
      #expect(pictures.allSatisfy { $0.attributes["role"] == "img" })
      #expect(page.text.contains("From 2 seeds, 3 widths, 5 rates."))
    }
  }

  @Test func numbers_areThoseOfTheTransferReport() throws {
    try Fixture.inDirectory { directory in
      try ReportFixture.fill(directory)
      let record = try SweepRecord(directory: directory)
      #expect(record.report == TransferReport(rows: record.rows))
      #expect(record.report.groups.map(\.verdict.outcome) == [.doesNotTransfer, .inconclusive])
      let page = ParsedPage(try ReportFixture.page([directory]))
      let cells = page.texts["td"] ?? []
      for group in record.report.groups {
        let drift = try #require(group.drift)
        let number = ReportText.number(drift.octavesPerDoubling, digits: 2)
        let interval = ReportText.interval(try #require(drift.interval))
          .replacing(" %", with: "\u{A0}%")
        #expect(
          page.text.contains("\(group.title): \(number) octaves a doubling of width (\(interval))"))
        for width in group.widths {
          // The page sets the power as one.
          let rate = try record.axes.text(log2: #require(width.log2LearningRate))
            .replacing("^", with: "")
          #expect(cells.contains { $0 == rate }, "\(rate)")
          #expect(cells.contains { $0 == ReportText.loss(width.loss) })
        }
        let regret = try ReportText.percent(#require(group.regret?.relative))
          .replacing(" %", with: "\u{A0}%")
        #expect(page.text.contains("Regret: \(regret) "), "\(regret)")
      }
      // Losses by rate and width: the mean and both ends.
      let losses = (1...2).compactMap { seed in
        ReportFixture.loss(
          RunCell(
            parametrization: "sp", optimizer: .adam, width: 128, log2LearningRate: -8,
            seed: UInt64(seed)))
      }
      let cell =
        "\(ReportText.loss(losses.reduce(0, +) / 2)) "
        + String(format: "%.3f…%.3f", try #require(losses.min()), try #require(losses.max()))
      #expect(cells.contains(cell), "\(cell)")
    }
  }

  /// As it was asked for last.
  @Test func targetWidth_isOnThePage() throws {
    try Fixture.inDirectory { directory in
      try ReportFixture.fill(directory)
      var invocation = ReportFixture.invocation(["gputrain", "--target-width", "1024"])
      invocation.targetWidth = 1024
      try RunStore(existing: directory).note(invocation)
      let record = try SweepRecord(directory: directory)
      #expect(record.report.groups.allSatisfy { $0.target == 1024 })
      let page = ParsedPage(try ReportFixture.page([directory]))
      #expect(page.text.contains("width 1024, not trained"))
      #expect(page.text.contains("at width 1024, by the line"))
      #expect(page.text.contains("No rate is recommended for width 1024 from these runs."))
    }
  }

  @Test func everyRun_isLinkedToItsDirectory() throws {
    try Fixture.inDirectory { directory in
      let odd = directory.appendingPathComponent("a #1 & 50%")
      try ReportFixture.fill(odd)
      let file = directory.appendingPathComponent("pages/page.html")
      try ReportWriter().write([odd], to: file)
      let page = try checkPage(String(contentsOf: file, encoding: .utf8))
      let links = page.elements.filter { $0.name == "a" }.compactMap { $0.attributes["href"] }
        .filter { $0.contains("/runs/") }
      #expect(links.count == 60)
      for link in links {
        let place = try #require(
          URL(string: link, relativeTo: file.deletingLastPathComponent().appendingPathComponent(""))
        )
        #expect(
          FileManager.default.fileExists(atPath: place.appendingPathComponent("result.json").path),
          "\(link)")
      }
    }
  }

  @Test func hostileNames_areTextAndNothingElse() throws {
    try Fixture.inDirectory { directory in
      var experiment = ReportFixture.experiment
      experiment.facts.data.name = ReportFixture.hostile
      experiment.facts.data.normalization = "</style></svg>"
      let place = directory.appendingPathComponent("<b>'\"&")
      try ReportFixture.fill(place, experiment: experiment)
      let store = try RunStore(directory: place)
      try store.note(ReportFixture.invocation(["gputrain", ReportFixture.hostile]))
      let html = try ReportFixture.page([place])
      let page = try checkPage(html)
      #expect(!html.contains("<script") && !html.contains("<b>"))
      #expect(page.text.contains("a\"b<script>alert('x')</script>&amp;%41\u{FFFD}"))
      #expect(page.text.contains("</style></svg>"))
    }
  }

  @Test func stoppedSweep_saysWhatIsMissing() throws {
    try Fixture.inDirectory { directory in
      try ReportFixture.fill(directory) { $0.width < 256 && $0.seed < 2 }
      let page = try checkPage(ReportFixture.page([directory]))
      #expect(
        page.text.contains(
          "20 runs are done and 40 missing (width 64: 10, width 128: 10 and width 256: 20)"))
    }
  }

  @Test func withoutHistory_missingAreTheGapsOfTheGrid() throws {
    try Fixture.inDirectory { directory in
      try ReportFixture.fill(directory, history: false) { $0.width < 256 || $0.seed == 1 }
      let page = try checkPage(ReportFixture.page([directory]))
      #expect(page.text.contains("50 runs are done and 10 missing (width 256: 10)"))
      #expect(page.text.contains("The command was not kept"))
    }
  }

  @Test func sweepWithoutRuns_hasAPageOnlyWhereAsked() throws {
    try Fixture.inDirectory { directory in
      try ReportFixture.fill(directory) { _ in false }
      #expect(throws: ReportError.noRuns(path: directory.relativePath)) {
        try ReportFixture.page([directory])
      }
      let page = try checkPage(ReportFixture.page([directory], mayBeEmpty: true))
      #expect(page.text.contains("No run has finished yet"))
      #expect(page.text.contains("0 runs are done and 60 missing"))
    }
  }

  @Test func pictures_areFilesBesideThePage() throws {
    try Fixture.inDirectory { directory in
      try ReportFixture.fill(directory)
      let files = try PictureFiles([.svg], path: "")
      let page = directory.appendingPathComponent("a.b/page.html")
      let places = [page.deletingLastPathComponent(), ReportWriter.pictures(of: page)]
      try FileManager.default.createDirectory(at: places[1], withIntermediateDirectories: true)
      let (old, new) = try Fixture.leaveTemporaries(in: places)
      let other = places[0].appendingPathComponent(".tmp-of-another")
      try FileManager.default.copyItem(at: places[0].appendingPathComponent(old), to: other)
      let output = try ReportWriter(pictures: files).write([directory], to: page)
      for place in places {
        let names = try FileManager.default.contentsOfDirectory(atPath: place.path)
        #expect(names.contains(new) && !names.contains(old), "\(place.path)")
      }
      #expect(FileManager.default.fileExists(atPath: other.path))
      let names = output.pictures.map { URL(fileURLWithPath: $0) }
      #expect(
        names.map(\.lastPathComponent) == [
          "loss.svg", "loss-sp-adam.svg", "loss-spectral-adam.svg", "best-rate.svg",
          "training.svg", "training-sp-adam.svg", "training-spectral-adam.svg",
        ])
      for file in names {
        #expect(file.deletingLastPathComponent().path.hasSuffix("a.b/page-pictures"))
        #expect(ParsedPage(try String(contentsOf: file, encoding: .utf8)).problem == nil)
      }
    }
  }

  /// The ring is the lowest point of the fit that is drawn, and its bar the interval.
  @Test func optima_areMarkedWhereTheReportHasThem() throws {
    try Fixture.inDirectory { directory in
      try ReportFixture.fill(directory)
      let record = try SweepRecord(directory: directory)
      let page = SweepPage([record], album: PictureAlbum(), directory: directory)
      for shown in page.entries.map(\.shown) {
        let group = shown.group
        let plots = TransferPlots([shown], axes: record.axes)
        let plot = plots.lossPanel(shown)
        let rings = plot.series.filter { $0.style == .rings }
        let fits = plot.series.filter { $0.style == .fit }
        #expect(rings.count == group.widths.count)
        for (width, (ring, fit)) in zip(group.widths, zip(rings, fits)) {
          #expect(
            ring.points == [Plot.Point(x: try #require(width.log2LearningRate), y: width.loss)])
          #expect(
            ring.bars.map(\.x) == [width.interval].compactMap { $0.map { $0.lower...$0.upper } })
          if width.isRefined {
            let lowest = try #require(fit.points.compactMap(\.y).min())
            #expect(abs(lowest / (try #require(width.loss)) - 1) < 1e-2)
          } else {
            #expect(fit.points.isEmpty)
          }
        }
        let optima = plots.optimumPlot
        #expect(optima.series[0].points.map(\.y) == group.widths.map(\.log2LearningRate))
        // The line has the drift as its slope.
        let line = try #require(optima.series[0].line)
        let (first, last) = (line[0], line[line.count - 1])
        let rise = try #require(last.y) - (try #require(first.y))
        let slope = rise / log2(last.x / first.x)
        #expect(abs(slope - (try #require(group.drift)).octavesPerDoubling) < 1e-9)
      }
    }
  }

  @Test func severalSweeps_standSideBySide() throws {
    try Fixture.inDirectory { directory in
      let (first, second) = (
        directory.appendingPathComponent("first"), directory.appendingPathComponent("second")
      )
      var other = ReportFixture.experiment
      other.settings.batchSize = 32
      try ReportFixture.fill(first)
      try ReportFixture.fill(second, experiment: other)
      let page = try checkPage(ReportFixture.page([first, second]))
      #expect(page.text.contains("A: sp, adam") && page.text.contains("B: spectral, adam"))
      #expect(page.text.contains("Settings that differ"))
      #expect(page.texts["td"]?.contains("32") == true)
      let words = Configuration.declarations.first { $0.name == "batch-size" }?.help
      #expect(page.texts["th"]?.contains(try "batch-size" + #require(words)) == true)
      #expect(page.texts["th"]?.contains("depth") == true)  // in every setting
      let output = try ReportWriter().write(
        [first, second], to: directory.appendingPathComponent("c.html"))
      #expect(
        output.verdicts.map(\.outcome) == [
          "does not transfer", "inconclusive", "does not transfer", "inconclusive",
        ])
      #expect(output.verdicts.map(\.missing) == [0, 0, 0, 0] && output.pictures.isEmpty)
    }
  }

  @Test func otherDirectories_areRefusedByName() throws {
    try Fixture.inDirectory { directory in
      let absent = directory.appendingPathComponent("absent")
      #expect(throws: ReportError.noDirectory(path: absent.relativePath)) {
        try ReportWriter().write([absent], to: directory.appendingPathComponent("r"))
      }
      #expect(throws: ReportError.nothingThere(path: directory.relativePath)) {
        try ReportWriter().write([directory], to: directory.appendingPathComponent("r"))
      }
      try Data("{}".utf8).write(to: directory.appendingPathComponent("check.json"))
      #expect(throws: ReportError.noSweep(path: directory.relativePath, kind: "check")) {
        try StoredSweep(directory: directory)
      }
      let sweep = directory.appendingPathComponent("sweep")
      try ReportFixture.fill(sweep) { $0.seed == 1 && $0.width == 64 }
      #expect(throws: ReportError.notComparable(path: directory.relativePath, kind: "check")) {
        try ReportWriter().write(
          [sweep, directory], to: directory.appendingPathComponent("r"))
      }
      #expect(throws: RunStoreError.self) {
        try ReportWriter().write([directory], to: directory.appendingPathComponent("r"))
      }
      #expect(!FileManager.default.fileExists(atPath: directory.appendingPathComponent("r").path))
    }
  }

  @Test func history_keepsOneEntryForOneRequest_andNoHashChanges() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      try store.open(ReportFixture.experiment)
      for _ in 0..<3 { try store.note(ReportFixture.invocation()) }
      try store.note(ReportFixture.invocation(["gputrain", "sweep", "--widths", "8"]))
      let history = try store.history()
      #expect(history.map(\.command.count) == [4, 4])
      #expect(history[0].commandLine == "gputrain sweep --x 'a b'")
      #expect(try store.experiment() == ReportFixture.experiment)
      try Data("{".utf8).write(to: directory.appendingPathComponent("history.json"))
      #expect(throws: RunStoreError.self) { try store.history() }
    }
  }
}
