import Foundation

/// The plots that losses alone are enough for, of several groups on shared scales.
struct TransferPlots {
  let groups: [ShownGroup]
  /// What is tuned along what.
  let axes: SweepAxes
  /// Every width, ascending; it decides colours, so that a width looks the same in every panel.
  private let widths: [Int]
  private let rates: Plot.Axis
  private let losses: Plot.Axis
  /// Whether losses were found that the scale leaves out.
  let leavesOutLosses: Bool

  /// How far above the least loss a scale ends, as a factor: beyond it the minima would be flat.
  static let lossSpan = 100.0

  init(_ groups: [ShownGroup], axes: SweepAxes) {
    (self.groups, self.axes) = (groups, axes)
    widths = Set(groups.flatMap { $0.group.widths.map(\.width) }).sorted()
    let rateValues = groups.flatMap(\.rates)
    let low = rateValues.min() ?? 0
    let high = rateValues.max() ?? 0
    let room = max(0.04 * (high - low), 0.2)
    rates = Plot.Axis(
      label: axes.tunedTitle, kind: .powersOfTwo, range: low - room...high + room)
    let all = groups.flatMap { $0.losses.values.flatMap { $0.values.joined() } }
    // Losses that are not positive have a plain scale.
    let isLogarithmic = all.allSatisfy { $0 > 0 }
    let found = all.filter(\.isFinite)
    let title = groups.map(\.loss).uniqued().joined(separator: " or ")
    guard isLogarithmic else {
      leavesOutLosses = false
      losses = Plot.Axis(label: title)
      return
    }
    let limit = (found.min() ?? 1) * Self.lossSpan
    leavesOutLosses = found.contains { $0 > limit }
    let fitted = Plot.Axis.logarithmic(title, over: found.map { min($0, limit) })
    // Above the curves a strip for what diverged.
    let range = fitted.range.map { range in
      range.lowerBound...range.upperBound
        * (all.contains(.infinity) ? pow(range.upperBound / range.lowerBound, 0.12) : 1)
    }
    losses = Plot.Axis(label: fitted.label, kind: .logarithmic, range: range)
  }

  /// The colour of a width.
  func colour(_ width: Int) -> PlotColour { .ordered(index(width), of: widths.count) }

  /// The place of a width among all.
  func index(_ width: Int) -> Int { widths.firstIndex(of: width) ?? 0 }

  // MARK: Loss against rate

  /// Loss against the rate, a curve a width: mean, band from the lowest to the highest seed, the
  /// curve that the optimum is found by, optima ringed with their intervals, diverged runs as × in
  /// a strip at the top.
  func lossPanel(_ shown: ShownGroup) -> Plot {
    let (group, byWidth) = (shown.group, shown.losses)
    let present = byWidth.keys.sorted()
    var series: [Plot.Series] = []
    var fits: [Plot.Series] = []
    var rings: [Plot.Series] = []
    var crosses: [Plot.Series] = []
    // Where seeds are not the same everywhere, what they have in common is not known.
    let curves = LossCurve.jointly(
      byWidth.mapValues { byRate in
        byRate.mapValues { group.seedsDiffer ? [LossCurve.mean($0)] : $0 }
      }, Resampling(seeds: 0))
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
          Plot.Series(
            name: nil, colour: colour(width), style: .fit, points: Self.fit(curves[width])))
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
      id: "loss-\(shown.id)", title: shown.name,
      description:
        "Loss against the \(axes.tunedTitle), a curve for each \(axes.scaleName). Lowest at "
        + (optima.isEmpty ? "no \(axes.tunedName)" : optima.joined(separator: ", ")) + ".",
      x: rates, y: losses, series: series + fits + rings + crosses, legend: .below)
  }

  /// The fit about the least loss; nothing where there is none.
  private static func fit(_ curve: LossCurve?) -> [Plot.Point] {
    guard let whole = curve?.whole, let fit = whole.fit else { return [] }
    let (low, high) = (fit.span.lowerBound, fit.span.upperBound)
    return (0...24).map { step in
      let rate = low + (high - low) * Double(step) / 24
      return Plot.Point(x: rate, y: whole.loss(ofHeight: fit.curve.value(at: rate)))
    }
  }

  // MARK: Optimum against width

  /// The best rate against width, a group each: optima with their intervals, and the line whose slope
  /// is the drift.
  var optimumPlot: Plot {
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
      id: "best-rate", title: "Best \(axes.tunedTitle) against \(axes.scaleName)",
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
}
