import Foundation
import Training

/// The plots of training in one or several sweeps, on shared scales.
struct SweepPlots {
  let records: [SweepRecord]
  /// The plots of their losses, which have the same colours.
  let shared: TransferPlots

  private var axes: SweepAxes { shared.axes }

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
        name: "\(axes.scaleName) \(curve.width)", colour: shared.colour(curve.width),
        index: shared.index(curve.width),
        style: .curve, points: curve.points)
    }
    let ends = curves.filter(\.diverges).map { curve in
      Plot.Series(
        name: nil, colour: shared.colour(curve.width), style: .crosses,
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
    let limit = (values.min() ?? 1) * TransferPlots.lossSpan
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
