import Foundation

/// The page of the paper's two figures.
struct FiguresPage {
  let file: FiguresFile
  /// Where data and pictures lie.
  let source: URL
  let pictures: PictureMaker
  /// Where the page lies.
  let directory: URL

  /// The page.
  ///
  /// - drawn: the pictures that were made, by name and without what follows the full stop.
  /// - Throws: `Gnuplot.Failure`, `RunStoreError`.
  func page(drawn: [String: URL]) throws -> ReportPage {
    let names = file.learning.curves.map(\.parametrization).uniqued()
    let header = HTMLNode.tag(
      "header",
      [
        .tag("h1", "Are updates of low rank, and who learns features as networks grow?"),
        ReportParts.paragraph(
          "The two figures of the paper A Spectral Condition for Feature Learning, with settings of "
            + "our own: networks of widths "
            + "\(ReportParts.list(file.learning.widths.map(String.init))), scaled with width as "
            + "\(ReportParts.list(names)) say, learned \(file.experiment.facts.data.name).",
          class: "lead"),
      ])
    return ReportPage(
      title: "The paper's two figures",
      content: [
        header, answer, try lowRank(drawn["low-rank-updates"]),
        try learning(drawn["feature-learning"]), provenance,
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
    let shape = file.spectrum.shape.map(String.init).joined(separator: "×")
    let features = file.learning.curves.filter { $0.quantity == .features }.map { curve in
      "\(curve.parametrization): n^\(number(curve.exponent)) ± \(number(curve.halfWidth)) "
        + "(predicted \(number(curve.predicted)))"
    }
    return ReportParts.section(
      "answer", "Answer",
      [
        ReportParts.paragraph(
          "The gradient of the second layer, a \(shape) matrix, has stable rank \(range) over "
            + "batches of \(ReportParts.list(gradients.compactMap(\.batchSize).map(String.init))) "
            + "rows; the random weight's is \(number(weight)). Stable rank, ‖·‖F²/‖·‖*², says among "
            + "how many directions a matrix is spread: 1 is one direction."),
        ReportParts.paragraph(
          "How far features of the second layer move in training, relative to their start, goes with "
            + "width n as follows; an exponent near 0 means that wide networks learn features as "
            + "narrow ones do, a negative one that they stop to."),
        .tag("ul", features.map { .tag("li", $0) }),
      ] + (pictures.gnuplot == nil ? [ReportParts.noPictures] : []))
  }

  private func figure(
    _ file: URL?, id: String, title: String, description: String, table: HTMLNode
  ) throws -> HTMLNode {
    let picture = try file.map {
      try pictures.picture(at: $0, id: id, title: title, description: description)
    }
    return .tag(
      "figure", class: "wide",
      (picture.map { [$0] } ?? [])
        + [ReportParts.details("The numbers", isOpen: true, [table])])
  }

  private func lowRank(_ drawn: URL?) throws -> HTMLNode {
    let rows = file.spectrum.spectra.map { spectrum in
      [
        spectrum.batchSize.map { "gradient, batch \($0)" } ?? "weight",
        number(spectrum.stableRank),
        CheckReport.value(spectrum.singularValues.first ?? 0),
      ]
    }
    return ReportParts.section(
      "low-rank", "Updates of low rank",
      [
        try figure(
          drawn, id: "low-rank-updates", title: "Singular values and stable rank",
          description: "Singular values of the second layer's weight and gradients, and the stable "
            + "rank of gradients against batch size.",
          table: ReportParts.table(
            ["matrix", "stable rank", "largest singular value"], texts: rows,
            label: "Stable ranks"))
      ])
  }

  private func learning(_ drawn: URL?) throws -> HTMLNode {
    let rows = file.learning.curves.map { curve in
      [
        "\(curve.parametrization), \(curve.quantity.symbol)",
        "\(number(curve.exponent)) ± \(number(curve.halfWidth))", number(curve.predicted),
        number(curve.limit),
      ]
    }
    return ReportParts.section(
      "feature-learning", "Who learns features",
      [
        try figure(
          drawn, id: "feature-learning", title: "Relative change over training against width",
          description: "How far the second layer's features and weights have moved, relative to "
            + "their start, against width.",
          table: ReportParts.table(
            ["", "exponent (95 %)", "predicted", "limit"], texts: rows, label: "Exponents"))
      ])
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
