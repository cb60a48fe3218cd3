import Foundation
import Spectral
import Training

/// The figures of a sweep's page that losses alone are not enough for, each with its data.
struct SweepEvidence {
  let page: SweepPage
  let plots: SweepPlots

  /// What is tuned along what.
  private var axes: SweepAxes { page.axes }

  private typealias Entry = SweepPage.Entry

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
      page.album.figure(of: plot, caption: ordering(entry), data: [Self.trainingTable(plot)])
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
              [panel.overSteps, panel.overWidths].compactMap { $0 }.map {
                figure($0, caption: slopes($0))
              }
            } + measured.attention(id: "layers-\(entry.id)").map { figure($0, caption: $1) })
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

  private func figure(_ plot: Plot, caption: String) -> HTMLNode {
    page.album.figure(of: plot, caption: caption, data: [Self.seriesTable(plot)])
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
