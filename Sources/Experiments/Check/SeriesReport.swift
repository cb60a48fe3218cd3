import Spectral

/// A norm of one tensor over the widths of a series, and what the spectral condition says of it.
public struct SeriesExponent: Encodable, Sendable {
  /// What the tensor is, by which of its extents grow with width.
  public enum Role: String, Codable, Hashable, Sendable, CaseIterable {
    /// Rows that one-hot inputs choose.
    case embedding
    /// Only fan-out grows.
    case input
    /// Both grow.
    case hidden
    /// Neither grows.
    case fixed
    /// Only fan-in grows.
    case readout
  }

  /// What an exponent says of the condition.
  public enum Verdict: String, Codable, Hashable, Sendable {
    /// As the condition asks.
    case meets
    /// Not as it asks.
    case breaks
    /// Within the interval either may be, or widths are too narrow or close for theory: more widths or seeds
    /// will tell. No pass.
    case unclear
  }

  /// The tensor's name, without what wrappers put before it.
  public let tensor: String
  /// What it is.
  public let role: Role
  /// `weightNorm` or `updateNorm`; of an embedding, of its largest row over √width.
  public let quantity: SpectralQuantity
  /// Means at each width.
  public let values: [Double]
  /// The slope of log2 of the quantity against log2 of width.
  public let exponent: Double
  /// Its 95 % interval; nil where the files leave none, as two do.
  public let lower, upper: Double?
  /// The slope of a network that meets the condition, over these widths.
  public let condition: Double
  /// What follows.
  public let verdict: Verdict

  init(
    tensor: String, role: Role, quantity: SpectralQuantity, values: [Double],
    fitted: FittedExponent, condition: Double, isDoubtful: Bool
  ) {
    (self.tensor, self.role, self.quantity) = (tensor, role, quantity)
    (self.values, self.condition, exponent) = (values, condition, fitted.exponent)
    (lower, upper) =
      fitted.halfWidth.isFinite ? (fitted.lower, fitted.upper) : (nil, nil)
    verdict =
      switch fitted.standing(to: condition, within: quantity.tolerance) {
      case .met: .meets
      case .unclear: .unclear
      case .broken: isDoubtful ? .unclear : .breaks
      }
  }

  private enum CodingKeys: String, CodingKey {
    case tensor, role, quantity, values, exponent, lower, upper, condition, verdict
  }

  /// All of it; bounds that are not known are null.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(tensor, forKey: .tensor)
    try container.encode(role, forKey: .role)
    try container.encode(quantity, forKey: .quantity)
    try container.encode(values, forKey: .values)
    try container.encode(exponent, forKey: .exponent)
    try container.encode(lower, forKey: .lower)
    try container.encode(upper, forKey: .upper)
    try container.encode(condition, forKey: .condition)
    try container.encode(verdict, forKey: .verdict)
  }
}

/// What a series of weight files says of the spectral condition.
public struct SeriesReport: Encodable, Sendable {
  /// The widths, ascending.
  public let widths: [Int]
  /// Number of networks.
  public let files: Int
  /// Whether there are weights after a step.
  public let hasUpdates: Bool
  /// Every quantity that was fitted, tensors from the input to the readout as far as extents tell.
  public let exponents: [SeriesExponent]
  /// What was not judged, how tensors were read and what was taken for granted, in words.
  public let remarks: [String]
  /// Matrices of which a norm was not judged: those that cannot be read, that not every file has, that were
  /// not updated. None of them is a zero readout, or a tensor of one size that is not trained.
  public let unjudged: [String]
  /// Why the files cannot be one network at these widths; nil where they can. Exponents then say nothing.
  public let obstacle: String?

  /// The broken ones in order, then those that cannot be told.
  public var failures: [SeriesExponent] {
    exponents.filter { $0.verdict == .breaks } + exponents.filter { $0.verdict == .unclear }
  }

  /// What the exponents say together.
  public var verdict: CheckReport.Verdict {
    if obstacle != nil { return .unclear }
    if exponents.contains(where: { $0.verdict == .breaks }) { return .fail }
    return failures.isEmpty && !exponents.isEmpty && unjudged.isEmpty ? .pass : .unclear
  }

  private enum CodingKeys: String, CodingKey {
    case verdict, failures, culprit, widths, exponents, remarks, unjudged, obstacle
  }

  /// The verdict, the failures with the first as culprit, and all exponents.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(verdict, forKey: .verdict)
    try container.encode(failures, forKey: .failures)
    try container.encodeIfPresent(failures.first, forKey: .culprit)
    try container.encode(widths, forKey: .widths)
    try container.encode(exponents, forKey: .exponents)
    try container.encode(remarks, forKey: .remarks)
    try container.encode(unjudged, forKey: .unjudged)
    try container.encodeIfPresent(obstacle, forKey: .obstacle)
  }

  /// The report as plain text: a block a quantity with a line a tensor, then the verdict in words.
  ///
  /// - emphasis: sets off the verdict and the lines that it rests on.
  public func table(emphasis: Emphasis = { passage, _ in passage }) -> String {
    var blocks = [
      ReportText.wrapped(
        "\(files) networks of \(widths.count) widths: how norms grow with width"
          + (hasUpdates ? ", ‖ΔW‖ from the first file of each pair to the second" : ""), indent: 2)
    ]
    for quantity in [SpectralQuantity.weightNorm, .updateNorm] {
      let rows = exponents.filter { $0.quantity == quantity }
      if !rows.isEmpty { blocks.append(block(quantity, rows, emphasis)) }
    }
    if let note = columns.note { blocks.append(note) }
    let marks = Set(exponents.map(\.verdict))
    if !exponents.isEmpty {
      blocks.append(legend(marks))
      if hasUpdates {
        blocks.append(
          ReportText.wrapped(
            "Compare one step after the start: later steps mix in growth, so that a true exponent of "
              + "1 was seen as 0.74 to 0.90.", indent: 0))
      }
    }
    blocks += remarks.map { ReportText.wrapped($0.printable(), indent: 2) }
    blocks.append(
      ReportText.emphasized(
        ReportText.wrapped(sentence, after: "verdict  ", indent: 9), verdict.tone, by: emphasis))
    return blocks.joined(separator: "\n\n") + "\n"
  }

  private func legend(_ marks: Set<SeriesExponent.Verdict>) -> String {
    ReportText.wrapped(
      (["needs: what the condition asks at these widths"]
        + (marks.contains(.breaks) ? ["✗ breaks the condition"] : [])
        + (marks.contains(.unclear) ? ["? more widths or seeds are needed to tell"] : []))
        .joined(separator: "; ") + ".", indent: 0)
  }

  private var columns: SizeColumns {
    let nameWidth = max(14, 3 + (exponents.map { $0.tensor.printable().count }.max() ?? 0))
    return SizeColumns(
      widths, NetworkScale.width.plural, nameWidth: nameWidth,
      atMost: max(2, (80 - nameWidth - 20) / SizeColumns.valueWidth))
  }

  private func block(
    _ quantity: SpectralQuantity, _ rows: [SeriesExponent], _ emphasis: Emphasis
  ) -> String {
    let columns = columns
    let header =
      columns.header(quantity.symbol) + ReportText.right("exponent", 13)
      + ReportText.right("needs", 6)
    let lines = rows.map { row in
      let half = row.upper.map { ReportText.number($0 - row.exponent, digits: 2) } ?? "?"
      let line =
        columns.row(row.tensor.printable(), row.values)
        + ReportText.right("\(ReportText.number(row.exponent, digits: 2))±\(half)", 13)
        + ReportText.right(ReportText.number(row.condition, digits: 2), 6)
      return switch row.verdict {
      case .meets: line
      case .unclear: emphasis(line + "?", .unsure)
      case .breaks: emphasis(line + "✗", .bad)
      }
    }
    return ([header] + lines).joined(separator: "\n")
  }

  /// The verdict in words: which tensor breaks first.
  var sentence: String {
    if let obstacle {
      return "cannot tell: \(obstacle.printable()); these are no networks of the widths given"
    }
    guard let culprit = failures.first else {
      if verdict == .pass {
        return "meets the spectral condition: every exponent is what it should be"
      }
      if unjudged.isEmpty { return "cannot tell: there is no tensor to measure in every file" }
      let shown = unjudged.prefix(3).map { $0.printable() }.joined(separator: ", ")
      let rest = unjudged.count > 3 ? " and \(unjudged.count - 3) more" : ""
      return "cannot tell: not judged: \(shown)\(rest)"
    }
    let name = culprit.tensor.printable()
    let growth =
      "\(culprit.quantity.symbol) grows as n^\(ReportText.number(culprit.exponent, digits: 2)) where "
      + "n^\(ReportText.number(culprit.condition, digits: 2)) is needed"
    guard culprit.verdict == .breaks else {
      if let doubt = CheckReport.doubt(about: widths, .width) {
        return "cannot tell: \(name), \(growth). At these widths that may be chance: \(doubt)"
      }
      return "cannot tell: \(name), \(growth), "
        + (culprit.lower == nil
          ? "and two files give no interval; give more widths"
          : "within what \(files) networks leave open; give more widths or seeds")
    }
    let others = Set(
      failures.filter { $0.verdict == .breaks && $0.tensor != culprit.tensor }.map(\.tensor)
    )
    .sorted(by: WeightAudit.precedes).map { $0.printable() }
    let shown = others.prefix(6).joined(separator: ", ")
    let rest =
      others.isEmpty
      ? "" : ". Others: \(shown)" + (others.count > 6 ? " and \(others.count - 6) more" : "")
    return "breaks the spectral condition, first in \(name): \(growth)\(rest)"
  }
}
