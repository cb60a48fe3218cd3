import Foundation
import Training

/// The best rate at one width, or, where a sweep has other axes, the best value of what is tuned at
/// one value of the scale.
public struct WidthOptimum: Codable, Hashable, Sendable {
  /// The width, or the value of the scale.
  public let width: Int
  /// log2 of the best rate or tuned value, refined between the grid's points; nil where every rate lost a
  /// run to divergence.
  public let log2LearningRate: Double?
  /// Its 90 % interval; nil for fewer than two seeds, and at an edge of the grid.
  public let interval: Interval?
  /// log2 of the best rate on the grid.
  public let gridLog2LearningRate: Double?
  /// Whether the best rate was refined by a fit.
  public let isRefined: Bool
  /// The end of the grid that the best rate is, if it is one.
  public let edge: GridEdge?
  /// The loss at the best rate, of the mean over seeds.
  public let loss: Double?
  /// Of a text: exp of that loss.
  public let perplexity: Double?
  /// Of a text whose tokens' bytes are known: that loss in bits per byte.
  public let bitsPerByte: Double?
  /// The loss at the narrowest width's best rate, likewise; nil where it diverges or was not tried.
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
  /// Name of the parametrization, or of results from elsewhere.
  public let parametrization: String
  /// The update rule; nil of results from elsewhere.
  public let optimizer: OptimizerKind?
  /// Width and rate, of those that are no axis: "width 128, rate 2^−7"; nil where both are axes.
  public let held: String?
  /// The seeds that are compared: those that were run at every width and rate, or all seen where there
  /// is no such seed.
  public let seeds: [UInt64]
  /// Seeds that are left out, as they were not run everywhere.
  public let partialSeeds: [UInt64]
  /// Whether widths and rates have unlike seeds, so that their means are of different runs and nothing is
  /// known of chance.
  public let seedsDiffer: Bool
  /// The optimum at each width, narrowest first.
  public let widths: [WidthOptimum]
  /// Combinations of the group's widths, rates and seeds without a figure: not run, failed, or
  /// without this loss.
  public let missing: Int
  /// How the optimum moves with width; nil for fewer than two widths with an optimum.
  public let drift: Drift?
  /// The width whose optimum is furthest from the narrowest's; nil for fewer than two widths.
  public let deviation: Deviation?
  /// What tuning on the narrowest width costs at the widest; nil for fewer than two widths.
  public let regret: Regret?
  /// The answer.
  public let verdict: TransferVerdict
  /// The rate to train the widest width with, or the width that was asked for; nil where the answer is
  /// inconclusive.
  public let recommendation: Recommendation?
  /// The width that a rate was asked for; nil: the widest.
  public let target: Int?

  /// The recommendation for a width that is none of those trained.
  var untrained: Recommendation? {
    recommendation.flatMap { use in widths.contains { $0.width == use.width } ? nil : use }
  }
}

/// Does the best learning rate carry over to the wide model? One answer a group.
public struct TransferReport: Codable, Hashable, Sendable {
  /// The loss that was compared, as a sentence has it: "training loss".
  public let loss: String
  /// What is tuned along what; nil: the learning rate along the width.
  public let axes: SweepAxes?
  /// One for each parametrization and optimizer, in the order of the rows.
  public let groups: [TransferGroup]
  /// Which of them has the least loss at the widest width; nil for one alone.
  public let comparison: WidestComparison?

  /// The devices that trained, with how many runs each, where there are several; nil for one, and for results
  /// from elsewhere.
  public let devices: [DeviceRuns]?

  /// How many of the runs one device has trained.
  public struct DeviceRuns: Codable, Hashable, Sendable {
    /// The device's name.
    public let device: String
    /// Its runs.
    public let runs: Int
  }

  /// What is tuned along what.
  var names: SweepAxes { axes ?? SweepAxes() }

  /// Analyses the rows of a sweep.
  ///
  /// Within a group and width, the loss at a rate is the mean over the seeds that were run at every width
  /// and rate; a diverged seed makes it +∞, so a rate is good only if no seed diverges. A run that failed or
  /// lacks the loss does not count. `LossCurve.rate` is the one optimum of table, plots and drift; see
  /// `Drift`, `Deviation` and `Regret` for what is drawn from it.
  ///
  /// With other axes than width and rate the same is asked of log2 of the tuned value along the scale;
  /// rows that are not along these axes do not count.
  ///
  /// - rows: in any order, of one depth unless that is an axis; groups stand in the order of their first row. Of two
  ///   rows for one cell the later counts. target: the width to recommend a rate for, by default the
  ///   widest. data: what was trained on; of a text the best losses come in its units too.
  public init(
    rows: [SummaryRow], objective: Objective = .trainLoss, axes: SweepAxes = SweepAxes(),
    target: Int? = nil, data: DataDescription? = nil
  ) {
    loss = objective.title
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
    let losses = order.map { Self.losses(of: members[$0] ?? [], objective) }
    groups = zip(order, losses).map { Self.group($0, $1, axes, target: target, data: data) }
    let counts = Dictionary(grouping: members.values.joined(), by: \.result.device)
      .mapValues(\.count)
    let isOfOneDevice = counts.count < 2
    devices =
      isOfOneDevice
      ? nil
      : counts.map(DeviceRuns.init).sorted { ($1.runs, $0.device) < ($0.runs, $1.device) }
    let isAlike = Set(order.map(\.held)).count == 1
    // Times of unlike devices say nothing of widths and rules.
    comparison =
      isAlike
      ? WidestComparison(
        zip(groups, losses).map { ($0.title, $1) },
        cost: isOfOneDevice ? Self.cost(rows.compactMap { $0.point(on: axes) }) : nil,
        stepCosts: { [groups] in
          isOfOneDevice
            ? Self.stepCosts(zip(groups, order).map { ($0, members[$1] ?? []) }, at: $0) : nil
        }) : nil
  }

  /// What a step takes of each group at a width, where they differ in their update rule.
  private static func stepCosts(
    _ groups: [(group: TransferGroup, rows: [SummaryRow])], at width: Int
  ) -> [WidestComparison.StepCost]? {
    guard Set(groups.map(\.group.optimizer)).count > 1 else { return nil }
    let costs = groups.compactMap { group, rows -> WidestComparison.StepCost? in
      let results = rows.filter { $0.width == width }.map(\.result)
      let seconds = results.compactMap(\.stepSeconds).sorted()
      guard !seconds.isEmpty else { return nil }
      let middle = seconds.count / 2
      let median =
        seconds.count % 2 == 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2
      return WidestComparison.StepCost(
        name: group.title, seconds: median, deviceBytes: results.compactMap(\.deviceBytes).max())
    }
    return costs.count == groups.count ? costs.sorted { $0.seconds < $1.seconds } : nil
  }

  /// The losses of rows whose place on the axes is width and rate.
  static func losses(of rows: [SummaryRow], _ objective: Objective) -> Losses {
    rows.reduce(into: Losses()) { losses, row in
      losses[row.width, default: [:]][row.log2LearningRate, default: [:]][row.seed] =
        objective.loss(of: row.result)
    }
  }

  /// How many times as long the runs of the widest width took as those of the narrowest, by the mean of a
  /// run.
  private static func cost(_ rows: [SummaryRow]) -> Double? {
    let completed = Dictionary(
      grouping: rows.filter { $0.result.outcome == .completed }, by: \.width)
    func mean(_ width: Int?) -> Double? {
      width.flatMap { completed[$0] }.map { rows in
        rows.reduce(0) { $0 + $1.result.seconds } / Double(rows.count)
      }
    }
    guard let narrow = mean(completed.keys.min()), let wide = mean(completed.keys.max()),
      narrow > 0, completed.count > 1
    else { return nil }
    return wide / narrow
  }

  /// Losses by width (or the value of another scale), log2 of the rate (or of another tuned value), and
  /// seed; +∞ where the run diverged. A rate without a seed was tried and gave no loss.
  public typealias Losses = [Int: [Double: [UInt64: Double]]]

  /// Analyses results from elsewhere.
  ///
  /// - results: the losses of each comparison under its name.
  /// - loss: what they are, as a sentence has it: "validation loss". target: as of sweeps.
  public init(
    results: [(name: String, losses: Losses)], loss: String, axes: SweepAxes, target: Int? = nil
  ) {
    self.loss = loss
    self.axes = axes.names.isEmpty ? nil : axes
    groups = results.map { name, losses in
      Self.group(
        GroupKey(parametrization: name, optimizer: nil, held: nil), losses, axes, target: target)
    }
    comparison = WidestComparison(results, cost: nil)
    devices = nil
  }

  /// Analyses best rates alone, which have a drift and no interval.
  ///
  /// - optima: the best rate of each scale, of each comparison under its name. target: the width to
  ///   recommend a rate for, which is the line's; nil: none.
  init(
    optima: [(name: String, rates: [(scale: Int, log2LearningRate: Double, loss: Double?)])],
    loss: String, axes: SweepAxes, target: Int?
  ) {
    self.loss = loss
    self.axes = axes.names.isEmpty ? nil : axes
    (comparison, devices) = (nil, nil)
    groups = optima.map { name, rates in
      let sorted = rates.sorted { $0.scale < $1.scale }
      let known = sorted.map {
        (
          width: $0.scale,
          rate: Uncertain(value: $0.log2LearningRate, draws: [], seeds: 1, resolution: 0)
        )
      }
      let drift = Drift.fit(known)
      let moves = drift.map {
        "the optimum moves \(ReportText.number($0.estimate.value, digits: 2)) octaves a doubling; "
      }
      return TransferGroup(
        parametrization: name, optimizer: nil, held: nil, seeds: [1], partialSeeds: [],
        seedsDiffer: false,
        widths: sorted.map {
          WidthOptimum(
            width: $0.scale, log2LearningRate: $0.log2LearningRate, interval: nil,
            gridLog2LearningRate: $0.log2LearningRate, isRefined: false, edge: nil,
            loss: $0.loss.flatMap { $0.isFinite ? $0 : nil }, perplexity: nil, bitsPerByte: nil,
            lossAtNarrowRate: nil, divergesAtNarrowRate: false, runs: 1,
            diverged: $0.loss == .infinity ? 1 : 0)
        }, missing: 0, drift: drift?.drift, deviation: nil, regret: nil,
        verdict: TransferVerdict(
          outcome: .inconclusive,
          text: "inconclusive: \(moves ?? "")best rates alone give no interval",
          seedsToTell: nil),
        recommendation: target.flatMap { Recommendation(width: $0, moving: known) }, target: target)
    }
  }

  private struct GroupKey: Hashable {
    let parametrization: String
    let optimizer: OptimizerKind?
    let held: String?
  }

  private static func group(
    _ key: GroupKey, _ losses: Losses, _ axes: SweepAxes, target: Int?,
    data: DataDescription? = nil
  ) -> TransferGroup {
    let rates = Set(losses.values.flatMap(\.keys))
    let seen = Set(losses.values.flatMap { $0.values.flatMap(\.keys) }).sorted()
    let cells = losses.values.flatMap(\.values).filter { !$0.isEmpty }
    let complete = seen.filter { seed in cells.allSatisfy { $0[seed] != nil } }
    let resampling = Resampling(seeds: complete.count)
    let curves = LossCurve.jointly(
      losses.mapValues { byRate in
        byRate.filter { !$0.value.isEmpty }.mapValues { bySeed in
          complete.isEmpty
            ? [LossCurve.mean(Array(bySeed.values))] : complete.compactMap { bySeed[$0] }
        }
      }, resampling)
    let all = losses.keys.sorted()
    let places = curves.sorted { $0.key < $1.key }.map { (width: $0.key, curve: $0.value) }
    let narrow = places.first
    let widths = all.map { width in
      let runs = (losses[width] ?? [:]).values.flatMap(\.values)
      let curve = curves[width]
      let rate = narrow?.curve.whole.rate
      let atNarrow = rate.flatMap { rate in
        curve.flatMap { $0.whole.height(at: rate).map($0.whole.loss) }
      }
      let tokenLoss = data?.tokenLoss(curve?.whole.loss)
      return WidthOptimum(
        width: width, log2LearningRate: curve?.whole.rate,
        interval: curve?.whole.edge == nil ? curve?.rate.interval : nil,
        gridLog2LearningRate: curve?.whole.gridRate, isRefined: curve?.whole.fit != nil,
        edge: curve?.whole.edge, loss: curve?.whole.loss,
        perplexity: tokenLoss.map(\.perplexity).flatMap { $0.isFinite ? $0 : nil },
        bitsPerByte: tokenLoss?.bitsPerByte, lossAtNarrowRate: atNarrow,
        divergesAtNarrowRate: atNarrow == nil && rate.flatMap { curve?.diverges(at: $0) } == true,
        runs: runs.count, diverged: runs.count { $0 == .infinity })
    }
    let wide = places.count >= 2 ? places.last : nil
    let evidence = TransferEvidence(
      curves: curves,
      lost: all.filter { curves[$0] == nil && losses[$0]?.values.contains { !$0.isEmpty } == true },
      holes: all.flatMap { holes(in: losses[$0] ?? [:], width: $0) },
      drift: Drift.fit(curves: curves), deviation: Deviation.largest(curves),
      regret: narrow.flatMap { narrow in wide.map { Regret.between(narrow: narrow, wide: $0) } },
      axes: axes)
    let verdict = evidence.verdict
    return TransferGroup(
      parametrization: key.parametrization, optimizer: key.optimizer, held: key.held,
      seeds: complete.isEmpty ? seen : complete,
      partialSeeds: complete.isEmpty ? [] : seen.filter { !complete.contains($0) },
      seedsDiffer: complete.isEmpty && seen.count > 1, widths: widths,
      missing: all.count * rates.count * seen.count - widths.reduce(0) { $0 + $1.runs },
      drift: evidence.drift?.drift, deviation: evidence.deviation?.deviation,
      regret: evidence.regret?.regret, verdict: verdict,
      recommendation: (target ?? places.last?.width).flatMap {
        Recommendation(width: $0, curves, verdict.outcome)
      }, target: target)
  }
}

/// Rates at which some seed diverged, and not all, though at a higher one none did.
private func holes(
  in losses: [Double: [UInt64: Double]], width: Int
) -> [(width: Int, log2LearningRate: Double, diverged: Int, runs: Int)] {
  let rates = losses.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }
  let last = rates.last { $0.value.values.allSatisfy(\.isFinite) }?.key ?? -.infinity
  return rates.compactMap { rate, seeds in
    let diverged = seeds.values.count { !$0.isFinite }
    return rate < last && diverged > 0 && diverged < seeds.count
      ? (width, rate, diverged, seeds.count) : nil
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
