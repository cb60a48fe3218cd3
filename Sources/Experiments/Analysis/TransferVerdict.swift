/// Whether the best learning rate carries over to wide models, in a word and in a sentence.
public struct TransferVerdict: Codable, Hashable, Sendable {
  /// The word.
  public enum Outcome: String, Codable, Hashable, Sendable {
    /// The whole interval lies within the tolerance.
    case transfers
    /// The drift is beyond the tolerance and the interval excludes 0.
    case doesNotTransfer = "does not transfer"
    /// The data allow neither.
    case inconclusive
  }

  /// The word.
  public let outcome: Outcome
  /// A sentence that begins with it and gives the numbers.
  public let text: String

  /// The drift that still counts as transfer, in octaves per doubling: 0.25.
  ///
  /// The smallest drift that theory predicts of a wrong rule is ½ octave a doubling (a hidden
  /// update that grows as √width); this lies halfway between it and none.
  public static let tolerance = 0.25

  /// Judges a drift.
  ///
  /// - edges: the widths whose best rate is an end of the grid; their optimum is only a bound,
  ///   and so is the drift.
  static func judge(
    drift: Drift?, edges: [(width: Int, edge: GridEdge)], axes: SweepAxes = SweepAxes()
  ) -> TransferVerdict {
    func verdict(_ outcome: Outcome, _ reason: String) -> TransferVerdict {
      TransferVerdict(outcome: outcome, text: "\(outcome.rawValue): \(reason)")
    }
    guard let drift else {
      return verdict(
        .inconclusive, "fewer than two \(axes.scaleValues) have a run that did not diverge")
    }
    if !edges.isEmpty {
      let directions = Set(edges.map(\.edge))
      let ask =
        directions.count > 1
        ? "both lower and higher" : directions == [.lowest] ? "lower" : "higher"
      let widths = edges.map { "\($0.width)" }.joined(separator: ", ")
      return verdict(
        .inconclusive,
        "the best \(axes.tunedName) is at the edge of the grid at \(axes.scaleName) \(widths); add "
          + "\(ask) \(axes.tunedValues)")
    }
    let number = ReportText.number(drift.octavesPerDoubling, digits: 2)
    guard let interval = drift.interval else {
      let why = drift.seeds == 1 ? "one seed gives" : "without two complete seeds there is"
      return verdict(
        .inconclusive, "the optimum moves \(number) octaves a doubling; \(why) no interval")
    }
    let range = ReportText.interval(interval)
    if interval.lower >= -tolerance && interval.upper <= tolerance {
      return verdict(.transfers, "the optimum moves \(number) octaves a doubling (\(range))")
    }
    let excludesZero = interval.lower > 0 || interval.upper < 0
    if excludesZero && abs(drift.octavesPerDoubling) > tolerance {
      let size = ReportText.number(abs(drift.octavesPerDoubling), digits: 2)
      let direction = drift.octavesPerDoubling < 0 ? "down" : "up"
      return verdict(
        .doesNotTransfer, "drifts \(direction) by \(size) octaves a doubling (\(range))")
    }
    return verdict(
      .inconclusive,
      "the optimum moves \(number) octaves a doubling (\(range)); the interval is too wide to"
        + " tell, add seeds or a finer grid")
  }
}
