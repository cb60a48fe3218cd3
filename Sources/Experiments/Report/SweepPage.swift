import Foundation
import Spectral
import Training

/// The page of one sweep, or of several beside one another: question, answer, evidence, words, and
/// how it was found.
struct SweepPage {
  let records: [SweepRecord]
  let album: PictureAlbum
  /// Where the page lies, which links are relative to.
  let directory: URL
  /// Every group of every sweep; names tell sweeps apart where there are several.
  let entries: [Entry]
  /// What is tuned along what, as the first sweep has it.
  let axes: SweepAxes

  /// A group with the sweep that it is of.
  struct Entry {
    let record: SweepRecord
    let shown: ShownGroup

    var group: TransferGroup { shown.group }
    /// What the page calls it.
    var name: String { shown.name }
    /// Letters, digits and hyphens; unique on the page.
    var id: String { shown.id }
  }

  init(_ records: [SweepRecord], album: PictureAlbum, directory: URL) {
    self.records = records
    self.album = album
    self.directory = directory
    axes = records.first?.axes ?? SweepAxes()
    let groups = records.enumerated().flatMap { place, record in
      record.report.groups.map { group in
        let lead = records.count > 1 ? "\(Self.letter(place)): " : ""
        return (
          record: record,
          named: (
            name: lead + group.title, group: group, loss: record.objective.title,
            losses: TransferReport.losses(of: record.rows(of: group), record.objective)
          )
        )
      }
    }
    entries = zip(groups, ShownGroup.identified(groups.map(\.named))).map {
      Entry(record: $0.record, shown: $1)
    }
  }

  private var groups: [ShownGroup] { entries.map(\.shown) }

  private var parts: TransferAnswer { TransferAnswer(axes: axes) }

  /// A for the first sweep, B for the second; after Z numbers.
  static func letter(_ place: Int) -> String {
    place < 26 ? String(UnicodeScalar(UInt8(65 + place))) : "\(place + 1)"
  }

  /// The page.
  ///
  /// - Throws: `RunStoreError`.
  func page() throws -> ReportPage {
    return ReportPage(
      title: records.map(\.name).joined(separator: ", ")
        + ": does the \(axes.tunedTitle) carry over?",
      content: [parts.heading, answer] + (try evidence()) + [terms]
        + records.enumerated().map { provenance($1, $0) })
  }

  // MARK: Question and answer

  private func question(_ record: SweepRecord, _ place: Int) -> String {
    let rows = record.rows
    let asked = rows.map(\.width) + record.missing.map(\.width)
    let rates = Set(rows.map(\.log2LearningRate) + record.missing.map(\.log2LearningRate)).sorted()
    let seeds = Set(rows.map(\.seed) + record.missing.map(\.seed)).count
    let rules = (rows.map(\.parametrization) + record.missing.map(\.parametrization)).uniqued()
    let optimizers =
      (rows.map(\.optimizer.rawValue) + record.missing.map(\.optimizer.rawValue)).uniqued()
    let widths = Set(asked).sorted().map(String.init)
    let names = record.axes
    let learningRates = TransferAnswer.learningRates(rates)
    let held = record.report.groups.compactMap(\.held).uniqued().joined(separator: "; ")
    let range =
      names.names.isEmpty
      ? learningRates
      : (names.tune.map { "\($0) \(ReportParts.list(rates.map { names.text(log2: $0) }))" }
        ?? learningRates) + (held.isEmpty ? "" : " (\(held))")
    let lead = records.count > 1 ? "\(Self.letter(place)) is \(record.name): networks" : "Networks"
    let data = record.experiment.facts.data
    let ways = rules.count == 1 ? "one way" : "\(rules.count) ways"
    let scale = widths.count == 1 ? names.scaleName : names.scaleValues
    let size =
      names.scale == "depth"
      ? "of \(scale)" : "of \(record.experiment.settings.blocksInWords) and \(scale)"
    return "\(lead) \(size) \(ReportParts.list(widths)) were trained on "
      + "\(data.name) (\(data.trainInWords), \(data.outputsInWords)) "
      + "with the optimizer \(ReportParts.list(optimizers)) at \(range), each with "
      + "\(ReportParts.count(seeds, "seed")). Initial weights and rates of the layers follow width "
      + "in \(ways): \(ReportParts.list(rules)), of which more below."
  }

  private var answer: HTMLNode {
    let incomplete = records.enumerated().compactMap { missingNotice($1, $0) }
    let best = records.enumerated().flatMap { place, record in
      parts.best(record.report, lead: records.count > 1 ? "\(Self.letter(place)): " : "")
    }
    return ReportParts.section(
      "answer", "Answer",
      (entries.isEmpty
        ? [ReportParts.paragraph("No run has finished yet, so there is no answer.")]
        : [parts.cards(groups)]) + incomplete + best
        + (records.count > 1 && !entries.isEmpty ? comparison : [])
        + [.tag("h3", "What was trained")]
        + records.enumerated().map { ReportParts.paragraph(question($1, $0)) }
        + [
          ReportParts.paragraph(parts.reading(records.map(\.objective.title))),
          ReportParts.linkToTerms,
        ])
  }

  /// What was asked for and is not there.
  private func missingNotice(_ record: SweepRecord, _ place: Int) -> HTMLNode? {
    let failed = record.rows.filter { $0.result.outcome == .failed }
    guard !record.missing.isEmpty || !failed.isEmpty else { return nil }
    let cells = record.missing
    let widths = Set(cells.map(\.width)).sorted().map { width in
      "\(record.axes.scaleName) \(width): \(cells.count { $0.width == width })"
    }
    let done = record.rows.count - failed.count
    let name = records.count > 1 ? "\(Self.letter(place)): " : ""
    var content = [
      ReportParts.paragraph(
        "\(name)\(done) runs are done and \(cells.count) missing (\(ReportParts.list(widths))), so "
          + "this is not the last word. The same command again runs what is missing.")
    ]
    if !failed.isEmpty {
      let reasons = failed.compactMap(\.result.message).uniqued().prefix(3)
      content.append(
        ReportParts.paragraph(
          "\(ReportParts.count(failed.count, "run")) failed: "
            + reasons.joined(separator: "; ")))
    }
    return .tag("div", class: "notice", content)
  }

  // MARK: Words

  /// The built-in parametrizations for readers who know none.
  private static let plainWords = [
    "sp": "standard parametrization: initial weights of size 1/√fan-in, one learning rate for all "
      + "layers; updates of hidden layers then act the more the wider they are",
    "ntp": "neural tangent parametrization: so scaled that wide networks stop to learn features",
    "mup": "maximal update parametrization: rates and initial sizes by layer, so that features are "
      + "learned at every width",
    "spectral": "rates and initial sizes by layer, so that the spectral norm (largest singular "
      + "value) of weights and of updates follows √(fan-out/fan-in) and features are learned at "
      + "every width",
    "spectral-literal": "the same by the formula as printed, also in the first and the last layer",
  ]

  private var terms: HTMLNode {
    let names = entries.map(\.group.parametrization).uniqued()
    let rules = names.map { name -> (String, String) in
      let rule = records.lazy.compactMap {
        try? $0.experiment.settings.parametrization(named: name)
      }.first
      return (name, Self.plainWords[name] ?? rule?.summary ?? "a parametrization")
    }
    let width = ("width", "number of units in each hidden layer, or what those are multiples of")
    let scaling = [
      ("parametrization", "how initial weights and learning rates of the layers change with width"),
      ("fan-in, fan-out", "numbers of a layer's inputs and of its outputs"),
    ]
    return ReportParts.section(
      "terms", "Words used here",
      [ReportParts.terms([width] + parts.terms(groups) + scaling + rules)])
  }

  // MARK: Evidence

  /// The sections with figures.
  private func evidence() throws -> [HTMLNode] {
    guard !entries.isEmpty else { return [] }
    let plots = TransferPlots(groups, axes: axes)
    let figures = TransferFigures(plots: plots, album: album)
    let evidence = SweepEvidence(
      page: self, plots: SweepPlots(records: records, shared: plots))
    return [figures.losses(), figures.optima(), try evidence.training()] + (try evidence.spectral())
      + [evidence.warnings].compactMap { $0 }
  }

  // MARK: How it was found

  private func provenance(_ record: SweepRecord, _ place: Int) -> HTMLNode {
    let id = "runs\(place + 1)"
    let name = records.count > 1 ? "\(Self.letter(place)), \(record.name): h" : "H"
    return ReportParts.section(
      id, "\(name)ow it was run",
      ReportProvenance(
        history: record.history, experiment: record.experiment, rows: record.allRows,
        directory: record.directory, page: directory
      ).content)
  }
}
