import Foundation

/// The page of the paper's two figures.
struct FiguresPage {
  let file: FiguresFile
  /// Where data and pictures lie.
  let source: URL
  let album: PictureAlbum
  /// Where the page lies.
  let directory: URL

  /// The page.
  var page: ReportPage {
    ReportPage(
      title: "The paper's two figures",
      content: [
        .tag(
          "header",
          [.tag("h1", "Are updates of low rank, and who learns features as networks grow?")]),
        answer, lowRank, learning, provenance,
      ])
  }

  private func number(_ value: Double?) -> String {
    ReportText.twoDecimals(value)
  }

  private var answer: HTMLNode {
    let gradients = file.spectrum.spectra.filter { $0.batchSize != nil }
    let ranks = gradients.map(\.stableRank)
    let weight = file.spectrum.spectra.first { $0.batchSize == nil }?.stableRank
    let range =
      ranks.min().map { low in
        "\(number(low))…\(number(ranks.max()))"
      } ?? "–"
    let rows = file.spectrum.tokensPerRow.map { "sequences of \($0) tokens" } ?? "rows"
    let shape = file.spectrum.shape.map(String.init).joined(separator: "×")
    let features = file.learning.curves.filter { $0.quantity == .features }.map { curve in
      "\(curve.layer.map { "\($0), " } ?? "")\(curve.parametrization): "
        + "n^\(number(curve.exponent)) ± \(number(curve.halfWidth)) (predicted \(number(curve.predicted)))"
    }
    return ReportParts.section(
      "answer", "Answer",
      [
        ReportParts.paragraph(
          "The gradient of \(file.spectrum.layerInWords), a \(shape) matrix, has stable rank "
            + "\(range) over batches of \(ReportParts.list(gradients.compactMap(\.batchSize).map(String.init))) "
            + "\(rows); the random weight's is \(number(weight)). Stable rank, ‖·‖F²/‖·‖*², says among "
            + "how many directions a matrix is spread: 1 is one direction."),
        ReportParts.paragraph(
          "How far features of \(isNamed ? "layers" : "the second layer") move in training, "
            + "relative to their start, goes with width n as follows; an exponent near 0 means that wide networks learn features as "
            + "narrow ones do, a negative one that they stop to."),
        .tag("ul", features.map { .tag("li", ReportParts.rich($0)) }),
        .tag("h3", "What was trained"),
        ReportParts.paragraph(
          "The two figures of the paper A Spectral Condition for Feature Learning, with settings of "
            + "our own: networks of widths "
            + "\(ReportParts.list(file.learning.widths.map(String.init))), scaled with width as "
            + "\(ReportParts.list(file.learning.curves.map(\.parametrization).uniqued())) say, learned "
            + "\(file.experiment.facts.data.name)."),
      ])
  }

  /// A picture of several panels, with its numbers.
  private func figure(
    _ plots: [Plot], name: String, title: String, table: HTMLNode
  ) -> [HTMLNode] {
    album.join(plots, name: name, title: title)
    let panels = plots.compactMap { plot in
      album.drawing(of: plot).map { picture in
        HTMLNode.tag(
          "figure", [.tag("h3", ReportParts.rich(plot.title)), picture])
      }
    }
    return [
      ReportParts.panels(panels), ReportParts.details("The numbers", isOpen: true, [table]),
    ]
  }

  private var lowRank: HTMLNode {
    let rows = file.spectrum.spectra.map { spectrum in
      [
        spectrum.batchSize.map { "gradient, batch \($0)" } ?? "weight",
        number(spectrum.stableRank),
        ReportText.threeDigits(spectrum.singularValues.first ?? 0),
      ]
    }
    return ReportParts.section(
      "low-rank", "Updates of low rank",
      figure(
        file.spectrum.plots, name: "low-rank-updates", title: "Singular values and stable rank",
        table: ReportParts.table(
          ["matrix", "stable rank", "largest singular value"], texts: rows,
          label: "Stable ranks")))
  }

  /// Whether layers have names.
  private var isNamed: Bool { file.learning.layers.contains { $0 != nil } }

  /// A picture of several panels a layer, below the layer's name where there are several.
  private var learning: HTMLNode {
    let layers = file.learning.layers.flatMap { layer in
      (layer.map { [HTMLNode.tag("h3", $0)] } ?? [])
        + figure(
          file.learning.plots(of: layer),
          name: FeatureLearning.identifier(layer) + "feature-learning",
          title: "\(layer.map { "\($0): r" } ?? "R")elative change over training against width",
          table: exponents(of: layer))
    }
    return ReportParts.section(
      "who-learns", "Who learns features",
      (isNamed
        ? [
          ReportParts.paragraph(
            "Of blocks the middle one is shown. Features of a block's attention are its logits of "
              + "tokens with themselves.")
        ] : []) + layers)
  }

  private func exponents(of layer: String?) -> HTMLNode {
    let rows = file.learning.curves.filter { $0.layer == layer }.map { curve in
      [
        "\(curve.parametrization), \(curve.quantity.symbol(of: layer))",
        "\(number(curve.exponent)) ± \(number(curve.halfWidth))", number(curve.predicted),
        number(curve.limit),
      ]
    }
    return ReportParts.table(
      ["", "exponent (95 %)", "predicted", "limit"], texts: rows,
      label: layer.map { "Exponents of \($0)" } ?? "Exponents")
  }

  private var provenance: HTMLNode {
    let files = [
      "figures.json", "gradient-spectrum.csv", "gradient-stable-rank.csv", "feature-learning.csv",
    ]
    return ReportParts.section(
      "runs", "How it was run",
      ReportProvenance(
        history: [file.invocation], experiment: file.experiment, rows: [], directory: source,
        page: directory
      ).content + [
        .tag("h3", "Data"),
        .tag(
          "ul",
          files.map {
            .tag(
              "li",
              [
                .link(
                  ReportParts.address(
                    of: source.appendingPathComponent($0), from: directory), $0)
              ])
          }),
      ])
  }
}
