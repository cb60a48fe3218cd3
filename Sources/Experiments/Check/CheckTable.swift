import Foundation
import Spectral

extension CheckReport {
  /// The report as plain text of at most 80 columns: a block a quantity with a line a layer, then
  /// the coordinate check, then the verdict in words. Of more than five widths five are shown, the
  /// narrowest and the widest among them; exponents are of all.
  ///
  /// - coordinates: whether mean |h| by layer, step and width is shown.
  /// - emphasis: sets off the verdict and the lines that it rests on.
  public func table(
    coordinates showsCoordinates: Bool = false, emphasis: Emphasis = { passage, _ in passage }
  ) -> String {
    let place = step == 1 ? "first step" : "second step, as the readout starts at 0"
    var blocks = [
      ReportText.wrapped(
        "\(parametrization), \(optimizer), rate 2^"
          + "\(ReportText.number(log2LearningRate, digits: 2)), \(seeds) seeds: how quantities "
          + "grow with width, at the \(place)", indent: 2)
    ]
    for quantity in SpectralQuantity.allCases {
      let rows = exponents.filter { $0.quantity == quantity }
      if !rows.isEmpty { blocks.append(block(quantity, rows, emphasis)) }
    }
    if shown.count < widths.count {
      blocks.append("values at \(shown.count) of \(widths.count) widths; exponents are of all")
    }
    blocks.append(
      ReportText.wrapped(
        ([
          "rule, limit: what the rule predicts at these widths and as they grow; needs: what the "
            + "condition asks at these widths"
        ] + legend).joined(separator: "; ") + ".", indent: 0))
    if showsCoordinates { blocks.append(coordinateBlock) }
    blocks += remarks
    let tone: Tone =
      switch verdict {
      case .pass: .good
      case .fail: .bad
      case .unclear: .unsure
      }
    let verdict = ReportText.wrapped(sentence, after: "verdict  ", indent: 9)
    blocks.append(ReportText.emphasized(verdict, tone, by: emphasis))
    return blocks.joined(separator: "\n\n") + "\n"
  }

  /// What the marks mean that are in the table.
  var legend: [String] {
    let seen = Set(exponents.map(\.verdict.mark))
    return [
      ("✗", "breaks the condition"), ("?", "more seeds or other widths are needed to tell"),
      ("~", "off at the narrowest widths only"), ("·", "not judged"),
    ].filter { seen.contains($0.0) }.map { "\($0.0) \($0.1)" }
  }

  /// Indices of the widths that there is room for, evenly chosen.
  private var shown: [Int] {
    let most = min(widths.count, nameWidth > Self.usualNameWidth ? 4 : 5)
    return (0..<most).map { most == 1 ? 0 : $0 * (widths.count - 1) / (most - 1) }
  }

  /// Columns of a layer's name and of a value: with five widths a line has 79, with longer names and
  /// four as many at most.
  private static let (usualNameWidth, valueWidth) = (13, 7)
  private var nameWidth: Int {
    max(Self.usualNameWidth, 3 + (exponents.map(\.layer.count).max() ?? 0))
  }

  private func block(
    _ quantity: SpectralQuantity, _ rows: [CheckedQuantity], _ emphasis: Emphasis
  ) -> String {
    // The quantity's symbol reaches into the first width's column.
    let first = "\(widths[0])"
    let header =
      ReportText.left(quantity.symbol, nameWidth + Self.valueWidth - first.count) + first
      + shown.dropFirst().map { ReportText.right("\(widths[$0])", Self.valueWidth) }.joined()
      + ReportText.right("exponent", 12) + ReportText.right("rule", 6)
      + ReportText.right("limit", 6) + ReportText.right("needs", 6)
    let lines = rows.map { checked in
      checked.verdict.tone.map { emphasis(row(checked), $0) } ?? row(checked)
    }
    return ([header] + lines).joined(separator: "\n")
  }

  private func row(_ checked: CheckedQuantity) -> String {
    let half = (checked.upper - checked.lower) / 2
    func exponent(_ value: Double) -> String {
      ReportText.right(ReportText.number(value, digits: 2), 6)
    }
    let fitted =
      "\(ReportText.number(checked.exponent, digits: 2))±\(ReportText.number(half, digits: 2))"
    return ReportText.left("  \(checked.layer)", nameWidth)
      + shown.map { ReportText.right(Self.value(checked.values[$0]), Self.valueWidth) }.joined()
      + ReportText.right(fitted, 12) + exponent(checked.predicted)
      + exponent(checked.predictedLimit) + exponent(checked.condition) + checked.verdict.mark
  }

  /// Three significant digits.
  static func value(_ value: Double) -> String {
    let magnitude = abs(value)
    if magnitude >= 0.01 && magnitude < 1000 {
      let digits = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3
      return ReportText.number(value, digits: digits)
    }
    return String(format: abs(log10(magnitude)) < 10 ? "%.1e" : "%.0e", value)
      .replacing("-", with: "−").replacing("e−0", with: "e−").replacing("e+0", with: "e")
      .replacing("e+", with: "e")
  }

  private var coordinateBlock: String {
    let header =
      ReportText.left("mean |h|", nameWidth - 2) + ReportText.right("step", 4)
      + shown.map { ReportText.right("\(widths[$0])", Self.valueWidth + 2) }.joined()
    let rows = coordinates.map { coordinate in
      ReportText.left("  \(coordinate.layer)", nameWidth - 2)
        + ReportText.right("\(coordinate.step)", 4)
        + shown.map {
          ReportText.right(Self.value(coordinate.meanAbsolute[$0]), Self.valueWidth + 2)
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
        exponents.contains { $0.verdict == .fades } ? ", but for what fades with width" : ""
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
        CheckReport.doubt(about: widths).map { ". At these widths that may be chance: \($0)" }
        ?? ", within the spread of \(seeds) seeds; give it more"
      return "cannot tell: \(culprit.layer), \(culprit.quantity.symbol), grows as n^\(exponent) "
        + "where n^\(needed) is needed\(reason)"
    case .breaksAsPredicted, .meets, .fades, .informative:
      blame =
        "The rule predicts \(predicted): it does what it says, and what it says breaks the "
        + "condition"
    }
    let own =
      culprit.deviatesByItself
      ? "; the layer's own \(culprit.isOfUpdate ? "rate" : "initial size") is off by n^"
        + ReportText.number(culprit.ownDeviation, digits: 2) : ""
    let others = failures.filter { $0.layer != culprit.layer }.map(\.layer)
    let rest = others.isEmpty ? "" : ". Others: \(Set(others).sorted().joined(separator: ", "))"
    return "breaks the spectral condition, first in \(culprit.layer): "
      + "\(culprit.quantity.symbol) grows as n^\(exponent) where n^\(needed) is needed. "
      + "\(blame)\(own)\(rest)"
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
