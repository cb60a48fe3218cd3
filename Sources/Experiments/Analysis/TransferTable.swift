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

  /// Three significant digits, of very large and small values two by powers of ten.
  static func threeDigits(_ value: Double) -> String {
    let magnitude = abs(value)
    if magnitude >= 0.01 && magnitude < 1000 {
      let digits = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3
      return number(value, digits: digits)
    }
    return String(format: abs(log10(magnitude)) < 10 ? "%.1e" : "%.0e", value)
      .replacing("-", with: "−").replacing("e−0", with: "e−").replacing("e+0", with: "e")
      .replacing("e+", with: "e")
  }

  private static func scientific(_ value: Double) -> String {
    String(format: "%.2e", value).replacing("-", with: "−")
  }

  /// Such as "90 % −0.10…0.06".
  static func interval(_ interval: Interval) -> String {
    "90 % \(number(interval.lower, digits: 2))…\(number(interval.upper, digits: 2))"
  }

  /// A share such as "0.3 %", "113 %".
  static func percent(_ share: Double) -> String { "\(hundredths(share)) %" }

  /// An interval of shares such as "90 % 0.1…1.2 %".
  static func percents(_ lower: Double, _ upper: Double?) -> String {
    "90 % \(hundredths(lower))…\(upper.map { hundredths($0) } ?? "∞") %"
  }

  private static func hundredths(_ share: Double) -> String {
    number(100 * share, digits: abs(share) < 0.0995 ? 1 : 0)
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
  /// A block for each parametrization and optimizer: a line a width with the best learning
  /// rate, the loss at the best rate tried and the loss at the narrowest width's best rate; then
  /// drift, regret and verdict. `*` marks a best rate at an end of the grid, `~` that of a target width
  /// which was not trained.
  ///
  /// - emphasis: sets verdicts off.
  public func table(emphasis: Emphasis = { passage, _ in passage }) -> String {
    if groups.isEmpty { return "No runs with a result.\n" }
    var blocks = groups.map { $0.block(loss, names, emphasis) }
    if let comparison { blocks.append(comparison.block(names, reasons: reasons)) }
    if groups.contains(where: { $0.widths.contains(where: \.onEdge) }) {
      blocks.append(
        ReportText.wrapped(
          "at the edge of the \(names.tunedValues) tried: the optimum may lie beyond", after: "* ",
          indent: 2))
    }
    if groups.contains(where: { $0.untrained != nil }) {
      blocks.append("~ not trained: what the best \(names.tunedValues) of the others say")
    }
    if let unlikeDevices { blocks.append(ReportText.wrapped(unlikeDevices, indent: 2)) }
    return blocks.joined(separator: "\n\n") + "\n"
  }

  /// What to know where several devices have trained; nil for one.
  var unlikeDevices: String? {
    devices.map { devices in
      "trained on unlike devices, which round in different ways: "
        + devices.map { "\($0.device), \($0.runs) runs" }.joined(separator: "; ")
        + "; so a small difference may be theirs, and their times are not compared"
    }
  }
}

extension TransferGroup {
  fileprivate func block(
    _ loss: String, _ axes: SweepAxes, _ emphasis: Emphasis
  ) -> String {
    let columns = knownColumns
    let what = columns == 4 ? "\(loss), \(seedText)" : "best \(axes.tunedValues)"
    var lines = [ReportText.wrapped("\(title): \(what)", indent: 2)]
    let narrow = widths.first { $0.log2LearningRate != nil }?.width
    let best = axes.tune == nil ? "rate" : "best"
    // Long names leave no room.
    let place = axes.scaleName.count > 5 ? "" : "\(axes.scaleName) "
    let column = narrow.map { "loss at \(place)\($0)'s \(best)" } ?? "loss"
    let tuned = "best \(axes.tunedName)"
    let sizes = [
      max(7, axes.scaleName.count), max(axes.tune == nil ? 22 : 17, tuned.count + 1),
      max(24, column.count),
    ]
    func row(_ width: String, _ rate: String, _ mark: String, _ losses: [String]) -> String {
      "  " + ReportText.right(width, sizes[0]) + ReportText.right(rate, sizes[1])
        + (columns == 2 && mark == " " ? "" : mark)
        + zip(losses, [12, sizes[2] + 2]).prefix(columns - 2).map(ReportText.right).joined()
    }
    lines.append(row(axes.scaleName, tuned, " ", ["best loss", column]))
    var rows = widths.map { width in
      let rate = width.log2LearningRate.map(axes.text)
      let diverges = width.diverged == width.runs && width.runs > 0
      return (
        width: width.width,
        line: row(
          "\(width.width)", rate ?? (diverges ? "all diverge" : "–"), width.onEdge ? "*" : " ",
          [
            ReportText.loss(width.loss),
            width.divergesAtNarrowRate ? "diverges" : ReportText.loss(width.lossAtNarrowRate),
          ])
      )
    }
    if let untrained {
      let rate = axes.text(log2: untrained.log2LearningRate)
      rows.append(
        (untrained.width, row("\(untrained.width)", rate, "~", ["–", "–"])))
    }
    lines += rows.sorted { $0.width < $1.width }.map(\.line)
    func line(_ name: String, _ text: String?) {
      guard let text else { return }
      lines.append(
        ReportText.wrapped(
          text, after: "  " + ReportText.left(name, 11), indent: 13))
    }
    line("perplexity", perplexities)
    line("drift", drift?.sentence(axes))
    line("deviation", deviation?.sentence(axes))
    line("regret", regret?.sentence(axes))
    lines.append(
      ReportText.emphasized(
        ReportText.wrapped(verdict.text, after: "  verdict    ", indent: 13), verdict.outcome.tone,
        by: emphasis))
    line(
      "use", recommendation?.sentence(axes) ?? target.map { Recommendation.none(for: $0, axes) })
    return lines.joined(separator: "\n")
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

extension TransferGroup {
  /// How many are known of width, best rate, loss and loss at the narrowest's best rate: of best rates alone
  /// two, or three.
  var knownColumns: Int {
    let isOfRuns = widths.contains {
      $0.log2LearningRate == nil || $0.lossAtNarrowRate != nil || $0.divergesAtNarrowRate
    }
    return isOfRuns ? 4 : widths.contains { $0.loss != nil } ? 3 : 2
  }

  /// Whether the losses are those of a text's tokens, and whether their bytes are known.
  var textUnits: (tokens: Bool, bytes: Bool) {
    (widths.contains { $0.perplexity != nil }, widths.contains { $0.bitsPerByte != nil })
  }

  /// The widths' best losses in a text's units; nil of other data.
  private var perplexities: String? {
    func list(_ texts: [String]) -> String { texts.joined(separator: ", ") }
    guard textUnits.tokens else { return nil }
    return list(widths.map { ReportText.perplexity($0.perplexity) }) + " of the best losses"
      + (textUnits.bytes
        ? "; bits per byte " + list(widths.map { ReportText.bitsPerByte($0.bitsPerByte) }) : "")
  }

  /// The seeds that are compared and what is missing, in words.
  var seedText: String {
    var text = "\(seeds.count) seed\(seeds.count == 1 ? "" : "s")"
    if missing > 0 { text += ", \(missing) run\(missing == 1 ? "" : "s") missing" }
    if !partialSeeds.isEmpty {
      let list = partialSeeds.map { "\($0)" }.joined(separator: ", ")
      text +=
        ", without seed\(partialSeeds.count == 1 ? "" : "s") \(list), not run everywhere"
    }
    if seedsDiffer { text += ", not the same ones everywhere: means are of unlike runs" }
    return text
  }
}

extension Drift {
  /// How the optimum moves, in words.
  func sentence(_ axes: SweepAxes) -> String {
    let range =
      interval.map { "(\(ReportText.interval($0)), \(seeds) seeds)" } ?? "(no interval)"
    return "\(ReportText.number(octavesPerDoubling, digits: 2)) octaves \(axes.ofDrift) \(range)"
  }
}

extension Deviation {
  /// Where the optimum is furthest off, in words.
  func sentence(_ axes: SweepAxes) -> String {
    let range = interval.map { " (\(ReportText.interval($0)))" } ?? ""
    let size = ReportText.number(abs(octaves), digits: 2)
    if isBound && abs(octaves) < 0.005 {
      return "not known: the best \(axes.tunedValues) are at an edge of the grid"
    }
    return (isBound ? "at least \(size) octaves" : "\(size) octaves at most")
      + ", at \(axes.scaleName) \(width) from \(axes.scaleName) \(narrowWidth)\(range)"
  }
}

extension Regret {
  /// What it costs, in words.
  func sentence(_ axes: SweepAxes) -> String {
    let scale = axes.scaleName
    let rate = "\(axes.rate(of: narrowWidth)) \(axes.text(log2: log2LearningRate))"
    if diverges { return "\(scale) \(wideWidth) diverges at \(rate)" }
    guard let absolute else { return "\(scale) \(wideWidth) was not run at \(rate)" }
    let range = interval.map { " (\(ReportText.percents($0.lower, $0.upper)))" } ?? ""
    let cost = relative.map { ReportText.percent($0) + range } ?? ReportText.loss(absolute)
    return "\(cost) at \(scale) \(wideWidth) with \(rate)"
  }
}
