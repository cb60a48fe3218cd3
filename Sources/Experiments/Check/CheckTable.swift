import Foundation
import Spectral

extension CheckReport {
  /// The report as plain text of at most 80 columns: a block a quantity with a line a layer, then
  /// the coordinate check, then the verdict in words. Of more than five sizes five are shown, the
  /// smallest and the largest among them; exponents are of all.
  ///
  /// - coordinates: whether mean |h| by layer, step and size is shown.
  /// - emphasis: sets off the verdict and the lines that it rests on.
  public func table(
    coordinates showsCoordinates: Bool = false, emphasis: Emphasis = { passage, _ in passage }
  ) -> String {
    let place = step == 1 ? "first step" : "second step, as the readout starts at 0"
    var blocks = [
      ReportText.wrapped(
        "\(parametrization), \(optimizer), rate 2^"
          + "\(ReportText.number(log2LearningRate, digits: 2)), \(seeds) seeds: how quantities "
          + "grow with \(scale.rawValue), at the \(place)", indent: 2)
    ]
    for quantity in SpectralQuantity.allCases {
      let rows = exponents.filter { $0.quantity == quantity }
      if !rows.isEmpty { blocks.append(block(quantity, rows, emphasis)) }
    }
    if let note = columns.note { blocks.append(note) }
    blocks.append(
      ReportText.wrapped(
        ([
          "rule, limit: what the rule predicts at these \(scale.plural) and as they grow; needs: "
            + "what the condition asks at these \(scale.plural)"
        ] + (scale == .depth ? ["of the blocks the first, middle and last are compared"] : [])
          + legend).joined(separator: "; ") + ".", indent: 0))
    if showsCoordinates { blocks.append(coordinateBlock) }
    blocks += remarks
    let text = ReportText.wrapped(sentence, after: "verdict  ", indent: 9)
    blocks.append(ReportText.emphasized(text, verdict.tone, by: emphasis))
    return blocks.joined(separator: "\n\n") + "\n"
  }

  /// What the marks mean that are in the table.
  var legend: [String] {
    let seen = Set(exponents.map(\.verdict.mark))
    return [
      ("✗", "breaks the condition"),
      ("?", "more seeds or other \(scale.plural) are needed to tell"),
      ("~", "off at the smallest \(scale.plural) only"), ("·", "not judged"),
    ].filter { seen.contains($0.0) }.map { "\($0.0) \($0.1)" }
  }

  /// With five widths and short names a line has 79 columns, with longer names and four as many at most.
  private var columns: SizeColumns {
    let nameWidth = 3 + (exponents.map(\.layer.count).max() ?? 0)
    return SizeColumns(
      sizes, scale.plural, nameWidth: max(13, nameWidth), atMost: nameWidth > 13 ? 4 : 5)
  }

  private func block(
    _ quantity: SpectralQuantity, _ rows: [CheckedQuantity], _ emphasis: Emphasis
  ) -> String {
    let columns = columns
    let header =
      columns.header(quantity.symbol) + ReportText.right("exponent", 12)
      + ReportText.right("rule", 6) + ReportText.right("limit", 6) + ReportText.right("needs", 6)
    let lines = rows.map { checked in
      let line = row(checked, columns)
      return checked.verdict.tone.map { emphasis(line, $0) } ?? line
    }
    return ([header] + lines).joined(separator: "\n")
  }

  private func row(_ checked: CheckedQuantity, _ columns: SizeColumns) -> String {
    let half = (checked.upper - checked.lower) / 2
    func exponent(_ value: Double) -> String {
      ReportText.right(ReportText.number(value, digits: 2), 6)
    }
    let fitted =
      "\(ReportText.number(checked.exponent, digits: 2))±\(ReportText.number(half, digits: 2))"
    return columns.row(checked.layer, checked.values) + ReportText.right(fitted, 12)
      + exponent(checked.predicted)
      + exponent(checked.predictedLimit) + exponent(checked.condition) + checked.verdict.mark
  }

  private var coordinateBlock: String {
    let columns = columns
    let (nameWidth, valueWidth) = (columns.nameWidth - 2, SizeColumns.valueWidth + 2)
    let header =
      ReportText.left("mean |h|", nameWidth) + ReportText.right("step", 4)
      + columns.shown.map { ReportText.right("\(sizes[$0])", valueWidth) }.joined()
    let rows = coordinates.map { coordinate in
      ReportText.left("  \(coordinate.layer)", nameWidth)
        + ReportText.right("\(coordinate.step)", 4)
        + columns.shown.map {
          ReportText.right(ReportText.threeDigits(coordinate.meanAbsolute[$0]), valueWidth)
        }.joined()
    }
    return ([header] + rows).joined(separator: "\n")
  }

  /// The verdict in words: what breaks first, and whether the rule is to blame or something else.
  var sentence: String {
    let rate = "2^\(ReportText.number(log2LearningRate, digits: 2))"
    if diverged {
      return "cannot tell: networks diverge at the rate \(rate); give --log2-lr a lower one"
    }
    guard let culprit else {
      guard passes else { return "cannot tell: nothing could be fitted" }
      let exception =
        exponents.contains { $0.verdict == .fades }
        ? ", but for what fades with \(scale.rawValue)" : ""
      return "meets the spectral condition: every exponent is what it should be\(exception)"
    }
    let exponent = ReportText.number(culprit.exponent, digits: 2)
    let needed = ReportText.number(culprit.condition, digits: 2)
    let predicted = ReportText.number(culprit.predicted, digits: 2)
    let blame: String
    switch culprit.verdict {
    case .breaksUnpredicted:
      blame = "The rule predicts \(predicted): this is not the rule's doing"
    case .unclear:
      let reason =
        CheckReport.doubt(about: sizes, scale).map {
          ". At these \(scale.plural) that may be chance: \($0)"
        }
        ?? ", within the spread of \(seeds) seeds; "
        + (culprit.seedsToTell.map { "about \($0) would tell" } ?? "give it more")
      return
        "cannot tell: \(culprit.layer), \(culprit.quantity.symbol), grows as \(scale.symbol)^\(exponent) "
        + "where \(scale.symbol)^\(needed) is needed\(reason)"
    case .breaksAsPredicted, .meets, .fades, .informative:
      blame =
        "The rule predicts \(predicted): it does what it says, and what it says breaks the "
        + "condition"
    }
    let own =
      culprit.deviatesByItself
      ? "; the layer's own \(culprit.isOfUpdate ? "rate" : "initial size") is off by \(scale.symbol)^"
        + ReportText.number(culprit.ownDeviation, digits: 2) : ""
    return "breaks the spectral condition, first in \(culprit.layer): "
      + "\(culprit.quantity.symbol) grows as \(scale.symbol)^\(exponent) where \(scale.symbol)^\(needed) is needed. "
      + "\(blame)\(own)\(others(than: culprit.layer))"
  }

  /// The other layers that break the condition: those that are off by themselves, and those that only take
  /// it over from what reaches them.
  private func others(than first: String) -> String {
    let broken = failures.filter { $0.layer != first }
    let own = Set(
      broken.filter { $0.deviatesByItself || $0.verdict == .breaksUnpredicted }.map(\.layer))
    let inherited = Set(broken.map(\.layer)).subtracting(own)
    return [("Also off by themselves", own), ("Off by what reaches them", inherited)]
      .filter { !$0.1.isEmpty }
      .map { ". \($0.0): \($0.1.sorted().joined(separator: ", "))" }.joined()
  }
}

extension CheckedQuantity {
  /// Whether it is the layer's rate, and not its initial size, that the quantity rests on.
  fileprivate var isOfUpdate: Bool {
    switch quantity {
    case .weightNorm, .featureSize: false
    case .updateNorm, .featureChange, .relativeUpdate, .relativeUpdateFrobenius: true
    }
  }
}

extension CheckedQuantity.Verdict {
  /// How a line of the table strikes; nil where it is nothing to stop at.
  fileprivate var tone: Tone? {
    switch self {
    case .meets, .informative: nil
    case .unclear, .fades: .unsure
    case .breaksAsPredicted, .breaksUnpredicted: .bad
    }
  }

  /// What stands behind a line of the table.
  var mark: String {
    switch self {
    case .meets: ""
    case .informative: "·"
    case .unclear: "?"
    case .fades: "~"
    case .breaksAsPredicted, .breaksUnpredicted: "✗"
    }
  }
}

extension CheckReport.Verdict {
  /// How it is set off.
  var tone: Tone {
    switch self {
    case .pass: .good
    case .fail: .bad
    case .unclear: .unsure
    }
  }
}
