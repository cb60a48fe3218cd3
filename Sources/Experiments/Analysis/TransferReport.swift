import Foundation
import Training

/// The best rate at one width, or, where a sweep has other axes, the best value of what is tuned at
/// one value of the scale.
public struct WidthOptimum: Codable, Hashable, Sendable {
  /// The width, or the value of the scale.
  public let width: Int
  /// log2 of the best rate or tuned value, refined between the grid's points; nil where every run diverged.
  public let log2LearningRate: Double?
  /// log2 of the best rate on the grid.
  public let gridLog2LearningRate: Double?
  /// Whether the best rate was refined by a parabola.
  public let isRefined: Bool
  /// The end of the grid that the best rate is, if it is one.
  public let edge: GridEdge?
  /// The loss at the grid's best rate, mean over seeds.
  public let loss: Double?
  /// The loss at the narrowest width's best rate; nil where it diverges or was not tried.
  public let lossAtNarrowRate: Double?
  /// Whether it diverges at the narrowest width's best rate.
  public let divergesAtNarrowRate: Bool
  /// Runs that count.
  public let runs: Int
  /// Those of them that diverged.
  public let diverged: Int

  /// Whether the best rate is the first or last rate tried.
  public var onEdge: Bool { edge != nil }
}

/// Whether the best rate carries over, for one parametrization and optimizer.
public struct TransferGroup: Codable, Hashable, Sendable {
  /// Name of the parametrization.
  public let parametrization: String
  /// The update rule.
  public let optimizer: OptimizerKind
  /// Width and rate, of those that are no axis: "width 128, rate 2^−7"; nil where both are axes.
  public let held: String?
  /// The seeds seen.
  public let seeds: [UInt64]
  /// The optimum at each width, narrowest first.
  public let widths: [WidthOptimum]
  /// Combinations of the group's widths, rates and seeds without a figure: not run, failed, or
  /// without this loss.
  public let missing: Int
  /// How the optimum moves with width; nil for fewer than two widths with an optimum.
  public let drift: Drift?
  /// What tuning on the narrowest width costs at the widest; nil for fewer than two widths.
  public let regret: Regret?
  /// The answer.
  public let verdict: TransferVerdict
}

/// Does the best learning rate carry over to the wide model? One answer a group.
public struct TransferReport: Codable, Hashable, Sendable {
  /// The loss that was compared.
  public let objective: Objective
  /// What is tuned along what; nil: the learning rate along the width.
  public let axes: SweepAxes?
  /// One for each parametrization and optimizer, in the order of the rows.
  public let groups: [TransferGroup]

  /// What is tuned along what.
  var names: SweepAxes { axes ?? SweepAxes() }

  /// Analyses the rows of a sweep.
  ///
  /// Within a group and width, the loss at a rate is the mean over the seeds that have one; a
  /// diverged seed makes it +∞, so a rate is good only if no seed diverges. A run that failed or
  /// lacks the loss does not count. See `Drift` and `Regret` for what is drawn from it.
  ///
  /// With other axes than width and rate the same is asked of log2 of the tuned value along the scale;
  /// rows that are not along these axes do not count.
  ///
  /// - rows: in any order, of one depth unless that is an axis; groups stand in the order of their first row. Of two
  ///   rows for one cell the later counts.
  public init(
    rows: [SummaryRow], objective: Objective = .trainLoss, axes: SweepAxes = SweepAxes()
  ) {
    self.objective = objective
    self.axes = axes.names.isEmpty ? nil : axes
    var order: [GroupKey] = []
    var members: [GroupKey: [SummaryRow]] = [:]
    for row in rows {
      guard let point = row.point(on: axes) else { continue }
      let key = GroupKey(
        parametrization: row.parametrization, optimizer: row.optimizer, held: axes.held(by: row))
      if members[key] == nil { order.append(key) }
      members[key, default: []].append(point)
    }
    groups = order.map { Self.group($0, members[$0] ?? [], objective, axes) }
  }

  private struct GroupKey: Hashable {
    let parametrization: String
    let optimizer: OptimizerKind
    let held: String?
  }

  /// - rows: with the places on the axes as width and rate.
  private static func group(
    _ key: GroupKey, _ rows: [SummaryRow], _ objective: Objective, _ axes: SweepAxes
  ) -> TransferGroup {
    // width → rate → seed → loss
    var losses: [Int: [Double: [UInt64: Double]]] = [:]
    for row in rows {
      losses[row.width, default: [:]][row.log2LearningRate, default: [:]][row.seed] =
        objective.loss(of: row.result)
    }
    let seeds = Set(rows.map(\.seed)).sorted()
    let rates = Set(rows.map(\.log2LearningRate))
    let curves = losses.mapValues { byRate in
      LossCurve(
        byRate.filter { !$0.value.isEmpty }.mapValues { mean(Array($0.values)) })
    }
    let means = curves.compactMapValues { $0.optimum() }
    let bySeed = seeds.map { seed in
      losses.compactMapValues { byRate in
        LossCurve(byRate.compactMapValues { $0[seed] }).optimum()
      }
    }
    let all = curves.keys.sorted()
    let found = means.keys.sorted()
    let narrow = found.first
    let narrowRate = narrow.flatMap { means[$0]?.gridRate }
    let widths = all.map { width in
      let runs = (losses[width] ?? [:]).values.flatMap(\.values)
      let atNarrow = narrowRate.flatMap { curves[width]?.loss(at: $0) }
      let optimum = means[width]
      return WidthOptimum(
        width: width, log2LearningRate: optimum?.rate, gridLog2LearningRate: optimum?.gridRate,
        isRefined: optimum?.isRefined ?? false, edge: optimum?.edge, loss: optimum?.loss,
        lossAtNarrowRate: atNarrow.flatMap { $0.isFinite ? $0 : nil },
        divergesAtNarrowRate: atNarrow == .infinity, runs: runs.count,
        diverged: runs.count { $0 == .infinity })
    }
    var regret: Regret?
    if let narrow, let wide = found.last, narrow < wide, let first = curves[narrow],
      let last = curves[wide]
    {
      regret = Regret.between(narrow: (narrow, first), wide: (wide, last))
    }
    let drift = Drift.fit(means: means, bySeed: bySeed)
    let edges = widths.compactMap { width in width.edge.map { (width: width.width, edge: $0) } }
    return TransferGroup(
      parametrization: key.parametrization, optimizer: key.optimizer, held: key.held, seeds: seeds,
      widths: widths,
      missing: all.count * rates.count * seeds.count - widths.reduce(0) { $0 + $1.runs },
      drift: drift, regret: regret,
      verdict: TransferVerdict.judge(drift: drift, edges: edges, axes: axes))
  }

  /// In the order of size, so that the sum does not depend on a dictionary's order.
  private static func mean(_ values: [Double]) -> Double {
    values.sorted().reduce(0, +) / Double(values.count)
  }
}

extension SummaryRow {
  /// The same row with its place on the axes as width and log2 of the rate; nil where the run is not
  /// along these axes.
  func point(on axes: SweepAxes) -> SummaryRow? {
    let place = axes.place(
      width: width, log2LearningRate: log2LearningRate, overrides: overrides ?? [:])
    return place.map { scale, tuned in
      SummaryRow(
        parametrization: parametrization, optimizer: optimizer, width: scale, depth: depth,
        log2LearningRate: tuned, seed: seed, run: run, result: result, overrides: overrides)
    }
  }
}

extension RunCell {
  /// The same cell with its place on the axes as width and log2 of the rate, as of rows.
  func point(on axes: SweepAxes) -> RunCell? {
    let place = axes.place(width: width, log2LearningRate: log2LearningRate, overrides: overrides)
    return place.map { scale, tuned in
      RunCell(
        parametrization: parametrization, optimizer: optimizer, width: scale,
        log2LearningRate: tuned, seed: seed)
    }
  }
}

extension SweepAxes {
  /// Where a run is on the axes, the scale's value and log2 of the tuned one; nil where it is not along
  /// them.
  func place(
    width: Int, log2LearningRate: Double, overrides: [String: JSONValue]
  ) -> (scale: Int, tuned: Double)? {
    guard Set(overrides.keys) == names else { return nil }
    let scale = scale.map { overrides[$0]?.quantity.flatMap { Int(exactly: $0) } } ?? width
    let tuned =
      tune.map { overrides[$0]?.quantity.map { SweepGrid.canonicalRate(log2($0)) } }
      ?? log2LearningRate
    guard let scale, let tuned else { return nil }
    return (scale, tuned)
  }
}

extension SweepAxes {
  /// Width and rate of a run, of those that are no axis.
  func held(by row: SummaryRow) -> String? {
    let width = scale.map { _ in "width \(row.width)" }
    let rate = tune.map { _ in "rate 2^\(DecimalText.trimmed(row.log2LearningRate, digits: 2))" }
    let parts = [width, rate].compactMap { $0?.replacing("^-", with: "^−") }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }
}
