import Foundation
import Spectral
import Training

/// The figures of a sweep's page, each with its data.
struct SweepEvidence {
  let page: SweepPage
  let plots: SweepPlots

  /// What is tuned along what.
  private var axes: SweepAxes { page.axes }

  private typealias Entry = SweepPage.Entry

  /// A plot with what it shows in words and as numbers; where nothing is to be drawn the numbers alone.
  private func figure(_ plot: Plot, caption: String, data: [HTMLNode]) -> HTMLNode {
    let picture = page.album.drawing(of: plot)
    return .tag(
      "figure",
      [.tag("h3", ReportParts.rich(plot.title))] + (picture.map { [$0] } ?? [])
        + (caption.isEmpty ? [] : [.tag("figcaption", ReportParts.rich(caption))])
        + (data.isEmpty
          ? [] : [ReportParts.details("The numbers", isOpen: picture == nil, data)]))
  }

  // MARK: Loss against rate

  /// Loss against rate, a panel a group.
  func losses() -> HTMLNode {
    let diverged = page.records.flatMap(\.rows).count { $0.result.outcome == .diverged }
    var words =
      "Each point is the mean over the seeds, and the band behind it reaches from the lowest to the "
      + "highest seed. A ring marks the best \(axes.tunedName), found between the \(axes.tunedValues) "
      + "tried by the parabola drawn thin, and its bar the 90 % interval. Rings one above the other mean that the best \(axes.tunedName) stays put; rings that wander "
      + "mean that it does not."
    if diverged > 0 {
      words +=
        " × at the top: \(ReportParts.count(diverged, "run")) diverged there, in the colour of "
        + "the \(axes.scaleName); the curve has a gap."
    }
    if plots.leavesOutLosses {
      words += " Losses above the scale are not drawn; the numbers have them."
    }
    let panels = page.entries.map { entry in
      plots.lossPanel(
        entry.group, in: entry.record, id: "loss-\(entry.id)", title: entry.name)
    }
    page.album.join(panels, name: "loss", title: "Loss against \(axes.tunedTitle)")
    let figures = zip(panels, page.entries).map { plot, entry in
      figure(plot, caption: "", data: [lossTable(entry)])
    }
    return ReportParts.section(
      "loss", "Loss against \(axes.tunedTitle)",
      [ReportParts.paragraph(words), ReportParts.panels(figures)])
  }

  private func lossTable(_ entry: Entry) -> HTMLNode {
    let byWidth = SweepPlots.losses(of: entry.group, in: entry.record)
    let widths = byWidth.keys.sorted()
    let rates = Set(byWidth.values.flatMap(\.keys)).sorted()
    let rows = rates.map { rate in
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

  private func optimumTable(_ entry: Entry) -> HTMLNode {
    let narrow = entry.group.widths.first { $0.log2LearningRate != nil }?.width
    let rows = entry.group.widths.map { width -> [String] in
      let rate = width.log2LearningRate.map(axes.text)
      return [
        "\(axes.scaleName) \(width.width)",
        (rate ?? (width.diverged > 0 ? "all diverge" : "–")) + (width.onEdge ? " *" : ""),
        ReportText.loss(width.loss),
        width.divergesAtNarrowRate ? "diverges" : ReportText.loss(width.lossAtNarrowRate),
        "\(width.diverged) of \(width.runs)",
      ]
    }
    return ReportParts.table(
      [
        "", "best \(axes.tunedName)", "best loss",
        narrow.map { "loss at \(axes.scaleName) \($0)'s \(axes.tunedName)" } ?? "loss",
        "diverged runs",
      ], texts: rows, label: "\(entry.name): the best \(axes.tunedName) of each \(axes.scaleName)")
  }

  // MARK: Optimum against width

  /// The best rate against width, all groups in one panel.
  func optima() -> HTMLNode {
    let entries = page.entries
    let plot = plots.optimumPlot(
      id: "best-rate", groups: entries.map { ($0.record, $0.group, $0.name) })
    var caption =
      "Points: of the mean over the seeds. Bars: the 90 % interval. Lines: the drift."
    if entries.contains(where: { $0.group.widths.contains(where: \.onEdge) }) {
      caption +=
        " × and, in tables, *: the best \(axes.tunedName) is the lowest or highest tried, so that the "
        + "true one may lie beyond."
    }
    let sentences = entries.map { entry -> HTMLNode in
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
          figure(plot, caption: caption, data: []),
          .tag("div", entries.flatMap { [HTMLNode.tag("h3", $0.name), optimumTable($0)] }),
        ]),
      ])
  }

  // MARK: Wider is better

  /// Training at the narrow width's rate, a panel a group.
  func training() throws -> HTMLNode {
    let scale = try plots.trainingScale()
    let panels = try page.entries.compactMap { entry in
      try entry.group.narrowRate.map { rate in
        (
          entry: entry,
          plot: try plots.trainingPanel(
            entry.group, in: entry.record, id: "training-\(entry.id)",
            title: "\(entry.name), \(axes.tunedName) \(axes.text(log2: rate))", scale: scale)
        )
      }
    }
    page.album.join(panels.map(\.plot), name: "training", title: "Training")
    let figures = panels.map { entry, plot in
      figure(plot, caption: ordering(entry), data: [Self.trainingTable(plot)])
    }
    return ReportParts.section(
      "training", axes.scale == nil ? "Wider is better, or not" : "Along \(axes.scaleName)",
      [
        ReportParts.paragraph(
          axes.scale == nil
            ? "Training with the \(axes.tunedName) that is best at the narrowest width: means over the "
              + "seeds and over the steps between two points. Scaled rightly, each wider network is "
              + "below the narrower ones, all the way but for noise."
            : "Training with the \(axes.tunedName) that is best at the least \(axes.scaleName): means "
              + "over the seeds and over the steps between two points.")
      ] + [ReportParts.panels(figures)])
  }

  /// Whether each wider network ends below the narrower one, in words.
  private func ordering(_ entry: Entry) -> String {
    let widths = entry.group.widths
    let diverged = widths.filter(\.divergesAtNarrowRate).map { "\($0.width)" }
    if !diverged.isEmpty {
      return
        "At this \(axes.tunedName) \(axes.scaleName) \(ReportParts.list(diverged)) diverges (×)."
    }
    let known = widths.compactMap { width in
      width.lossAtNarrowRate.map { (width: width.width, loss: $0) }
    }
    let worse = zip(known, known.dropFirst()).filter { $1.loss > $0.loss }
    guard known.count >= 2 else { return "" }
    let what = entry.record.objective.title
    guard axes.scale == nil else { return "" }
    return worse.isEmpty
      ? "Each wider network has the lower \(what)."
      : "Not all wider networks do better: "
        + ReportParts.list(
          worse.map { "width \($1.width) has a higher \(what) than width \($0.width)" }) + "."
  }

  private static func trainingTable(_ plot: Plot) -> HTMLNode {
    let curves = plot.series.filter { $0.name != nil && !$0.points.isEmpty }
    let steps = Set(curves.flatMap { $0.points.map(\.x) }).sorted()
    let rows = steps.map { step in
      ["\(Int(step))"]
        + curves.map { curve in
          ReportText.loss(curve.points.first { $0.x == step }?.y)
        }
    }
    return ReportParts.table(
      ["step"] + curves.map { $0.name ?? "" }, texts: rows,
      label: "\(plot.title): training loss")
  }

  // MARK: Spectral quantities

  /// What was measured of the layers, a section a group; or how to have it measured.
  func spectral() throws -> [HTMLNode] {
    let heading = "Inside the layers"
    guard page.records.contains(where: \.isDiagnosed) else {
      return [
        ReportParts.section(
          "layers", heading,
          [
            ReportParts.paragraph(
              "Norms of weights and updates, and the size of features, were not measured. The same "
                + "command with --diagnose 10 and another --out measures them every ten steps.")
          ])
      ]
    }
    let groups = try page.entries.compactMap { entry -> [HTMLNode]? in
      guard let measured = try SpectralPlots(entry.group, in: entry.record) else { return nil }
      let panels = measured.panels(id: "layers-\(entry.id)")
      guard !panels.isEmpty else { return nil }
      return [
        .tag(
          "h3",
          "\(entry.name), at the \(axes.tunedName) that is best at the "
            + (axes.scale.map { "least \($0)" } ?? "narrowest width"))
      ]
        + [
          ReportParts.panels(
            panels.flatMap { panel in
              [panel.overSteps, panel.overWidths].compactMap { $0 }.map { plot in
                figure(plot, caption: slopes(plot), data: [Self.seriesTable(plot)])
              }
            })
        ]
    }
    return [
      ReportParts.section(
        "layers", heading,
        [
          ReportParts.paragraph(
            "The spectral condition: features are learned at every width where the spectral norms "
              + "of each layer's weight, ‖W‖, and update, ‖ΔW‖, scale with width like √(out/in), out "
              + "and in being the numbers of its outputs and inputs. Over that, they are the same at "
              + "every width, and so are the features, rms h, and their change, rms Δh. The layers "
              + "are in the order of the forward pass, and the last one gives the logits. Over widths, dashed lines have the slope "
              + "that the parametrization predicts for the first steps.")
        ]
          + (groups.isEmpty
            ? [
              ReportParts.paragraph(
                "No run at the \(axes.tunedName) that is best at the "
                  + (axes.scale.map { "least \($0)" } ?? "narrowest width") + " was measured.")
            ] : groups.flatMap { $0 }))
    ]
  }

  /// The sentence of the slopes, for plots over widths.
  private func slopes(_ plot: Plot) -> String {
    guard let start = plot.description.range(of: "Slopes: ") else { return "" }
    return String(plot.description[start.lowerBound...])
  }

  private static func seriesTable(_ plot: Plot) -> HTMLNode {
    let curves = plot.series.filter { $0.name != nil && !$0.points.isEmpty }
    let places = Set(curves.flatMap { $0.points.map(\.x) }).sorted()
    let rows = places.map { place in
      [DecimalText.trimmed(place, digits: 2)]
        + curves.map { curve in
          curve.points.first { $0.x == place }?.y.map(ReportText.threeDigits) ?? "–"
        }
    }
    return ReportParts.table(
      [plot.x.kind == .logarithmic ? "width" : "step"] + curves.map { $0.name ?? "" }, texts: rows,
      label: plot.title)
  }

  /// Failure stories that the measurements tell.
  var warnings: HTMLNode? {
    let warnings = page.records.flatMap(\.warnings)
    guard !warnings.isEmpty else { return nil }
    return ReportParts.section(
      "warnings", "Warnings",
      [
        ReportParts.paragraph("What was measured tells known stories of how training goes wrong:"),
        .tag("ul", warnings.map { .tag("li", $0.text) }),
      ])
  }
}
