import Foundation

/// The answer that a page begins with: a card a verdict, and which is best at the widest width.
struct TransferAnswer {
  /// What is tuned along what.
  let axes: SweepAxes

  /// The question that a page answers, as its heading.
  var heading: HTMLNode {
    .tag(
      "header",
      [
        .tag(
          "h1",
          "Does the best \(axes.tunedTitle) carry over "
            + (axes.scale.map { "along \($0)?" } ?? "to wide networks?"))
      ])
  }

  /// What answers the question, of losses by these names.
  func reading(_ losses: [String]) -> String {
    let losses = ReportParts.list(losses.uniqued())
    return axes.names.isEmpty
      ? "The best rate of a width is that of the lowest \(losses). Where it stays the same as width "
        + "grows, the rate found on a narrow network serves the wide one."
      : "The best \(axes.tunedName) is that of the lowest \(losses). Where it stays the same as "
        + "\(axes.scaleName) grows, what is found at the least \(axes.scaleName) serves the greatest."
  }

  /// "5 learning rates from 2^−10 to 2^−6"; rates as log2, ascending.
  static func learningRates(_ rates: [Double]) -> String {
    rates.count > 1
      ? "\(rates.count) learning rates from \(ReportParts.power(rates[0])) to "
        + ReportParts.power(rates[rates.count - 1])
      : rates.first.map { "the learning rate \(ReportParts.power($0))" } ?? "no learning rate"
  }

  // MARK: Cards

  /// Verdicts side by side.
  func cards(_ groups: [ShownGroup]) -> HTMLNode {
    .tag("div", class: "cards", groups.map(card))
  }

  private func card(_ shown: ShownGroup) -> HTMLNode {
    let group = shown.group
    let (style, word) =
      switch group.verdict.outcome {
      case .transfers: ("yes", "✓ Yes, it carries over")
      case .doesNotTransfer: ("no", "✗ No, it does not carry over")
      case .inconclusive: ("open", "? Cannot tell")
      }
    var content: [HTMLNode] = [
      .tag("h3", shown.name), .tag("p", class: "verdict", word),
      ReportParts.paragraph(reason(group.verdict)),
    ]
    if !shown.losses.isEmpty || group.target != nil {
      let use = group.recommendation.map { "Use \($0.sentence(axes))." }
      content.append(
        ReportParts.paragraph(
          use ?? Self.sentence(Recommendation.none(for: group.target, axes)), class: "use"))
    }
    let optima = group.widths.filter { $0.log2LearningRate != nil }
    if let first = optima.first, let last = optima.last, first.width != last.width,
      let narrow = first.log2LearningRate, let wide = last.log2LearningRate
    {
      content.append(
        ReportParts.paragraph(
          "Best \(axes.tunedName): \(axes.text(log2: narrow)) at \(axes.scaleName) \(first.width), "
            + "\(axes.text(log2: wide)) at \(axes.scaleName) \(last.width)."))
    }
    if let regret = group.regret { content += cost(regret, group.verdict.outcome) }
    content.append(ReportParts.paragraph(basis(shown), class: "soft"))
    return .tag("div", class: "card \(style)", content)
  }

  private func cost(_ regret: Regret, _ outcome: TransferVerdict.Outcome) -> [HTMLNode] {
    let serves =
      "So a \(axes.tunedName) tuned at \(axes.scaleName) \(regret.narrowWidth) "
    let wide = "at \(axes.scaleName) \(regret.wideWidth)"
    let lesson: String? =
      switch outcome {
      case .transfers: serves + "serves \(wide)."
      case .doesNotTransfer:
        serves + "is wrong \(wide), and the more so "
          + (axes.scale == nil ? "the wider." : "beyond.")
      case .inconclusive: nil
      }
    return ["Regret: \(regret.sentence(axes)).", lesson].compactMap { $0 }
      .map { ReportParts.paragraph($0) }
  }

  /// What the answer rests on.
  private func basis(_ shown: ShownGroup) -> String {
    let group = shown.group
    let sizes =
      "\(group.widths.count) \(group.widths.count == 1 ? axes.scaleName : axes.scaleValues)"
    guard !shown.losses.isEmpty else { return "From the best \(axes.tunedValues) of \(sizes)." }
    let rates = shown.rates.count
    let seeds = ReportParts.count(group.seeds.count, "seed")
    return "From \(group.seedsDiffer ? "up to \(seeds), not the same everywhere" : seeds), "
      + "\(sizes), \(rates) \(rates == 1 ? axes.tunedName : axes.tunedValues)."
  }

  /// The verdict's sentence without the word that it begins with.
  private func reason(_ verdict: TransferVerdict) -> String {
    let prefix = "\(verdict.outcome.rawValue): "
    let reason =
      verdict.text.hasPrefix(prefix) ? verdict.text.dropFirst(prefix.count) : verdict.text[...]
    return Self.sentence(String(reason))
  }

  private static func sentence(_ text: String) -> String {
    text.prefix(1).uppercased() + text.dropFirst() + "."
  }

  // MARK: Which is best

  /// Which is best at the widest width, by how much, why, and what tuning there takes, where there is a
  /// comparison; and what to know of several devices.
  ///
  /// - lead: what tells several of them apart: "A: ".
  func best(_ report: TransferReport, lead: String = "") -> [HTMLNode] {
    let devices = [report.unlikeDevices].compactMap { $0 }.map {
      ReportParts.paragraph(Self.sentence($0))
    }
    guard let comparison = report.comparison else { return devices }
    let narrow = axes.rate(of: comparison.narrowWidth)
    let question = comparison.question(axes)
    let rows = comparison.tuned.map { tuned in
      let transferred = comparison.transferred.first { $0.name == tuned.name }
      return [ReportParts.cell(tuned.name)] + Self.cells(tuned)
        + (transferred.map(Self.cells) ?? [])
    }
    let (tuned, transferred) = (
      Self.winner(comparison.tuned), Self.winner(comparison.transferred)
    )
    let there = "tuned at \(axes.scaleName) \(comparison.width)"
    let winners =
      tuned == transferred
      ? "\(there) and with \(narrow) \(tuned)" : "\(there) \(tuned); with \(narrow) \(transferred)"
    let reasons = report.reasons.map { HTMLNode.tag("li", ReportParts.rich($0 + ".")) }
    let steps = comparison.stepCosts.map { costs in
      "A step at \(axes.scaleName) \(comparison.width) takes, in a group of runs, of "
        + costs.map(\.sentence).joined(separator: "; of ") + "."
    }
    let price = comparison.price(axes).map(Self.sentence)
    let prices = [steps, price].compactMap { $0 }.map { ReportParts.paragraph($0) }
    return [
      .tag(
        "h3",
        lead.isEmpty ? question.prefix(1).uppercased() + question.dropFirst() : lead + question),
      ReportParts.table(
        ["", "loss, tuned there", "above the least", "loss with \(narrow)", "above the least"],
        rows, label: lead + question),
      ReportParts.paragraph(Self.sentence(winners) + (reasons.isEmpty ? "" : " Why:")),
    ] + (reasons.isEmpty ? [] : [.tag("ul", reasons)])
      + prices + devices
  }

  /// Who has the least loss, and whether that is sure of all others.
  private static func winner(_ entries: [WidestComparison.Entry]) -> String {
    guard let best = entries.first, best.loss != nil else { return "all diverge or were not run" }
    let unsure = entries.dropFirst().filter { !$0.isSurelyMore }
    return unsure.isEmpty
      ? "\(best.name) is surely best"
      : unsure.count == entries.count - 1
        ? "there is \(WidestComparison.Entry.unsure)"
        : "\(best.name) is not surely better than "
          + ReportParts.list(unsure.map(\.name)) + ", but than the others"
  }

  /// Loss, and by how much it is above the least, with the interval below.
  private static func cells(
    _ entry: WidestComparison.Entry
  ) -> [(node: HTMLNode, width: Double)] {
    guard let loss = entry.loss, let excess = entry.excess else {
      return [ReportParts.cell(WidestComparison.Entry.noLoss), ReportParts.cell("–")]
    }
    guard excess > 0 || entry.interval != nil else {
      return [ReportParts.cell(ReportText.loss(loss)), ReportParts.cell("least")]
    }
    let more = ReportText.percent(excess)
    let below =
      entry.interval.map {
        [ReportText.percents($0.lower, $0.upper)]
          + (entry.isSurelyMore ? [] : [WidestComparison.Entry.unsure])
      } ?? []
    let nodes = below.map { HTMLNode.tag("span", class: "ends", ReportParts.rich($0)) }
    let width =
      below.map { PlotText($0).width(size: ReportStyle.endsSize) } + [PlotText(more).width(size: 1)]
    return [
      ReportParts.cell(ReportText.loss(loss)),
      (.tag("span", ReportParts.rich(more + " ") + nodes), width.max() ?? 0),
    ]
  }

  // MARK: Words

  /// What the words of the answer and its figures mean.
  ///
  /// - groups: those that the page has.
  func terms(_ groups: [ShownGroup]) -> [(String, String)] {
    let least = Set(
      groups.compactMap { $0.group.widths.first { $0.log2LearningRate != nil }?.width })
    let narrowest =
      (least.count == 1 ? least.first.map { "\(axes.scaleName) \($0)" } : nil)
      ?? "the least \(axes.scaleName)"
    let within = DecimalText.trimmed(TransferCriteria.drift, digits: 2)
    let octaves = DecimalText.trimmed(TransferCriteria.deviation, digits: 2)
    let ofBestRates = [
      ("learning rate", "given as log₂: −7 is 2^−7 = 1/128"),
      ("octave", "a factor of two in \(axes.tunedTitle), so 1 on the log₂ scale"),
      (
        "drift",
        "octaves by which the best \(axes.tunedName) moves each time the \(axes.scaleName) doubles; "
          + "transfer allows ±\(within)"
      ),
    ]
    guard groups.contains(where: { !$0.losses.isEmpty }) else { return ofBestRates }
    return ofBestRates + [
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
      ("diverged", "the loss left the finite numbers, because the rate is too high"),
    ]
  }
}
