import Spectral
import Training

/// Which parametrizations learn features at every width: how far a layer and its features have moved after
/// training, relative to their start, against width.
///
/// The layer is the second, the first whose dimensions both grow. Of a Transformer there are several: the
/// embedding, the matrices of the middle block, between them its attention, whose features are the logits of
/// tokens with themselves, and the readout.
///
/// After the figure in arXiv:2310.17813; the settings are ours.
public struct FeatureLearning: Codable, Sendable {
  /// What is plotted.
  public enum Quantity: String, Codable, Sendable, CaseIterable {
    /// ‖h − h⁰‖/‖h⁰‖ over the probe batch.
    case features = "relative_feature_change"
    /// ‖W − W⁰‖_*/‖W⁰‖_*.
    case spectral = "relative_spectral_change"
    /// ‖W − W⁰‖_F/‖W⁰‖_F.
    case frobenius = "relative_frobenius_change"

    /// As tables name it of the second layer.
    public var symbol: String { symbol(of: nil) }

    /// As tables name it of a layer; nil: of the second.
    func symbol(of layer: String?) -> String {
      let index = layer == nil ? "₂" : ""
      return switch self {
      case .features: "‖Δh\(index)‖/‖h\(index)‖"
      case .spectral: "‖ΔW\(index)‖*/‖W\(index)‖*"
      case .frobenius: "‖ΔW\(index)‖F/‖W\(index)‖F"
      }
    }
  }

  /// A quantity over the widths, with its exponent.
  public struct Curve: Codable, Sendable {
    /// Name of the parametrization.
    public let parametrization: String
    /// The layer's path; nil: the second layer of a network of layers.
    public let layer: String?
    /// What is plotted.
    public let quantity: Quantity
    /// [width][seed].
    public let values: [[Double]]
    /// Slope of log2 of the quantity against log2 of width, mean over the seeds; nil where a value
    /// is not positive and finite.
    public let exponent: Double?
    /// Half of its 95 % interval over the seeds.
    public let halfWidth: Double?
    /// The slope that theory predicts over these widths.
    public let predicted: Double?
    /// The same as width goes to infinity.
    public let limit: Double?

    private enum CodingKeys: String, CodingKey {
      case parametrization, layer, quantity, values, exponent
      case halfWidth = "half_width"
      case predicted, limit
    }
  }

  /// The widths, ascending.
  public let widths: [Int]
  /// By parametrization, layer and quantity.
  public let curves: [Curve]

  private enum CodingKeys: String, CodingKey { case widths, curves }

  /// Reads curves.
  ///
  /// - Throws: `DecodingError`, also where widths and values do not fit together.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    widths = try container.decode([Int].self, forKey: .widths)
    curves = try container.decode([Curve].self, forKey: .curves)
    try decoder.require(
      widths.allSatisfy { (1...Limits.size).contains($0) }
        && curves.allSatisfy { $0.values.count == widths.count },
      "widths of 1…\(Limits.size), and values of each curve at each of them")
  }

  /// The layers, in order; nil: the second of a network of layers.
  public var layers: [String?] { curves.map(\.layer).uniqued() }

  /// Whether every quantity has a value that can be drawn; none has where all networks diverged.
  public var hasPoints: Bool {
    Quantity.allCases.allSatisfy { quantity in
      curves.contains { curve in
        curve.quantity == quantity
          && curve.values.joined().contains { $0.isFinite && $0 > 0 }
      }
    }
  }

  /// Trains every run of `runs`, which must have the same widths, and compares start and end.
  ///
  /// - progress: called every few steps; what it throws ends the training.
  /// - Throws: `OpenCLError`, `CLBlastError`, what `progress` throws.
  public init(_ runs: [ScaleRuns], progress: (ScaleProgress) throws -> Void = { _ in }) throws {
    widths = runs[0].sizes
    precondition(runs.allSatisfy { $0.sizes == runs[0].sizes }, "runs of different widths")
    let work = runs.reduce(0) { $0 + $1.work }
    var done = 0.0
    curves = try runs.flatMap { runs in
      guard case .steps(let steps) = runs.experiment.settings.length else {
        preconditionFailure("runs of a length in steps")
      }
      let prediction = try runs.prediction()
      let settings = runs.experiment.settings
      let observed = settings.observedNames
      let records = try runs.records(every: steps) { own in
        try progress(
          ScaleProgress(
            parametrization: own.parametrization, scale: own.scale, size: own.size,
            share: (done + own.share * runs.work) / work, hasWaited: own.hasWaited))
      }
      done += runs.work
      return settings.shownLayers.flatMap { layer in
        let place = observed.firstIndex(of: layer)!
        return (prediction.hasWeight(place) ? Quantity.allCases : [.features]).map { quantity in
          Self.curve(
            quantity, of: layer, place, runs.parametrization, records, prediction,
            isNamed: settings.network == .transformer)
        }
      }
    }
  }

  /// - place: among the layers that are observed.
  private static func curve(
    _ quantity: Quantity, of layer: String, _ place: Int, _ parametrization: String,
    _ records: [[DiagnosticRecord]], _ prediction: CheckPrediction, isNamed: Bool
  ) -> Curve {
    let values = records.map { Self.values(quantity, of: layer, $0) }
    let fitted = FittedExponent(over: prediction.sizes, values: values)
    func predicted(_ slope: (SpectralQuantity, Int) -> Double?) -> Double? {
      switch quantity {
      case .spectral: return slope(.relativeUpdate, place)
      case .frobenius: return slope(.relativeUpdateFrobenius, place)
      case .features:
        guard let change = slope(.featureChange, place), let size = slope(.featureSize, place)
        else { return nil }
        return change - size
      }
    }
    return Curve(
      parametrization: parametrization, layer: isNamed ? layer : nil, quantity: quantity,
      values: values, exponent: fitted?.exponent, halfWidth: fitted?.halfWidth,
      predicted: predicted { prediction.exponent($0, layer: $1) },
      limit: predicted { prediction.limit($0, layer: $1) })
  }

  /// A quantity for each seed, from the first record and the last.
  private static func values(
    _ quantity: Quantity, of layer: String, _ records: [DiagnosticRecord]
  ) -> [Double] {
    func values(_ record: DiagnosticRecord?) -> [DiagnosticQuantity: [Double]] {
      record.flatMap { record in
        record.names.firstIndex(of: layer).map { record.layers[$0] }
      } ?? [:]
    }
    let (first, last) = (values(records.first), values(records.last))
    func quotient(_ change: DiagnosticQuantity, _ size: DiagnosticQuantity) -> [Double] {
      zip(last[change] ?? [], first[size] ?? []).map { $0 / $1 }
    }
    return switch quantity {
    case .features: quotient(.featureChange, .featureSize)
    case .spectral: quotient(.totalUpdateSpectralNorm, .spectralNorm)
    case .frobenius: quotient(.totalUpdateFrobeniusNorm, .frobeniusNorm)
    }
  }

  /// Whether curves are of layers with names.
  private var hasNames: Bool { curves.contains { $0.layer != nil } }

  /// A line a parametrization, layer where it has a name, quantity, width and seed.
  var csv: String {
    let lines = curves.flatMap { curve in
      zip(widths, curve.values).flatMap { width, values in
        values.enumerated().map {
          "\(curve.parametrization.csvCell),\(curve.layer.map { "\($0.csvCell)," } ?? "")"
            + "\(curve.quantity.rawValue),\(width),\($0.offset + 1),\($0.element)"
        }
      }
    }
    let header = "parametrization,\(hasNames ? "layer," : "")quantity,width,seed,value"
    return ([header] + lines).map { $0 + "\n" }.joined()
  }

  /// Exponents beside the predicted ones, as plain text of at most 80 columns, by layer where there are
  /// several; ends in a newline.
  public func table() -> String {
    func number(_ value: Double?) -> String {
      ReportText.right(ReportText.twoDecimals(value), 11)
    }
    let header =
      "                                exponent (95 %)  predicted      limit"
    let rows = layers.flatMap { layer in
      (layer.map { [$0] } ?? [])
        + curves.filter { $0.layer == layer }.map { curve in
          let fitted =
            curve.exponent.map {
              ReportText.number($0, digits: 2) + "±"
                + ReportText.number(curve.halfWidth ?? .nan, digits: 2)
            } ?? "–"
          return "  " + ReportText.left(curve.parametrization, 17)
            + ReportText.left(curve.quantity.symbol(of: layer), 15) + ReportText.right(fitted, 13)
            + number(curve.predicted) + number(curve.limit)
        }
    }
    return ([header] + rows).joined(separator: "\n") + "\n"
  }
}

extension Configuration {
  /// The paths of the layers that figures show.
  fileprivate var shownLayers: [String] {
    guard network == .transformer else { return [layerNames[1]] }
    let graph = smallestGraph
    return graph.observedNodes.map { graph[$0].name }.filter {
      $0 == "embedding" || $0 == "readout" || $0.hasPrefix("\(middleBlock).")
    }
  }
}
