import Foundation

/// The figures of a page that losses alone are enough for, each with its data.
struct TransferFigures {
  let plots: TransferPlots
  let album: PictureAlbum

  private var groups: [ShownGroup] { plots.groups }
  private var axes: SweepAxes { plots.axes }

  // MARK: Loss against rate

  /// Loss against rate, a panel a group.
  func losses() -> HTMLNode {
    let diverged = groups.reduce(0) { sum, entry in
      sum + entry.group.widths.reduce(0) { $0 + $1.diverged }
    }
    let hasSeeds = groups.contains { $0.group.seeds.count > 1 }
    let bars = groups.contains(where: \.hasIntervals) ? ", and its bar the 90 % interval" : ""
    var words =
      (hasSeeds
        ? "Each point is the mean over the seeds, and the band behind it reaches from the lowest to the "
          + "highest seed. "
        : "Each point is a run. ")
      + "A ring marks the best \(axes.tunedName), found between the \(axes.tunedValues) tried by the "
      + "curve drawn thin\(bars). Rings one above the other mean that the best \(axes.tunedName) "
      + "stays put; rings that wander mean that it does not."
    if diverged > 0 {
      words +=
        " × at the top: \(ReportParts.count(diverged, "run")) diverged there, in the colour of "
        + "the \(axes.scaleName); the curve has a gap."
    }
    if plots.leavesOutLosses {
      words += " Losses above the scale are not drawn; the numbers have them."
    }
    let panels = groups.map(plots.lossPanel)
    album.join(panels, name: "loss", title: "Loss against \(axes.tunedTitle)")
    let figures = zip(panels, groups).map { plot, entry in
      album.figure(of: plot, caption: "", data: [lossTable(entry)])
    }
    return ReportParts.section(
      "loss", "Loss against \(axes.tunedTitle)",
      [ReportParts.paragraph(words), ReportParts.panels(figures)])
  }

  private func lossTable(_ entry: ShownGroup) -> HTMLNode {
    let byWidth = entry.losses
    let widths = byWidth.keys.sorted()
    let rows = entry.rates.map { rate in
      let name = axes.tune == nil ? ReportParts.power(rate, digits: 6) : axes.text(log2: rate)
      return [ReportParts.cell(name)]
        + widths.map { width in Self.cell(byWidth[width]?[rate] ?? []) }
    }
    return ReportParts.table(
      [axes.tunedName] + widths.map { "\(axes.scaleName) \($0)" }, rows,
      label: "\(entry.name): mean loss, lowest and highest seed")
  }

  /// Mean, below it lowest and highest; how many diverged where some did.
  private static func cell(_ losses: [Double]) -> (node: HTMLNode, width: Double) {
    guard !losses.isEmpty else { return ReportParts.cell("–") }
    let diverged = losses.count { !$0.isFinite }
    if diverged > 0 { return ReportParts.cell("\(diverged) of \(losses.count) diverged") }
    let mean = ReportText.loss(LossCurve.mean(losses))
    guard losses.count > 1 else { return ReportParts.cell(mean) }
    let ends = [losses.min(), losses.max()].map { Self.threeDigits($0 ?? 0) }
      .joined(separator: "…")
    return (
      .tag("span", [.text("\(mean) "), .tag("span", class: "ends", ends)]),
      max(PlotText(mean).width(size: 1), PlotText(ends).width(size: ReportStyle.endsSize))
    )
  }

  private static func threeDigits(_ value: Double) -> String {
    guard value != 0, value.isFinite else { return ReportText.loss(value) }
    let decimals = max(0, 2 - Int(log10(abs(value)).rounded(.down)))
    return DecimalText.fixed(value, digits: decimals).replacing("-", with: "−")
  }

  private func optimumTable(_ entry: ShownGroup) -> HTMLNode {
    let textUnits = entry.group.textUnits
    func units(_ tokens: String, _ bytes: String) -> [String] {
      (textUnits.tokens ? [tokens] : []) + (textUnits.bytes ? [bytes] : [])
    }
    let narrow = entry.group.widths.first { $0.log2LearningRate != nil }?.width
    var known = entry.group.widths.map { width -> (width: Int, cells: [String]) in
      let rate = width.log2LearningRate.map(axes.text)
      return (
        width.width,
        [
          "\(axes.scaleName) \(width.width)",
          (rate ?? (width.diverged > 0 ? "all diverge" : "–")) + (width.onEdge ? " *" : ""),
          ReportText.loss(width.loss),
          width.divergesAtNarrowRate ? "diverges" : ReportText.loss(width.lossAtNarrowRate),
          "\(width.diverged) of \(width.runs)",
        ]
          + units(
            ReportText.perplexity(width.perplexity), ReportText.bitsPerByte(width.bitsPerByte))
      )
    }
    if let use = entry.group.untrained {
      known.append(
        (
          use.width,
          [
            "\(axes.scaleName) \(use.width), not trained", axes.text(log2: use.log2LearningRate),
            "–", "–", "–",
          ] + units("–", "–")
        ))
    }
    let rows = known.sorted { $0.width < $1.width }.map(\.cells)
    let header =
      [
        "", "best \(axes.tunedName)", "best loss",
        narrow.map { "loss at \(axes.rate(of: $0))" } ?? "loss",
        "diverged runs",
      ] + units("perplexity of the best loss", "bits per byte")
    // Of best rates alone nothing else is known.
    let count = entry.losses.isEmpty ? entry.group.knownColumns : header.count
    return ReportParts.table(
      Array(header.prefix(count)), texts: rows.map { Array($0.prefix(count)) },
      label: "\(entry.name): the best \(axes.tunedName) of each \(axes.scaleName)")
  }

  // MARK: Optimum against width

  /// The best rate against width, all groups in one panel.
  func optima() -> HTMLNode {
    let plot = plots.optimumPlot
    let points = groups.allSatisfy(\.losses.isEmpty) ? "" : "Points: of the mean over the seeds. "
    let bars = groups.contains(where: \.hasIntervals) ? "Bars: the 90 % interval. " : ""
    var caption = points + bars + "Lines: the drift."
    if groups.contains(where: { $0.group.widths.contains(where: \.onEdge) }) {
      caption +=
        " × and, in tables, *: the best \(axes.tunedName) is the lowest or highest tried, so that the "
        + "true one may lie beyond."
    }
    let sentences = groups.map { entry -> HTMLNode in
      let drift = entry.group.drift
      let interval = drift?.interval.map { " (\(ReportText.interval($0)))" }
      let moved = drift.map {
        "\(ReportText.number($0.octavesPerDoubling, digits: 2)) octaves a doubling of \(axes.scaleName)"
          + (interval ?? ", without an interval")
      }
      return .tag(
        "li", ReportParts.rich("\(entry.name): \(moved ?? "no drift can be given").")
      )
    }
    return ReportParts.section(
      "optimum", "Best \(axes.tunedTitle) against \(axes.scaleName)",
      [
        ReportParts.paragraph(
          "A level line carries over. The drift is the slope of the line: octaves of \(axes.tunedTitle) "
            + "for each doubling of \(axes.scaleName)."),
        .tag("ul", sentences),
        ReportParts.panels([
          album.figure(of: plot, caption: caption, data: []),
          .tag("div", groups.flatMap { [HTMLNode.tag("h3", $0.name), optimumTable($0)] }),
        ]),
      ])
  }
}
