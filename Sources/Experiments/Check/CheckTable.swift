import Foundation
import Spectral

extension CheckReport {
  /// The report as plain text: a block a quantity with a line a layer, then the coordinate check,
  /// then the verdict in words. 80 columns for up to five widths.
  ///
  /// - coordinates: whether mean |h| by layer, step and width is shown.
  public func table(coordinates showsCoordinates: Bool = false) -> String {
    let place = step == 1 ? "first step" : "second step, as the readout starts at 0"
    var blocks = [
      ReportText.wrapped(
        "\(parametrization), \(optimizer), rate 2^"
          + "\(ReportText.number(log2LearningRate, digits: 2)), \(seeds) seeds: how quantities "
          + "grow with width, at the \(place)", indent: 2)
    ]
    for quantity in SpectralQuantity.allCases {
      let rows = exponents.filter { $0.quantity == quantity }
      if !rows.isEmpty { blocks.append(block(quantity, rows)) }
    }
    blocks.append(
      ReportText.wrapped(
        ([
          "rule, limit: what the rule predicts at these widths and as they grow; needs: what the "
            + "condition asks at these widths"
        ] + legend).joined(separator: "; ") + ".", indent: 0))
    if showsCoordinates { blocks.append(coordinateBlock) }
    blocks += remarks
    blocks.append(ReportText.wrapped(sentence, after: "verdict  ", indent: 9))
    return blocks.joined(separator: "\n\n") + "\n"
  }

  /// What the marks mean that are in the table.
  var legend: [String] {
    let seen = Set(exponents.map(\.verdict.mark))
    return [
      ("✗", "breaks the condition"), ("?", "more seeds are needed to tell"),
      ("~", "off at the narrowest widths only"), ("·", "not judged"),
    ].filter { seen.contains($0.0) }.map { "\($0.0) \($0.1)" }
  }

  /// Columns of a layer's name and of a value: with five widths a line has 79.
  private static let (nameWidth, valueWidth) = (13, 7)

  private func block(_ quantity: SpectralQuantity, _ rows: [CheckedQuantity]) -> String {
    // The quantity's symbol reaches into the first width's column.
    let first = "\(widths[0])"
    let header =
      ReportText.left(quantity.symbol, Self.nameWidth + Self.valueWidth - first.count) + first
      + widths.dropFirst().map { ReportText.right("\($0)", Self.valueWidth) }.joined()
      + ReportText.right("exponent", 12) + ReportText.right("rule", 6)
      + ReportText.right("limit", 6) + ReportText.right("needs", 6)
    return ([header] + rows.map(row)).joined(separator: "\n")
  }

  private func row(_ checked: CheckedQuantity) -> String {
    let half = (checked.upper - checked.lower) / 2
    func exponent(_ value: Double) -> String {
      ReportText.right(ReportText.number(value, digits: 2), 6)
    }
    let fitted =
      "\(ReportText.number(checked.exponent, digits: 2))±\(ReportText.number(half, digits: 2))"
    return ReportText.left("  \(checked.layer)", Self.nameWidth)
      + checked.values.map { ReportText.right(Self.value($0), Self.valueWidth) }.joined()
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
      ReportText.left("mean |h|   step", 15)
      + widths.map { ReportText.right("\($0)", Self.valueWidth + 2) }.joined()
    let rows = coordinates.map { coordinate in
      ReportText.left("  \(coordinate.layer)", 11)
        + ReportText.right("\(coordinate.step)", 4)
        + coordinate.meanAbsolute.map {
          ReportText.right(Self.value($0), Self.valueWidth + 2)
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
      guard passes else { return "fails: nothing could be fitted" }
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
      return "cannot tell: \(culprit.layer), \(culprit.quantity.symbol), grows as n^\(exponent) "
        + "where n^\(needed) is needed, within the spread of \(seeds) seeds; give it more"
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
