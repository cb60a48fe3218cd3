import Training

/// The best rate at one width.
public struct WidthOptimum: Codable, Hashable, Sendable {
  /// The width.
  public let width: Int
  /// log2 of the best rate, refined between the grid's points; nil where every run diverged.
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
  /// One for each parametrization and optimizer, in the order of the rows.
  public let groups: [TransferGroup]

  /// Analyses the rows of a sweep.
  ///
  /// Within a group and width, the loss at a rate is the mean over the seeds that have one; a
  /// diverged seed makes it +∞, so a rate is good only if no seed diverges. A run that failed or
  /// lacks the loss does not count. See `Drift` and `Regret` for what is drawn from it.
  ///
  /// - rows: in any order, of one depth; groups stand in the order of their first row. Of two
  ///   rows for one cell the later counts.
  public init(rows: [SummaryRow], objective: Objective = .trainLoss) {
    self.objective = objective
    var order: [GroupKey] = []
    var members: [GroupKey: [SummaryRow]] = [:]
    for row in rows {
      let key = GroupKey(parametrization: row.parametrization, optimizer: row.optimizer)
      if members[key] == nil { order.append(key) }
      members[key, default: []].append(row)
    }
    groups = order.map { Self.group($0, members[$0] ?? [], objective) }
  }

  private struct GroupKey: Hashable {
    let parametrization: String
    let optimizer: OptimizerKind
  }

  private static func group(
    _ key: GroupKey, _ rows: [SummaryRow], _ objective: Objective
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
      parametrization: key.parametrization, optimizer: key.optimizer, seeds: seeds, widths: widths,
      missing: all.count * rates.count * seeds.count - widths.reduce(0) { $0 + $1.runs },
      drift: drift, regret: regret, verdict: TransferVerdict.judge(drift: drift, edges: edges))
  }

  /// In the order of size, so that the sum does not depend on a dictionary's order.
  private static func mean(_ values: [Double]) -> Double {
    values.sorted().reduce(0, +) / Double(values.count)
  }
}
