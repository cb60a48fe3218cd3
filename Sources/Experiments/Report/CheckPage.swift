import Foundation
import Spectral

/// The page of a check: which layer breaks the spectral condition, and how one sees it.
struct CheckPage {
  let file: CheckFile
  /// Where the check lies.
  let source: URL
  let album: PictureAlbum
  /// Where the page lies.
  let directory: URL

  private var report: CheckReport { file.report }
  private var scale: String { report.scale.rawValue }
  private var symbol: String { report.scale.symbol }

  /// The page.
  var page: ReportPage {
    let header = HTMLNode.tag(
      "header",
      [
        .tag(
          "h1", "Does this scaling meet the spectral condition, and if not, which layer breaks it?")
      ])
    return ReportPage(
      title: "\(report.parametrization), \(report.optimizer): the spectral condition, checked",
      content: [header, answer, growth, coordinates, terms, provenance])
  }

  private var answer: HTMLNode {
    let (style, word) =
      switch report.verdict {
      case .pass: ("yes", "✓ It meets the condition")
      case .fail: ("no", "✗ It breaks the condition")
      case .unclear: ("open", "? Cannot tell")
      }
    return ReportParts.section(
      "answer", "Answer",
      [
        .tag(
          "div", class: "card \(style)",
          [
            .tag("h3", "\(report.parametrization), \(report.optimizer)"),
            .tag("p", class: "verdict", word),
            ReportParts.paragraph(
              report.sentence.prefix(1).uppercased() + report.sentence.dropFirst() + "."),
          ])
      ] + report.remarks.map { ReportParts.paragraph($0 + ".") } + [
        .tag("h3", "What was trained"),
        ReportParts.paragraph(
          "Networks of \(report.scale.plural) \(ReportParts.list(report.sizes.map(String.init))) were trained for a "
            + "few steps on \(file.experiment.facts.data.name) with \(report.parametrization) under "
            + "\(report.optimizer), at the rate \(ReportParts.power(report.log2LearningRate)), with "
            + "\(ReportParts.count(report.seeds, "seed")). For every layer it was fitted how norms "
            + "and features grow with \(scale) \(symbol): as \(symbol) to which exponent? Exponents "
            + "that are not what the condition needs mean that the best learning rate moves with "
            + "\(scale)."),
        ReportParts.linkToTerms,
      ])
  }

  private var terms: HTMLNode {
    let update = report.step == 1 ? "the first step" : "the second step, as the readout starts at 0"
    return ReportParts.section(
      "terms", "Words used here",
      [
        ReportParts.terms(
          [
            report.scale == .width
              ? ("width n", "number of units in each hidden layer, or what those are multiples of")
              : (
                "depth L",
                "number of residual blocks; first, middle and last are those of each network"
              ),
            (
              file.experiment.settings.layerNames[0],
              "the first layer; the last one, the readout, gives the logits"
            ),
            (
              "‖W‖/√(out/in)",
              "spectral norm (largest singular value) of a layer's initial weight over √(outputs/inputs)"
            ),
            ("‖ΔW‖/√(out/in)", "the same of the change that \(update) makes"),
            (
              "rms h, rms Δh", "size of a layer's outputs at the start, and of their change by then"
            ),
            (
              "exponent",
              "slope of log of the quantity over log of \(scale), with its 95 % interval"
            ),
            (
              "rule, limit",
              "what the parametrization predicts at these \(report.scale.plural), and as they grow"
            ),
            ("needs", "what the spectral condition asks at these \(report.scale.plural)"),
          ] + report.legend.map { (String($0.prefix(1)), String($0.dropFirst(2))) })
      ])
  }

  // MARK: Evidence

  private func figure(_ plot: Plot, _ tables: [HTMLNode]) -> HTMLNode {
    .tag(
      "figure",
      [.tag("h3", ReportParts.rich(plot.title))] + [album.drawing(of: plot)].compactMap { $0 }
        + [ReportParts.details("The numbers", isOpen: true, tables)])
  }

  private var growth: HTMLNode {
    let names = report.exponents.map(\.layer).uniqued()
    let figures = SpectralQuantity.allCases.compactMap { quantity -> HTMLNode? in
      let checked = report.exponents.filter { $0.quantity == quantity }
      guard !checked.isEmpty else { return nil }
      let lines = checked.map { entry in
        SlopeLine(
          layer: entry.layer, index: names.firstIndex(of: entry.layer) ?? 0, of: names.count,
          scale: report.scale, sizes: report.sizes, values: entry.values,
          predicted: entry.predicted,
          needed: entry.condition)
      }
      let isJudged = checked.contains { $0.verdict != .informative }
      let plot = Plot(
        id: "growth-\(quantity.rawValue.replacing("_", with: "-"))",
        title: quantity.symbol + (isJudged ? "" : " (not judged)"),
        description: SlopeLine.description(lines, of: quantity),
        x: .widths(report.sizes, label: "\(scale) \(symbol)"),
        y: .logarithmic(quantity.symbol, over: checked.flatMap(\.values)),
        series: lines.flatMap(\.series) + SlopeLine.kinds(lines))
      return figure(plot, [exponents(checked, of: quantity), values(checked, of: quantity)])
    }
    return ReportParts.section(
      "growth", "How each layer grows with \(scale)",
      [
        ReportParts.paragraph(
          "Points are measured, means over the seeds, and the lines through them fitted. Dashed lines "
            + "have the slope that the parametrization predicts, dotted ones that which the condition "
            + "needs: where a layer follows the dotted line it meets the condition."),
        ReportParts.panels(figures),
      ])
  }

  private func exponents(_ checked: [CheckedQuantity], of quantity: SpectralQuantity) -> HTMLNode {
    func number(_ value: Double) -> String { ReportText.number(value, digits: 2) }
    let rows = checked.map { entry in
      [
        entry.layer, "\(number(entry.exponent)) ± \(number((entry.upper - entry.lower) / 2))",
        number(entry.condition) + (entry.verdict.mark.isEmpty ? "" : " \(entry.verdict.mark)"),
        number(entry.predicted), number(entry.predictedLimit),
      ]
    }
    return ReportParts.table(
      ["layer", "exponent", "needs", "rule", "limit"], texts: rows,
      label: "\(quantity.symbol): exponents")
  }

  private func values(_ checked: [CheckedQuantity], of quantity: SpectralQuantity) -> HTMLNode {
    ReportParts.table(
      ["layer"] + report.sizes.map { "\(symbol)\u{A0}=\u{A0}\($0)" },
      texts: checked.map { [$0.layer] + $0.values.map(ReportText.threeDigits) },
      label: "\(quantity.symbol) at each \(scale)")
  }

  private var coordinates: HTMLNode {
    let layers = report.coordinates.map(\.layer).uniqued()
    let values = report.coordinates.flatMap(\.meanAbsolute)
    let figures = layers.map { layer -> HTMLNode in
      let rows = report.coordinates.filter { $0.layer == layer }
      let series = rows.enumerated().map { index, row in
        Plot.Series(
          name: "step \(row.step)", colour: .ordered(index, of: rows.count), index: index,
          style: .line,
          points: zip(report.sizes, row.meanAbsolute).map { Plot.Point(x: Double($0), y: $1) })
      }
      let plot = Plot(
        id: "coordinates-\(ReportParts.identifier(layer))", title: "\(layer), mean |h|",
        description:
          "Mean size of the outputs of \(layer) against \(scale), a line for each number of "
          + "steps done.",
        x: .widths(report.sizes, label: "\(scale) \(symbol)"),
        y: .logarithmic("mean |h|", over: values), series: series,
        legend: .below)
      return figure(
        plot,
        [
          ReportParts.table(
            ["step"] + report.sizes.map { "\(scale) \($0)" },
            texts: rows.map { ["\($0.step)"] + $0.meanAbsolute.map(ReportText.threeDigits) },
            label: plot.title)
        ])
    }
    return ReportParts.section(
      "coordinates", "Coordinate check",
      [
        ReportParts.paragraph(
          "Mean |h| of each layer's outputs after 0, 1, 2 … steps: lines that stay level as \(scale) "
            + "grows are what is wanted. A layer at fault shows here only as far as it reaches the "
            + "features."),
        ReportParts.panels(figures),
      ])
  }

  private var provenance: HTMLNode {
    ReportParts.section(
      "runs", "How it was run",
      ReportProvenance(
        history: [file.invocation], experiment: file.experiment, rows: [], directory: source,
        page: directory
      ).content + [
        .tag(
          "p",
          [
            .text("All numbers: "),
            .link(
              ReportParts.address(
                of: source.appendingPathComponent("check.json"), from: directory), "check.json"),
          ])
      ])
  }
}
