import Spectral
import Training

/// Which parametrizations learn features at every width: how far the second layer and its features
/// have moved after training, relative to their start, against width.
///
/// After the figure in arXiv:2310.17813; the settings are ours.
public struct FeatureLearning: Codable, Sendable {
  /// What is plotted.
  public enum Quantity: String, Codable, Sendable, CaseIterable {
    /// ‖h_2 − h_2⁰‖/‖h_2⁰‖ over the probe batch.
    case features = "relative_feature_change"
    /// ‖W_2 − W_2⁰‖_*/‖W_2⁰‖_*.
    case spectral = "relative_spectral_change"
    /// ‖W_2 − W_2⁰‖_F/‖W_2⁰‖_F.
    case frobenius = "relative_frobenius_change"

    /// As tables name it.
    public var symbol: String {
      switch self {
      case .features: "‖Δh₂‖/‖h₂‖"
      case .spectral: "‖ΔW₂‖*/‖W₂‖*"
      case .frobenius: "‖ΔW₂‖F/‖W₂‖F"
      }
    }
  }

  /// A quantity over the widths, with its exponent.
  public struct Curve: Codable, Sendable {
    /// Name of the parametrization.
    public let parametrization: String
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
      case parametrization, quantity, values, exponent
      case halfWidth = "half_width"
      case predicted, limit
    }
  }

  /// The widths, ascending.
  public let widths: [Int]
  /// By parametrization and quantity.
  public let curves: [Curve]

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
      let records = try runs.records(every: steps) { own in
        try progress(
          ScaleProgress(
            parametrization: own.parametrization, scale: own.scale, size: own.size,
            share: (done + own.share * runs.work) / work, hasWaited: own.hasWaited))
      }
      done += runs.work
      return Quantity.allCases.map { quantity in
        let values = records.map { Self.values(quantity, $0) }
        let fitted = FittedExponent(over: prediction.sizes, values: values)
        func predicted(_ slope: (SpectralQuantity) -> Double?) -> Double? {
          switch quantity {
          case .spectral: return slope(.relativeUpdate)
          case .frobenius: return slope(.relativeUpdateFrobenius)
          case .features:
            guard let change = slope(.featureChange), let size = slope(.featureSize) else {
              return nil
            }
            return change - size
          }
        }
        return Curve(
          parametrization: runs.parametrization, quantity: quantity, values: values,
          exponent: fitted?.exponent, halfWidth: fitted?.halfWidth,
          predicted: predicted { prediction.exponent($0, layer: Self.layer) },
          limit: predicted { prediction.limit($0, layer: Self.layer) })
      }
    }
  }

  /// The second layer, the first whose dimensions both grow.
  private static let layer = 1

  /// A quantity for each seed, from the first record and the last.
  private static func values(_ quantity: Quantity, _ records: [DiagnosticRecord]) -> [Double] {
    guard let first = records.first?.layers[layer], let last = records.last?.layers[layer] else {
      return []
    }
    func quotient(_ change: DiagnosticQuantity, _ size: DiagnosticQuantity) -> [Double] {
      zip(last[change] ?? [], first[size] ?? []).map { $0 / $1 }
    }
    return switch quantity {
    case .features: quotient(.featureChange, .featureSize)
    case .spectral: quotient(.totalUpdateSpectralNorm, .spectralNorm)
    case .frobenius: quotient(.totalUpdateFrobeniusNorm, .frobeniusNorm)
    }
  }

  /// A line a parametrization, quantity, width and seed.
  var csv: String {
    let lines = curves.flatMap { curve in
      zip(widths, curve.values).flatMap { width, values in
        values.enumerated().map {
          "\(curve.parametrization.csvCell),\(curve.quantity.rawValue),\(width),\($0.offset + 1),"
            + "\($0.element)"
        }
      }
    }
    return (["parametrization,quantity,width,seed,value"] + lines).map { $0 + "\n" }.joined()
  }

  /// Exponents beside the predicted ones, as plain text of at most 80 columns; ends in a newline.
  public func table() -> String {
    func number(_ value: Double?) -> String {
      ReportText.right(ReportText.twoDecimals(value), 11)
    }
    let header =
      "                                exponent (95 %)  predicted      limit"
    let rows = curves.map { curve in
      let fitted =
        curve.exponent.map {
          ReportText.number($0, digits: 2) + "±"
            + ReportText.number(curve.halfWidth ?? .nan, digits: 2)
        } ?? "–"
      return "  " + ReportText.left(curve.parametrization, 17)
        + ReportText.left(curve.quantity.symbol, 15) + ReportText.right(fitted, 13)
        + number(curve.predicted) + number(curve.limit)
    }
    return ([header] + rows).joined(separator: "\n") + "\n"
  }
}
