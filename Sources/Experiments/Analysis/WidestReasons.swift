import Foundation

extension TransferReport {
  /// Why those compared differ at the widest width, as far as the losses show it; a line for each, in the
  /// order of their losses with the narrowest width's best rate. Empty without a comparison.
  ///
  ///     ["mup, adam: its best rate stays, at most 0.35 octaves off at any width; …"]
  var reasons: [String] {
    guard let comparison else { return [] }
    let parts = comparison.transferred.compactMap { entry -> WidestReason? in
      groups.first { $0.title == entry.name }.map {
        WidestReason(group: $0, entry: entry, comparison: comparison, axes: names)
      }
    }
    return parts.compactMap { part in part.text.map { "\(part.group.title): \($0)" } }
      + [tunedIsBetter].compactMap { $0 }
  }

  /// That one whose rate does not carry over has surely less loss, tuned at the widest width, than the best
  /// of those whose rate does; nil where that is not so. What to do about it is said of our own
  /// parametrizations under one update rule: of results from elsewhere, or of two rules, it is not known
  /// that the layers' shares are what differs.
  private var tunedIsBetter: String? {
    func group(_ entry: WidestComparison.Entry) -> TransferGroup? {
      groups.first { $0.title == entry.name }
    }
    guard let comparison, names.names.isEmpty,
      let best = comparison.tuned.first, let ahead = group(best),
      ahead.verdict.outcome == .doesNotTransfer,
      let behind = comparison.tuned.first(where: {
        group($0)?.verdict.outcome == .transfers
      }), (behind.interval?.lower ?? 0) >= WidestReason.noCost, let excess = behind.excess
    else { return nil }
    let (narrow, wide) = ("width \(comparison.narrowWidth)", "width \(comparison.width)")
    let better =
      "\(best.name), tuned at \(wide) itself, is surely better than \(behind.name), which has "
      + "\(ReportText.percent(excess)) more, though its own rate does not carry over"
    guard let optimizer = ahead.optimizer, group(behind)?.optimizer == optimizer else {
      return better
    }
    return "\(better). That can be where "
      + "its layers have other shares in the update there than those that \(behind.name) keeps at every "
      + "width. Such ratios between layers (an output multiplier, say) and the base width can be tuned "
      + "at \(narrow) with \(behind.name), and should carry over as its rate does"
  }
}

/// Why one of those compared has the loss that it has at the widest width with the narrowest's best rate.
private struct WidestReason {
  let group: TransferGroup
  /// Its losses with the narrowest width's best rate.
  let entry: WidestComparison.Entry
  let comparison: WidestComparison
  let axes: SweepAxes

  /// A share below this is none: it is written as 0.0 %.
  static let noCost = 0.0005

  private var wide: String { "\(axes.scaleName) \(comparison.width)" }
  private var narrow: String { "\(axes.scaleName) \(comparison.narrowWidth)" }
  private var rate: String { axes.rate(of: comparison.narrowWidth) }

  /// Without the name; nil where the group's own widths are not those compared.
  var text: String? {
    if let last = optimum(comparison.width), last.log2LearningRate == nil, last.diverged > 0 {
      return "at \(wide) every \(axes.tunedName) lost a run to divergence"
    }
    guard let regret = group.regret, regret.narrowWidth == comparison.narrowWidth,
      regret.wideWidth == comparison.width
    else { return nil }
    if regret.diverges {
      return (movement.map { "\($0.text), and " } ?? "") + "\(rate) diverges at \(wide)"
    }
    guard let relative = regret.relative else { return "\(rate) was not run at \(wide)" }
    let onEdge = [comparison.narrowWidth, comparison.width].contains {
      optimum($0)?.onEdge == true
    }
    if onEdge { return atEdge(relative) }
    guard let interval = regret.interval else {
      return "\(rate) costs it \(ReportText.percent(relative)) at \(wide), as far as "
        + (group.seedsDiffer ? "unlike seeds show" : "one seed shows")
    }
    let cost =
      "\(ReportText.percent(relative)) (\(ReportText.percents(interval.lower, interval.upper)))"
    if group.verdict.outcome == .transfers { return staying(regret) }
    if interval.lower >= Self.noCost, let movement {
      return
        "\(movement.text), so \(rate) is too \(movement.isDown ? "high" : "low") there and costs "
        + "it \(cost)" + share(relative)
    }
    if group.verdict.outcome == .doesNotTransfer {
      return (movement.map { "\($0.text), but " } ?? "its best \(axes.tunedName) moves, but ")
        + "that \(rate) costs it anything at \(wide) is not sure: \(cost)"
    }
    return
      "it is open whether its best \(axes.tunedName) carries over; \(rate) costs it \(cost) at "
      + wide
  }

  private func optimum(_ width: Int) -> WidthOptimum? { group.widths.first { $0.width == width } }

  /// Where the best rate goes from the narrowest to the widest width; nil where it stays, or where it is
  /// not known which way it goes, as it is the first or last rate that was tried.
  private var movement: (text: String, isDown: Bool, isBound: Bool)? {
    guard let first = optimum(comparison.narrowWidth), let last = optimum(comparison.width),
      let start = first.log2LearningRate, let end = last.log2LearningRate, start != end,
      !first.onEdge
    else { return nil }
    let isDown = end < start
    if let edge = last.edge, (edge == .lowest) != isDown { return nil }
    let size = ReportText.number(abs(end - start), digits: 2)
    return (
      "its best \(axes.tunedName) \(isDown ? "falls" : "rises") by \(last.onEdge ? "at least " : "")"
        + "\(size) octaves from \(narrow) to \(wide)", isDown, last.onEdge
    )
  }

  private func staying(_ regret: Regret) -> String {
    let off = group.deviation?.interval.map {
      ", at most \(ReportText.number($0.upper, digits: 2)) octaves off at any \(axes.scaleName)"
    }
    let most = regret.interval?.upper.map {
      "; \(rate) costs it at most \(ReportText.percent($0)) at \(wide)"
    }
    let isLess = (regret.interval?.upper).map { most in
      entry.interval.map { $0.lower > most } ?? false
    }
    return "its best \(axes.tunedName) stays" + (off ?? "") + (most ?? "")
      + (isLess == true ? ", which is not what it is behind by" : "")
  }

  private func atEdge(_ relative: Double) -> String {
    guard group.verdict.outcome == .doesNotTransfer, let movement, movement.isBound else {
      return
        "its best \(axes.tunedName) is at the edge of those tried, so what \(rate) costs it at "
        + "\(wide) is not known"
    }
    return
      "\(movement.text), so \(rate) is too \(movement.isDown ? "high" : "low") there and costs it "
      + "at least \(ReportText.percent(relative))" + share(relative)
  }

  /// How much of what it is behind by is the rate's, where it is surely behind. Shares multiply, so their
  /// logarithms are compared.
  private func share(_ cost: Double) -> String {
    guard entry.isSurelyMore, let excess = entry.excess else { return "" }
    if cost >= excess { return "; that is all of what it is behind by" }
    return 2 * log1p(cost) >= log1p(excess)
      ? "; that is most of what it is behind by"
      : "; most of what it is behind by stays where it is tuned at \(wide)"
  }
}
