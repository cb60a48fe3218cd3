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
  private let plots: SweepPlots

  /// What is tuned along what, as the first sweep has it.
  var axes: SweepAxes { records.first?.axes ?? SweepAxes() }

  init(_ records: [SweepRecord], album: PictureAlbum, directory: URL) {
    self.records = records
    self.album = album
    self.directory = directory
    plots = SweepPlots(records)
  }

  /// A group of a sweep, and what the page calls it.
  struct Entry {
    let record: SweepRecord
    let group: TransferGroup
    let name: String
    /// Letters, digits and hyphens; unique on the page.
    let id: String
  }

  /// Every group of every sweep; names tell sweeps apart where there are several.
  var entries: [Entry] {
    var seen: [String: Int] = [:]
    return records.enumerated().flatMap { place, record in
      record.report.groups.map { group in
        let name = records.count > 1 ? "\(letter(place)): \(group.title)" : group.title
        let id = ReportParts.identifier(name)
        seen[id, default: 0] += 1
        let count = seen[id] ?? 1
        return Entry(
          record: record, group: group, name: name, id: count > 1 ? "\(id)-\(count)" : id)
      }
    }
  }

  /// A for the first sweep, B for the second; after Z numbers.
  func letter(_ place: Int) -> String {
    place < 26 ? String(UnicodeScalar(UInt8(65 + place))) : "\(place + 1)"
  }

  /// The page.
  ///
  /// - Throws: `RunStoreError`.
  func page() throws -> ReportPage {
    let header = HTMLNode.tag(
      "header",
      [
        .tag(
          "h1",
          "Does the best \(axes.tunedTitle) carry over "
            + (axes.scale.map { "along \($0)?" } ?? "to wide networks?"))
      ])
    return ReportPage(
      title: records.map(\.name).joined(separator: ", ")
        + ": does the \(axes.tunedTitle) carry over?",
      content: [header, answer] + (try evidence()) + [terms]
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
    let learningRates =
      rates.count > 1
      ? "\(rates.count) learning rates from \(ReportParts.power(rates[0])) to "
        + ReportParts.power(rates[rates.count - 1])
      : rates.first.map { "the learning rate \(ReportParts.power($0))" } ?? "no learning rate"
    let held = record.report.groups.compactMap(\.held).uniqued().joined(separator: "; ")
    let range =
      names.names.isEmpty
      ? learningRates
      : (names.tune.map { "\($0) \(ReportParts.list(rates.map { names.text(log2: $0) }))" }
        ?? learningRates) + (held.isEmpty ? "" : " (\(held))")
    let lead = records.count > 1 ? "\(letter(place)) is \(record.name): networks" : "Networks"
    let data = record.experiment.facts.data
    let ways = rules.count == 1 ? "one way" : "\(rules.count) ways"
    let scale = widths.count == 1 ? names.scaleName : names.scaleValues
    let size =
      names.scale == "depth"
      ? "of \(scale)" : "of \(record.experiment.settings.blocksInWords) and \(scale)"
    return "\(lead) \(size) \(ReportParts.list(widths)) were trained on "
      + "\(data.name) (\(data.trainCount) rows of \(data.inputs) numbers, \(data.outputsInWords)) "
      + "with the optimizer \(ReportParts.list(optimizers)) at \(range), each with "
      + "\(ReportParts.count(seeds, "seed")). Initial weights and rates of the layers follow width "
      + "in \(ways): \(ReportParts.list(rules)), of which more below."
  }

  /// What answers the question.
  private func reading(_ records: [SweepRecord]) -> String {
    let objectives = ReportParts.list(records.map(\.objective.title).uniqued())
    return
      axes.names.isEmpty
      ? "The best rate of a width is that of the lowest \(objectives). Where it stays the same as "
        + "width grows, the rate found on a narrow network serves the wide one."
      : "The best \(axes.tunedName) is that of the lowest \(objectives). Where it stays the same as "
        + "\(axes.scaleName) grows, what is found at the least \(axes.scaleName) serves the greatest."
  }

  private var answer: HTMLNode {
    let incomplete = records.enumerated().compactMap { missingNotice($1, $0) }
    let cards = entries.map(card)
    return ReportParts.section(
      "answer", "Answer",
      (cards.isEmpty
        ? [ReportParts.paragraph("No run has finished yet, so there is no answer.")]
        : [.tag("div", class: "cards", cards)]) + incomplete
        + (records.count > 1 && !cards.isEmpty ? comparison : [])
        + [.tag("h3", "What was trained")]
        + records.enumerated().map { ReportParts.paragraph(question($1, $0)) }
        + [
          ReportParts.paragraph(reading(records)),
          .tag("p", class: "soft", [.link("#terms", "The words used here"), .text(" are below.")]),
        ])
  }

  private func card(_ entry: Entry) -> HTMLNode {
    let group = entry.group
    let (style, word) =
      switch group.verdict.outcome {
      case .transfers: ("yes", "✓ Yes, it carries over")
      case .doesNotTransfer: ("no", "✗ No, it does not carry over")
      case .inconclusive: ("open", "? Cannot tell")
      }
    var content: [HTMLNode] = [
      .tag("h3", entry.name), .tag("p", class: "verdict", word),
      ReportParts.paragraph(reason(group.verdict)),
    ]
    let optima = group.widths.filter { $0.log2LearningRate != nil }
    if let first = optima.first, let last = optima.last, first.width != last.width,
      let narrow = first.log2LearningRate, let wide = last.log2LearningRate
    {
      content.append(
        ReportParts.paragraph(
          "Best \(axes.tunedName): \(axes.text(log2: narrow)) at \(axes.scaleName) \(first.width), "
            + "\(axes.text(log2: wide)) at \(axes.scaleName) \(last.width)."))
    }
    if let regret = group.regret {
      content.append(ReportParts.paragraph("Regret: \(regret.sentence(axes))."))
      if group.verdict.outcome == .transfers {
        content.append(
          ReportParts.paragraph(
            "So a \(axes.tunedName) tuned at \(axes.scaleName) \(regret.narrowWidth) serves at "
              + "\(axes.scaleName) \(regret.wideWidth)."))
      }
      if group.verdict.outcome == .doesNotTransfer {
        content.append(
          ReportParts.paragraph(
            "So a \(axes.tunedName) tuned at \(axes.scaleName) \(regret.narrowWidth) is wrong at "
              + "\(axes.scaleName) \(regret.wideWidth), and the more so "
              + (axes.scale == nil ? "the wider." : "beyond.")))
      }
    }
    content.append(ReportParts.paragraph(basis(entry), class: "soft"))
    return .tag("div", class: "card \(style)", content)
  }

  /// What the answer rests on.
  private func basis(_ entry: Entry) -> String {
    let group = entry.group
    let rates = Set(entry.record.rows(of: group).map(\.log2LearningRate)).count
    let seeds = ReportParts.count(group.seeds.count, "seed")
    return "From \(group.seedsDiffer ? "up to \(seeds), not the same everywhere" : seeds), "
      + "\(group.widths.count) \(group.widths.count == 1 ? axes.scaleName : axes.scaleValues), "
      + "\(rates) \(rates == 1 ? axes.tunedName : axes.tunedValues)."
  }

  /// The verdict's sentence without the word that it begins with.
  private func reason(_ verdict: TransferVerdict) -> String {
    let prefix = "\(verdict.outcome.rawValue): "
    let reason =
      verdict.text.hasPrefix(prefix) ? verdict.text.dropFirst(prefix.count) : verdict.text[...]
    return reason.prefix(1).uppercased() + reason.dropFirst() + "."
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
    let name = records.count > 1 ? "\(letter(place)): " : ""
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
    let least = Set(
      entries.compactMap { $0.group.widths.first { $0.log2LearningRate != nil }?.width })
    let narrow = least.count == 1 ? least.first : nil
    let names = entries.map(\.group.parametrization).uniqued()
    let rules = names.map { name -> (String, String) in
      let rule = records.lazy.compactMap {
        try? $0.experiment.settings.parametrization(named: name)
      }.first
      return (name, Self.plainWords[name] ?? rule?.summary ?? "a parametrization")
    }
    let within = DecimalText.trimmed(TransferCriteria.drift, digits: 2)
    let octaves = DecimalText.trimmed(TransferCriteria.deviation, digits: 2)
    let narrowest = narrow.map { "\(axes.scaleName) \($0)" } ?? "the least \(axes.scaleName)"
    let terms = [
      ("width", "number of units in each hidden layer, or what those are multiples of"),
      ("learning rate", "given as log₂: −7 is 2^−7 = 1/128"),
      ("octave", "a factor of two in \(axes.tunedTitle), so 1 on the log₂ scale"),
      (
        "drift",
        "octaves by which the best \(axes.tunedName) moves each time the \(axes.scaleName) doubles; "
          + "transfer allows ±\(within)"
      ),
      (
        "deviation",
        "octaves between the best \(axes.tunedName) of \(narrowest) and that of the "
          + "\(axes.scaleName) where it is furthest off; transfer allows \(octaves)"
      ),
      (
        "regret",
        "share of loss that is given away at the greatest \(axes.scaleName) by training it with the "
          + "best \(axes.tunedName) of \(narrowest); transfer allows "
          + ReportText.percent(TransferCriteria.regret)
      ),
      (
        "seed",
        "start of the random numbers: another draw of initial weights and another order of the data"
      ),
      (
        "90 % interval",
        "what the seeds, and the steps between the \(axes.tunedValues) tried, leave open: the truth is "
          + "below it in at most 5 of 100 sweeps, and above it in at most 5"
      ),
      (
        "parametrization",
        "how initial weights and learning rates of the layers change with width"
      ),
      ("fan-in, fan-out", "numbers of a layer's inputs and of its outputs"),
      ("diverged", "the loss left the finite numbers, because the rate is too high"),
    ]
    return ReportParts.section(
      "terms", "Words used here", [ReportParts.terms(terms + rules)])
  }

  // MARK: Evidence

  /// The sections with figures.
  private func evidence() throws -> [HTMLNode] {
    guard !entries.isEmpty else { return [] }
    let evidence = SweepEvidence(page: self, plots: plots)
    return [
      evidence.losses(), evidence.optima(), try evidence.training(),
    ] + (try evidence.spectral()) + [evidence.warnings].compactMap { $0 }
  }

  // MARK: How it was found

  private func provenance(_ record: SweepRecord, _ place: Int) -> HTMLNode {
    let id = "runs\(place + 1)"
    let name = records.count > 1 ? "\(letter(place)), \(record.name): h" : "H"
    return ReportParts.section(
      id, "\(name)ow it was run",
      ReportProvenance(
        history: record.history, experiment: record.experiment, rows: record.allRows,
        directory: record.directory, page: directory
      ).content)
  }
}
