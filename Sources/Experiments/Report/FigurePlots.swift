import Foundation

extension GradientSpectrum {
  /// Singular values of weight and gradients, each over its largest, and the gradients' stable ranks
  /// beside what the size of the batch allows.
  var plots: [Plot] {
    let gradients = spectra.filter { $0.batchSize != nil }
    let values = spectra.map { spectrum -> Plot.Series in
      let largest = spectrum.singularValues.first ?? 0
      let place = gradients.firstIndex { $0.batchSize == spectrum.batchSize }
      return Plot.Series(
        name: spectrum.batchSize.map { "batch \($0)" } ?? "weight",
        colour: place.map { .ordered($0, of: gradients.count) } ?? .muted,
        index: place.map { $0 + 1 } ?? 0, style: .curve,
        points: spectrum.singularValues.enumerated().map { index, value in
          Plot.Point(x: Double(index + 1), y: value > 0 ? value / largest : nil)
        })
    }
    let sizes = gradients.compactMap(\.batchSize)
    let ranks = gradients.compactMap { spectrum in
      spectrum.batchSize.map { Plot.Point(x: Double($0), y: spectrum.stableRank) }
    }
    let bounds = sizes.map {
      Plot.Point(x: Double($0), y: Double(rankBound(batchSize: $0)))
    }
    let count = spectra.map(\.singularValues.count).max() ?? 1
    return [
      Plot(
        id: "singular-values",
        title: "Singular values, \(layer ?? "layer 2"), "
          + shape.map(String.init).joined(separator: "×"),
        description:
          "Singular values of the weight and gradients of \(layerInWords), over the largest.",
        x: Plot.Axis(label: "index", kind: .logarithmic, range: 0.9...Double(count) * 1.1),
        y: Plot.Axis(label: "singular value / largest", kind: .logarithmic, range: 1e-6...2),
        series: values),
      Plot(
        id: "stable-rank", title: "Stable rank of the gradient",
        description: "Stable rank of gradients against the size of the batch: "
          + ranks.map { "\(Int($0.x)): \(ReportText.twoDecimals($0.y))" }.joined(separator: ", ")
          + ".",
        x: .widths(sizes, label: tokensPerRow == nil ? "batch size B" : "sequences B"),
        y: .logarithmic(
          "stable rank", over: ranks.compactMap(\.y) + bounds.compactMap(\.y)),
        series: [
          Plot.Series(
            name: "measured", colour: .kind(0), style: .line, points: ranks),
          Plot.Series(
            name: "min(\(tokensPerRow.map { "\($0) " } ?? "")B, n)", colour: .muted,
            style: .dashed, points: bounds),
        ]),
    ]
  }
}

extension FeatureLearning {
  /// A layer's quantities against width: a point a seed, the fitted line, the predicted slope.
  func plots(of layer: String?) -> [Plot] {
    let names = curves.map(\.parametrization).uniqued()
    return Quantity.allCases.compactMap { quantity in
      let shown = curves.filter { $0.layer == layer && $0.quantity == quantity }
      if shown.isEmpty { return nil }
      let symbol = quantity.symbol(of: layer)
      let series = shown.flatMap { curve -> [Plot.Series] in
        let index = names.firstIndex(of: curve.parametrization) ?? 0
        let points = zip(widths, curve.values).flatMap { width, values in
          values.map {
            Plot.Point(x: Double(width), y: $0.isFinite && $0 > 0 ? $0 : nil)
          }
        }
        let exponent = curve.exponent.map { ", n^\(ReportText.number($0, digits: 2))" } ?? ""
        let known = points.filter { $0.y != nil }
        func line(_ slope: Double) -> [Plot.Point] {
          SlopeLine.line(
            x: known.map { log2($0.x) }, y: known.compactMap { $0.y.map(log2) }, slope: slope
          ).map { Plot.Point(x: exp2($0.x), y: exp2($0.y)) }.uniqued()
        }
        return [
          Plot.Series(
            name: curve.parametrization + exponent, colour: .kind(index), index: index,
            style: .line, points: points, line: curve.exponent.map(line) ?? [])
        ]
          + (curve.predicted.map {
            [Plot.Series(name: nil, colour: .kind(index), style: .dashed, points: line($0))]
          } ?? [])
      }
      return Plot(
        id: Self.identifier(layer) + quantity.rawValue.replacing("_", with: "-"),
        title: quantity.title(of: layer),
        description: "\(layer.map { "\($0), " } ?? "")\(symbol) after training against width: "
          + shown.map { curve in
            "\(curve.parametrization) as n^\(ReportText.twoDecimals(curve.exponent)), predicted "
              + ReportText.twoDecimals(curve.predicted)
          }.joined(separator: "; ") + ".",
        x: .widths(widths),
        y: .logarithmic(symbol, over: shown.flatMap { $0.values.joined() }),
        series: series + [Plot.Series(name: "predicted slope", colour: .ink, style: .dashed)],
        legend: .below)
    }
  }

  /// What begins the names of a layer's pictures.
  static func identifier(_ layer: String?) -> String {
    layer.map { $0.replacing(".", with: "-") + "-" } ?? ""
  }
}

extension FeatureLearning.Quantity {
  /// What moved, in words; nil: of the second layer.
  fileprivate func title(of layer: String?) -> String {
    guard let layer else {
      return switch self {
      case .features: "Features"
      case .spectral: "Weights, spectral norm"
      case .frobenius: "Weights, Frobenius norm"
      }
    }
    let name = layer.split(separator: ".").last.map(String.init) ?? layer
    return switch self {
    case .features: name + (name == "attention" ? ": logits" : ": features")
    case .spectral: "\(name): spectral norm"
    case .frobenius: "\(name): Frobenius norm"
    }
  }
}
