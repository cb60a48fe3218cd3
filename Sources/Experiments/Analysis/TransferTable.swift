import Foundation

/// Numbers in sentences and tables.
enum ReportText {
  /// With `digits` decimals and a true minus sign.
  static func number(_ value: Double, digits: Int) -> String {
    DecimalText.fixed(value, digits: digits).replacing("-", with: "−")
  }

  /// With two decimals, or `missing` where there is none.
  static func twoDecimals(_ value: Double?, or missing: String = "–") -> String {
    value.map { number($0, digits: 2) } ?? missing
  }

  /// A loss to four significant decimals, by powers of ten where that would show too little.
  static func loss(_ value: Double?) -> String {
    guard let value else { return "–" }
    if value == 0 || (0.001..<1e5).contains(abs(value)) { return number(value, digits: 4) }
    return scientific(value)
  }

  private static func scientific(_ value: Double) -> String {
    String(format: "%.2e", value).replacing("-", with: "−")
  }

  /// Such as "95 % −0.10…0.06".
  static func interval(_ interval: Drift.Interval) -> String {
    "95 % \(number(interval.lower, digits: 2))…\(number(interval.upper, digits: 2))"
  }

  /// `prefix` and `text` in lines of at most 80 columns, those after the first behind `indent`
  /// spaces.
  static func wrapped(_ text: String, after prefix: String = "", indent: Int) -> String {
    var lines: [String] = []
    var line = prefix
    var hasWord = false
    for word in text.split(separator: " ") {
      if !hasWord {
        line += word
      } else if line.count + 1 + word.count <= 80 {
        line += " " + word
      } else {
        lines.append(line)
        line = String(repeating: " ", count: indent) + word
      }
      hasWord = true
    }
    return (lines + [line]).joined(separator: "\n")
  }

  /// `text` with spaces behind it up to `width` characters.
  static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// `text` behind spaces up to `width` characters.
  static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}

extension TransferReport {
  /// The report as plain text of at most 80 columns; ends in a newline.
  ///
  /// A block for each parametrization and optimizer: a line a width with the best log2 learning
  /// rate, the loss at the best rate tried and the loss at the narrowest width's best rate; then
  /// drift, regret and verdict. `*` marks a best rate at an end of the grid.
  ///
  /// - emphasis: sets verdicts off.
  public func table(emphasis: Emphasis = { passage, _ in passage }) -> String {
    if groups.isEmpty { return "No runs with a result.\n" }
    var blocks = groups.map { $0.block(objective, names, emphasis) }
    if groups.contains(where: { $0.widths.contains(where: \.onEdge) }) {
      blocks.append(
        ReportText.wrapped(
          "at the edge of the \(names.tunedValues) tried: the optimum may lie beyond", after: "* ",
          indent: 2))
    }
    return blocks.joined(separator: "\n\n") + "\n"
  }
}

extension TransferGroup {
  fileprivate func block(
    _ objective: Objective, _ axes: SweepAxes, _ emphasis: Emphasis
  ) -> String {
    let count = "\(seeds.count) seed\(seeds.count == 1 ? "" : "s")"
    var lines = [
      ReportText.wrapped(
        "\(title): \(objective.title), \(count)"
          + (missing > 0 ? ", \(missing) run\(missing == 1 ? "" : "s") missing" : ""), indent: 2)
    ]
    let narrow = widths.first { $0.log2LearningRate != nil }?.width
    let best = axes.tune == nil ? "rate" : "best"
    // Long names leave no room.
    let place = axes.scaleName.count > 5 ? "" : "\(axes.scaleName) "
    let column = narrow.map { "loss at \(place)\($0)'s \(best)" } ?? "loss"
    let tuned = axes.tune == nil ? "best log2 rate" : "best \(axes.tunedName)"
    let sizes = [max(7, axes.scaleName.count), max(17, tuned.count + 1), max(24, column.count)]
    lines.append(row(axes.scaleName, tuned, " ", "best loss", column, sizes))
    for width in widths {
      let rate = width.log2LearningRate.map(axes.column)
      let diverges = width.diverged == width.runs && width.runs > 0
      lines.append(
        row(
          "\(width.width)", rate ?? (diverges ? "all diverge" : "–"), width.onEdge ? "*" : " ",
          ReportText.loss(width.loss),
          width.divergesAtNarrowRate ? "diverges" : ReportText.loss(width.lossAtNarrowRate), sizes))
    }
    if let drift {
      let interval = drift.interval.map { "(\(ReportText.interval($0)), \(drift.seeds) seeds)" }
      lines.append(
        ReportText.wrapped(
          "\(ReportText.number(drift.octavesPerDoubling, digits: 2)) octaves \(axes.ofDrift) "
            + (interval ?? "(no interval)"), after: "  drift    ", indent: 11))
    }
    if let regret {
      lines.append(ReportText.wrapped(regret.sentence(axes), after: "  regret   ", indent: 11))
    }
    lines.append(
      ReportText.emphasized(
        ReportText.wrapped(verdict.text, after: "  verdict  ", indent: 11), verdict.outcome.tone,
        by: emphasis))
    return lines.joined(separator: "\n")
  }

  private func row(
    _ width: String, _ rate: String, _ mark: String, _ loss: String, _ atNarrow: String,
    _ sizes: [Int]
  ) -> String {
    "  " + ReportText.right(width, sizes[0]) + ReportText.right(rate, sizes[1]) + mark
      + ReportText.right(loss, 12) + "  " + ReportText.right(atNarrow, sizes[2])
  }
}

extension TransferVerdict.Outcome {
  fileprivate var tone: Tone {
    switch self {
    case .transfers: .good
    case .doesNotTransfer: .bad
    case .inconclusive: .unsure
    }
  }
}

extension Regret {
  /// What it costs, in words.
  func sentence(_ axes: SweepAxes) -> String {
    let scale = axes.scaleName
    let rate = "\(scale) \(narrowWidth)'s \(axes.tunedName) \(axes.text(log2: log2LearningRate))"
    if diverges { return "\(scale) \(wideWidth) diverges at \(rate)" }
    guard let absolute else { return "\(scale) \(wideWidth) was not run at \(rate)" }
    let share = relative.map { " (\(ReportText.number(100 * $0, digits: 1)) %)" } ?? ""
    let size = absolute == 0 ? "0" : ReportText.loss(absolute)
    return "\(size)\(share) at \(scale) \(wideWidth) with \(rate)"
  }
}
