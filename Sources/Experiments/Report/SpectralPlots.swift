import Foundation
import Spectral
import Training

/// What a sweep measured of each layer, at the rate that is best at the narrowest width.
struct SpectralPlots {
  /// A quantity's plots.
  struct Panels {
    let quantity: SpectralQuantity
    /// Over steps, at the widest width measured.
    let overSteps: Plot
    /// Over widths, after some steps.
    let overWidths: Plot?
  }

  private let record: SweepRecord
  private let group: TransferGroup
  /// width → records of its seeds.
  private let measured: [(width: Int, runs: [[RunRecord]])]

  /// The measurements of a group; nil where there are none at that rate.
  ///
  /// - Throws: `RunStoreError`.
  init?(_ group: TransferGroup, in record: SweepRecord) throws {
    guard let rate = group.narrowRate else { return nil }
    (self.record, self.group) = (record, group)
    let rows = record.rows(of: group).filter { $0.log2LearningRate == rate }
    measured = try Dictionary(grouping: rows, by: \.width).sorted { $0.key < $1.key }.compactMap {
      width, rows in
      let runs = try rows.map { try record.records(of: $0) }
        .map { $0.filter { $0.values.keys.contains { $0.contains("/") } } }
        .filter { !$0.isEmpty }
      return runs.isEmpty ? nil : (width, runs)
    }
    if measured.isEmpty { return nil }
  }

  /// The width that is shown over steps.
  var widest: Int { measured[measured.count - 1].width }

  private static let quantities: [(SpectralQuantity, DiagnosticQuantity)] = [
    (.weightNorm, .weightNorm), (.updateNorm, .updateNorm), (.featureSize, .featureSize),
    (.featureChange, .featureChange),
  ]

  private var layers: [String] { record.settings(scale: widest).layerNames }

  /// Plots of every quantity that was measured.
  func panels(id: String) -> [Panels] {
    Self.quantities.compactMap { quantity, name in
      guard let overSteps = overSteps(quantity, name, id: id) else { return nil }
      return Panels(
        quantity: quantity, overSteps: overSteps,
        overWidths: overWidths(quantity, name, id: id))
    }
  }

  /// Mean over runs of a layer's quantity by step.
  private static func means(
    _ runs: [[RunRecord]], layer: String, _ name: DiagnosticQuantity
  ) -> [(step: Int, value: Double)] {
    var byStep: [Int: [Double]] = [:]
    for record in runs.joined() {
      if let value = record.values["\(layer)/\(name.rawValue)"] {
        byStep[record.step, default: []].append(value)
      }
    }
    return byStep.filter { $0.value.count == runs.count }.sorted { $0.key < $1.key }
      .map { ($0.key, LossCurve.mean($0.value)) }
  }

  private func overSteps(
    _ quantity: SpectralQuantity, _ name: DiagnosticQuantity, id: String
  ) -> Plot? {
    let runs = measured[measured.count - 1].runs
    return overSteps(
      quantity.symbol, of: "every layer",
      id: "\(id)-steps-\(quantity.rawValue.replacing("_", with: "-"))",
      layers.map { ($0, Self.means(runs, layer: $0, name)) })
  }

  /// Values by step of several layers; nil where there are none.
  private func overSteps(
    _ symbol: String, of what: String, id: String, fromZero: Bool = false,
    _ values: [(name: String, points: [(step: Int, value: Double)])]
  ) -> Plot? {
    let series = values.enumerated().map { index, layer in
      Plot.Series(
        name: layer.name, colour: .ordered(index, of: values.count), index: index, style: .curve,
        points: layer.points.filter { $0.value > 0 || fromZero }.map {
          Plot.Point(x: Double($0.step), y: $0.value)
        })
    }
    let found = series.flatMap { $0.points.compactMap(\.y) }
    guard !found.isEmpty else { return nil }
    return Plot(
      id: id, title: "\(symbol) over steps, \(record.axes.scaleName) \(widest)",
      description:
        "\(symbol) of \(what) over training, at \(record.axes.scaleName) \(widest).",
      x: Plot.Axis(label: "step"),
      y: fromZero
        ? Plot.Axis(label: symbol, range: 0...1.05 * max(found.max()!, 0.1))
        : .logarithmic(symbol, over: found), series: series)
  }

  /// Of a Transformer's attention over steps, each with what it tells: the largest logit of all heads, and the
  /// entropy of the head where it is least.
  func attention(id: String) -> [(plot: Plot, caption: String)] {
    let runs = measured[measured.count - 1].runs
    let heads = AttentionHeads(runs)
    func panel(
      _ symbol: String, _ name: String, _ caption: String, fromZero: Bool = false,
      _ points: (String) -> [(step: Int, value: Double)]
    ) -> (plot: Plot, caption: String)? {
      overSteps(
        symbol, of: "the attention of every block", id: "\(id)-steps-attention-\(name)",
        fromZero: fromZero, heads.layers.map { ($0, points($0)) }
      ).map { ($0, caption) }
    }
    return [
      panel(
        "largest |logit|", "logit",
        "Of all heads and tokens. Where it grows without bound, many a training diverges later."
      ) { Self.means(runs, layer: $0, .attentionLogit) },
      panel(
        "least entropy of a head", "entropy",
        "Of what tokens attend to, in nats, in the head where it is least: at 0 a token attends to one "
          + "alone.", fromZero: true, heads.leastEntropies),
    ].compactMap { $0 }
  }

  /// Steps done where a quantity is compared over widths: of W and h the start, else the first
  /// measurement after which every layer has moved.
  private func comparedStep(_ quantity: SpectralQuantity, layer: String, _ name: DiagnosticQuantity)
    -> Int?
  {
    let least =
      switch quantity {
      case .weightNorm, .featureSize: 0
      default: record.experiment.settings.zeroReadout || quantity == .featureChange ? 1 : 0
      }
    return Self.means(measured[0].runs, layer: layer, name)
      .first { $0.step >= least && $0.value > 0 }?.step
  }

  private func overWidths(
    _ quantity: SpectralQuantity, _ name: DiagnosticQuantity, id: String
  ) -> Plot? {
    guard measured.count >= 2, record.axes.scale == nil else { return nil }
    let widths = measured.map(\.width)
    let prediction = prediction
    let observed = record.settings(scale: widest).observedNames
    var lines: [SlopeLine] = []
    var steps: Set<Int> = []
    for (index, layer) in layers.enumerated() {
      guard let step = comparedStep(quantity, layer: layer, name) else { continue }
      let values = measured.compactMap { entry in
        Self.means(entry.runs, layer: layer, name).first { $0.step == step && $0.value > 0 }?.value
      }
      guard values.count == widths.count else { continue }
      steps.insert(step)
      lines.append(
        SlopeLine(
          layer: layer, index: index, of: layers.count, sizes: widths, values: values,
          predicted: observed.firstIndex(of: layer).flatMap {
            prediction?.exponent(quantity, layer: $0)
          }, needed: nil))
    }
    guard !lines.isEmpty else { return nil }
    let when = steps.sorted().map(String.init).joined(separator: " and ")
    return Plot(
      id: "\(id)-widths-\(quantity.rawValue.replacing("_", with: "-"))",
      title: "\(quantity.symbol) over widths, after \(when) step\(when == "1" ? "" : "s")",
      description: SlopeLine.description(lines, of: quantity),
      x: .widths(widths),
      y: .logarithmic(quantity.symbol, over: lines.flatMap(\.values)),
      series: lines.flatMap(\.series) + SlopeLine.kinds(lines))
  }

  /// What the rule predicts over the widths measured; nil of a rule that is not known.
  private var prediction: CheckPrediction? {
    guard let optimizer = group.optimizer,
      let rule = try? record.experiment.settings.parametrization(named: group.parametrization)
    else { return nil }
    return CheckPrediction(
      measured.map { entry in
        RunGroup(
          experiment: record.experiment,
          cells: [
            RunCell(
              parametrization: group.parametrization, optimizer: optimizer,
              width: entry.width, log2LearningRate: group.narrowRate ?? 0, seed: 0)
          ]
        ).training
      }, widths: measured.map { Double($0.width) }, under: rule)
  }
}

/// What runs of a group recorded of attention's heads.
private struct AttentionHeads {
  /// The attentions' paths, in order.
  let layers: [String]
  /// By layer, the heads' paths.
  private let heads: [String: [String]]
  private let runs: [[RunRecord]]

  init(_ runs: [[RunRecord]]) {
    let suffix = "/" + DiagnosticQuantity.attentionEntropy.rawValue
    let paths = Set(runs.joined().flatMap { $0.values.keys.filter { $0.hasSuffix(suffix) } })
      .map { String($0.dropLast(suffix.count)) }
    heads = Dictionary(grouping: paths.filter { $0.contains(Self.mark) }) {
      String($0[..<$0.firstRange(of: Self.mark)!.lowerBound])
    }
    layers = heads.keys.sorted { $0.compare($1, options: .numeric) == .orderedAscending }
    self.runs = runs
  }

  private static let mark = ".heads."

  /// By step the mean over runs of the least of a layer's heads.
  func leastEntropies(_ layer: String) -> [(step: Int, value: Double)] {
    let names = (heads[layer] ?? []).map { "\($0)/\(DiagnosticQuantity.attentionEntropy.rawValue)" }
    let least = Dictionary(
      grouping: runs.joined().compactMap { record in
        names.compactMap { record.values[$0] }.min().map { (step: record.step, value: $0) }
      }, by: \.step)
    return least.filter { $0.value.count == runs.count }.sorted { $0.key < $1.key }
      .map { ($0.key, LossCurve.mean($0.value.map(\.value))) }
  }
}

/// A layer's quantity over the widths, with the slopes that it should have.
struct SlopeLine {
  /// The layer's path in the network.
  let layer: String
  /// Its position among the layers.
  let index: Int
  /// Number of layers, which decides the colour.
  let count: Int
  let scale: NetworkScale
  let sizes: [Int]
  let values: [Double]
  /// The slope that the rule in use predicts.
  let predicted: Double?
  /// The slope that the spectral condition needs, where it is shown.
  let needed: Double?

  init(
    layer: String, index: Int, of count: Int, scale: NetworkScale = .width, sizes: [Int],
    values: [Double], predicted: Double?, needed: Double?
  ) {
    (self.layer, self.index, self.count) = (layer, index, count)
    (self.scale, self.sizes, self.values) = (scale, sizes, values)
    (self.predicted, self.needed) = (predicted, needed)
  }

  /// The slope that was measured; nil where no power law can be fitted.
  private var fitted: Double? {
    ScalingExponent.slope(over: sizes.map(Double.init), values: values)
  }

  /// The measured points on the line that was fitted to them and, dashed through their middle, the
  /// predicted one; dotted the needed one.
  var series: [Plot.Series] {
    let colour = PlotColour.ordered(index, of: count)
    let exponent = fitted.map { ", \(scale.symbol)^\(ReportText.number($0, digits: 2))" } ?? ""
    var result = [
      Plot.Series(
        name: layer + exponent, colour: colour, index: index, style: .line,
        points: zip(sizes, values).map { Plot.Point(x: Double($0), y: $1) },
        line: fitted.map(line))
    ]
    for (slope, style) in [(predicted, Plot.Series.Style.dashed), (needed, .dotted)] {
      guard let slope else { continue }
      result.append(
        Plot.Series(name: nil, colour: colour, style: style, points: line(of: slope)))
    }
    return result
  }

  /// What the legend says of the kinds of lines.
  static func kinds(_ lines: [SlopeLine]) -> [Plot.Series] {
    [
      ("predicted slope", Plot.Series.Style.dashed, lines.contains { $0.predicted != nil }),
      ("needed slope", .dotted, lines.contains { $0.needed != nil }),
    ].filter(\.2).map { Plot.Series(name: $0.0, colour: .ink, style: $0.1) }
  }

  /// The line of a slope through the middle of the values.
  private func line(of slope: Double) -> [Plot.Point] {
    Self.line(x: sizes.map { log2(Double($0)) }, y: values.map { log2($0) }, slope: slope)
      .map { Plot.Point(x: exp2($0.x), y: exp2($0.y)) }
  }

  /// The line of a slope through the middle of points, at each x.
  static func line(x: [Double], y: [Double], slope: Double) -> [(x: Double, y: Double)] {
    let centerX = x.reduce(0, +) / Double(x.count)
    let centerY = y.reduce(0, +) / Double(y.count)
    return x.map { ($0, centerY + slope * ($0 - centerX)) }
  }

  /// Measured and predicted slopes in words.
  static func description(_ lines: [SlopeLine], of quantity: SpectralQuantity) -> String {
    let slopes = lines.map { line in
      let (found, predicted) = (
        ReportText.twoDecimals(line.fitted, or: "nothing"),
        ReportText.twoDecimals(line.predicted, or: "nothing")
      )
      return "\(line.layer): \(found) (predicted \(predicted))"
    }
    return "\(quantity.symbol) against width. Slopes: \(slopes.joined(separator: ", "))."
  }
}
