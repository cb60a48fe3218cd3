import Foundation
import Training

/// The plots of one or several sweeps, on shared scales.
struct SweepPlots {
  let records: [SweepRecord]
  /// Every width, ascending; it decides colours, so that a width looks the same in every panel.
  private let widths: [Int]
  private let rates: Plot.Axis
  /// What is tuned along what, as the first sweep has it.
  private let axes: SweepAxes
  private let losses: Plot.Axis
  /// Whether losses were found that the scale leaves out.
  let leavesOutLosses: Bool

  /// How far above the least loss the scale ends, as a factor: beyond it the minima would be flat.
  private static let lossSpan = 100.0

  init(_ records: [SweepRecord]) {
    self.records = records
    axes = records.first?.axes ?? SweepAxes()
    let rows = records.flatMap(\.rows)
    widths = Set(rows.map(\.width)).sorted()
    let rateValues = rows.map(\.log2LearningRate)
    let low = rateValues.min() ?? 0
    let high = rateValues.max() ?? 0
    let room = max(0.04 * (high - low), 0.2)
    rates = Plot.Axis(
      label: axes.tunedTitle, kind: .powersOfTwo, range: low - room...high + room)
    let found = records.flatMap { record in
      record.rows.compactMap { record.objective.loss(of: $0.result) }
    }.filter { $0.isFinite && $0 > 0 }
    let limit = (found.min() ?? 1) * Self.lossSpan
    leavesOutLosses = found.contains { $0 > limit }
    let objectives = records.map(\.objective.title).uniqued()
    let fitted = Plot.Axis.logarithmic(
      objectives.joined(separator: " or "), over: found.map { min($0, limit) })
    // Above the curves a strip for what diverged.
    let diverges = rows.contains { $0.result.outcome == .diverged }
    let range = fitted.range.map { range in
      range.lowerBound...range.upperBound
        * (diverges ? pow(range.upperBound / range.lowerBound, 0.12) : 1)
    }
    losses = Plot.Axis(label: fitted.label, kind: .logarithmic, range: range)
  }

  private func colour(_ width: Int) -> PlotColour {
    .ordered(widths.firstIndex(of: width) ?? 0, of: widths.count)
  }

  private func index(_ width: Int) -> Int { widths.firstIndex(of: width) ?? 0 }

  /// Width → rate → losses of the seeds that are compared, +∞ where one diverged.
  static func losses(
    of group: TransferGroup, in record: SweepRecord
  ) -> [Int: [Double: [Double]]] {
    var result: [Int: [Double: [Double]]] = [:]
    for row in record.rows(of: group) where group.seeds.contains(row.seed) {
      guard let loss = record.objective.loss(of: row.result) else { continue }
      result[row.width, default: [:]][row.log2LearningRate, default: []].append(loss)
    }
    return result
  }

  // MARK: Loss against rate

  /// Loss against the rate, a curve a width: mean, band from the lowest to the highest seed, the
  /// parabola that the optimum is found by, optima ringed with their intervals, diverged runs as × in
  /// a strip at the top.
  func lossPanel(_ group: TransferGroup, in record: SweepRecord, id: String, title: String) -> Plot
  {
    let byWidth = Self.losses(of: group, in: record)
    let present = byWidth.keys.sorted()
    var series: [Plot.Series] = []
    var fits: [Plot.Series] = []
    var rings: [Plot.Series] = []
    var crosses: [Plot.Series] = []
    for (place, width) in present.enumerated() {
      let found = (byWidth[width] ?? [:]).sorted { $0.key < $1.key }
      let finite = found.filter { $0.value.allSatisfy(\.isFinite) }
      let optimum = group.widths.first { $0.width == width }
      series.append(
        Plot.Series(
          name: "\(axes.scaleName) \(width)", colour: colour(width), index: index(width),
          style: .line,
          points: found.map { rate, losses in
            let mean = LossCurve.mean(losses)
            return Plot.Point(x: rate, y: mean.isFinite ? mean : nil)
          },
          band: finite.allSatisfy { $0.value.count < 2 }
            ? []
            : finite.map { (x: $0.key, low: $0.value.min() ?? 0, high: $0.value.max() ?? 0) }))
      if let rate = optimum?.log2LearningRate, let loss = optimum?.loss {
        fits.append(
          Plot.Series(name: nil, colour: colour(width), style: .fit, points: Self.fit(found)))
        rings.append(
          Plot.Series(
            name: nil, colour: colour(width), style: .rings,
            points: [Plot.Point(x: rate, y: loss)],
            bars: optimum?.interval.map { [Plot.Bar(x: $0.lower...$0.upper, y: loss...loss)] }
              ?? []))
      }
      let diverged = found.filter { $0.value.contains(.infinity) }.map(\.key)
      if !diverged.isEmpty, let range = losses.range {
        // Side by side, so that widths do not hide one another.
        let room = rates.range.map { $0.upperBound - $0.lowerBound } ?? 1
        let shift = 0.018 * room * (Double(place) - Double(present.count - 1) / 2)
        let height = range.upperBound / pow(range.upperBound / range.lowerBound, 0.045)
        crosses.append(
          Plot.Series(
            name: nil, colour: colour(width), style: .crosses,
            points: diverged.map { Plot.Point(x: $0 + shift, y: height) }))
      }
    }
    let optima = group.widths.compactMap { width in
      width.log2LearningRate.map {
        "\(axes.scaleName) \(width.width): \(axes.text(log2: $0))"
      }
    }
    return Plot(
      id: id, title: title,
      description:
        "Loss against the \(axes.tunedTitle), a curve for each \(axes.scaleName). Lowest at "
        + (optima.isEmpty ? "no \(axes.tunedName)" : optima.joined(separator: ", ")) + ".",
      x: rates, y: losses, series: series + fits + rings + crosses, legend: .below)
  }

  /// The parabola about the least loss; nothing where none was fitted.
  private static func fit(_ losses: [(key: Double, value: [Double])]) -> [Plot.Point] {
    let curve = FittedCurve(
      rates: losses.map(\.key), losses: losses.map { LossCurve.mean($0.value) })
    guard let curve, let fit = curve.fit else { return [] }
    let (low, high) = (fit.span.lowerBound, fit.span.upperBound)
    return (0...24).map { step in
      let rate = low + (high - low) * Double(step) / 24
      return Plot.Point(
        x: rate,
        y: curve.loss(ofHeight: fit.parabola.value(at: rate - curve.gridRate)))
    }
  }

  // MARK: Optimum against width

  /// The best rate against width, a group each: optima with their intervals, and the line whose slope
  /// is the drift.
  func optimumPlot(id: String, groups: [(record: SweepRecord, group: TransferGroup, name: String)])
    -> Plot
  {
    var series: [Plot.Series] = []
    var values: [Double] = []
    let octaves = log2(Double(widths.last ?? 1) / Double(widths.first ?? 1))
    for (index, entry) in groups.enumerated() {
      let colour = PlotColour.kind(index)
      // Side by side, so that groups do not hide one another.
      let shift = exp2(0.014 * octaves * (Double(index) - Double(groups.count - 1) / 2))
      let optima = entry.group.widths.compactMap { width in
        width.log2LearningRate.map { (x: Double(width.width) * shift, y: $0, width: width) }
      }
      let bars = optima.compactMap { optimum in
        optimum.width.interval.map {
          Plot.Bar(x: optimum.x...optimum.x, y: $0.lower...$0.upper)
        }
      }
      values += optima.map(\.y) + bars.flatMap { [$0.y.lowerBound, $0.y.upperBound] }
      series.append(
        Plot.Series(
          name: entry.name, colour: colour, index: index, style: .line,
          points: optima.map { Plot.Point(x: $0.x, y: $0.y) },
          line: entry.group.drift.map { drift in
            SlopeLine.line(
              x: optima.map { log2($0.x) }, y: optima.map(\.y), slope: drift.octavesPerDoubling
            ).map { Plot.Point(x: exp2($0.x), y: $0.y) }
          }, bars: bars))
      let edges = optima.filter(\.width.onEdge).map { Plot.Point(x: $0.x, y: $0.y) }
      series.append(Plot.Series(name: nil, colour: .ink, style: .crosses, points: edges))
    }
    let room = max(0.08 * ((values.max() ?? 0) - (values.min() ?? 0)), 0.3)
    return Plot(
      id: id, title: "Best \(axes.tunedTitle) against \(axes.scaleName)",
      description: groups.map { entry in
        let drift = entry.group.drift.map {
          "moves \(ReportText.number($0.octavesPerDoubling, digits: 2)) octaves a doubling"
        }
        return "\(entry.name): \(drift ?? "no drift known")"
      }.joined(separator: "; ") + ".",
      x: .widths(widths, label: axes.scale ?? "width n"),
      y: Plot.Axis(
        label: "best \(axes.tunedTitle)", kind: .powersOfTwo,
        range: (values.min() ?? -1) - room...(values.max() ?? 1) + room),
      series: series)
  }

  // MARK: Wider is better

  /// Training loss over training at the rate that is best at the narrowest width, a curve a width,
  /// each the mean over seeds; × where a seed diverges.
  ///
  /// - Throws: `RunStoreError`.
  func trainingPanel(
    _ group: TransferGroup, in record: SweepRecord, id: String, title: String, scale: Plot.Axis
  ) throws -> Plot {
    let curves = try trainingCurves(group, in: record)
    let series = curves.map { curve in
      Plot.Series(
        name: "\(axes.scaleName) \(curve.width)", colour: colour(curve.width),
        index: index(curve.width),
        style: .curve, points: curve.points)
    }
    let ends = curves.filter(\.diverges).map { curve in
      Plot.Series(
        name: nil, colour: colour(curve.width), style: .crosses,
        points: Array(curve.points.suffix(1)))
    }
    let last = curves.compactMap { curve in
      curve.points.last?.y.map { "\(axes.scaleName) \(curve.width): \(ReportText.loss($0))" }
    }
    return Plot(
      id: id, title: title,
      description:
        "Training loss over training steps, a curve for each \(axes.scaleName). At the end "
        + last.joined(separator: ", ") + ".",
      x: Plot.Axis(
        label: "step",
        range: 0...max(1, curves.compactMap { $0.points.last?.x }.max() ?? 1)), y: scale,
      series: series + ends, legend: .below)
  }

  /// The scale that all training panels share.
  ///
  /// - Throws: `RunStoreError`.
  func trainingScale() throws -> Plot.Axis {
    let values = try records.flatMap { record in
      try record.report.groups.flatMap { group in
        try trainingCurves(group, in: record).flatMap { $0.points.compactMap(\.y) }
      }
    }
    let limit = (values.min() ?? 1) * Self.lossSpan
    return .logarithmic("training loss", over: values.map { min($0, limit) })
  }

  /// A width's mean training loss by step, up to the first that some seed lacks.
  private func trainingCurves(
    _ group: TransferGroup, in record: SweepRecord
  ) throws -> [(width: Int, points: [Plot.Point], diverges: Bool)] {
    guard let rate = group.narrowRate else { return [] }
    let rows = record.rows(of: group).filter {
      $0.log2LearningRate == rate && $0.result.outcome != .failed
    }
    return try Dictionary(grouping: rows, by: \.width).sorted { $0.key < $1.key }.map {
      width, rows in
      var byStep: [Int: [Double]] = [:]
      for row in rows {
        for line in try record.records(of: row) {
          if let loss = line.values["train_loss"] { byStep[line.step, default: []].append(loss) }
        }
      }
      var points = byStep.filter { $0.value.count == rows.count }.sorted { $0.key < $1.key }
        .map { Plot.Point(x: Double($0.key), y: LossCurve.mean($0.value)) }
      let diverges = rows.contains { $0.result.outcome == .diverged }
      // A last point of fewer steps than the others is no mean like theirs.
      let count = points.count
      if !diverges, count > 2, points[count - 1].x - points[count - 2].x < points[0].x {
        points.removeLast()
      }
      return (width, points, diverges)
    }
  }
}
