import Foundation
import Spectral
import Tensors
import Training

/// Trains networks of several widths, or depths, and seeds for a few steps and fits, layer by layer, how the
/// quantities of the spectral condition grow with them.
///
/// Quantities of W are those of the initial weights, ΔW is the first step's (the second's where the
/// readout starts at zero: before it no other layer has a gradient), Δh the change by then.
public struct SpectralCheck {
  private let runs: ScaleRuns

  /// A check of `runs`, which train when it runs.
  ///
  /// - runs: at least one step long, and two where the readout starts at zero.
  public init(_ runs: ScaleRuns) {
    self.runs = runs
  }

  /// Trains every size and seed and reports.
  ///
  /// - progress: called as each size begins, and every few steps; what it throws ends the check.
  /// - Throws: `OpenCLError`, `CLBlastError`, what `progress` throws.
  public func run(progress: (ScaleProgress) throws -> Void = { _ in }) throws -> CheckReport {
    try report(runs.records(every: 1, progress: progress))
  }

  /// Steps done before the update that is judged: 1 where no layer but the readout moves at first.
  private var judgedStep: Int { runs.experiment.settings.zeroReadout ? 1 : 0 }

  private func report(_ measurements: [[DiagnosticRecord]]) throws -> CheckReport {
    let (prediction, ideal) = (try runs.prediction(), runs.ideal)
    let names = measurements[0][0].names
    let layerCount = names.count
    var exponents: [CheckedQuantity] = []
    var remarks: [String] = []
    var diverged = false
    for layer in 0..<layerCount {
      for quantity in SpectralQuantity.allCases {
        // [size][seed]
        let values = measurements.map { self.values(quantity, layer: layer, of: $0) }
        if values.allSatisfy({ $0.allSatisfy { $0 == 0 } }) { continue }
        diverged = diverged || !values.allSatisfy { $0.allSatisfy(\.isFinite) }
        guard
          let checked = judge(
            quantity, layer: layer, name: names[layer], isReadout: layer == layerCount - 1, values,
            prediction, ideal)
        else {
          remarks.append(
            "\(names[layer]): \(quantity.symbol) is not positive and finite at every \(runs.scale.rawValue) and seed"
          )
          continue
        }
        exponents.append(checked)
      }
    }
    if runs.scale == .depth, runs.experiment.settings.depthRule == .none {
      remarks.append("no depth rule: blocks and their rates are the same at every depth")
    }
    let coordinates = (0..<layerCount).flatMap { layer in
      measurements[0].indices.map { index in
        CheckReport.Coordinate(
          layer: names[layer], step: measurements[0][index].step,
          meanAbsolute: measurements.map {
            Self.mean($0[index].layers[layer][.featureMeanAbsolute] ?? [.nan])
          })
      }
    }
    return CheckReport(
      parametrization: runs.parametrization, optimizer: runs.optimizer.rawValue,
      scale: runs.scale, sizes: runs.sizes, seeds: runs.seeds.count,
      log2LearningRate: runs.log2LearningRate,
      step: judgedStep + 1,
      exponents: exponents, coordinates: coordinates, remarks: remarks, diverged: diverged)
  }

  /// A quantity's value for each seed.
  private func values(
    _ quantity: SpectralQuantity, layer: Int, of records: [DiagnosticRecord]
  ) -> [Double] {
    func at(_ index: Int, _ quantity: DiagnosticQuantity) -> [Double] {
      records[index].layers[layer][quantity] ?? []
    }
    func quotient(_ a: DiagnosticQuantity, _ b: DiagnosticQuantity) -> [Double] {
      // Against the weight as it was at the start, which a zero readout has none of.
      zip(at(judgedStep, a), at(0, b)).map { $1 == 0 ? 0 : $0 / $1 }
    }
    return switch quantity {
    case .weightNorm: at(0, .weightNorm)
    case .featureSize: at(0, .featureSize)
    case .updateNorm: at(judgedStep, .updateNorm)
    case .featureChange: at(judgedStep + 1, .featureChange)
    case .relativeUpdate: quotient(.updateSpectralNorm, .spectralNorm)
    case .relativeUpdateFrobenius: quotient(.updateFrobeniusNorm, .frobeniusNorm)
    }
  }

  private func judge(
    _ quantity: SpectralQuantity, layer: Int, name: String, isReadout: Bool,
    _ values: [[Double]], _ prediction: CheckPrediction, _ ideal: CheckPrediction
  ) -> CheckedQuantity? {
    guard let fitted = FittedExponent(over: prediction.sizes, values: values) else { return nil }
    guard let predicted = prediction.exponent(quantity, layer: layer),
      let limit = prediction.limit(quantity, layer: layer),
      let condition = ideal.exponent(quantity, layer: layer),
      let conditionLimit = ideal.limit(quantity, layer: layer)
    else { return nil }
    let own =
      (prediction.ownExponent(quantity, layer: layer) ?? 0)
      - (ideal.ownExponent(quantity, layer: layer) ?? 0)
    let hasWeight = prediction.hasWeight(layer)
    let tolerance = tolerance(quantity, hasWeight)
    let isFaultless = abs(predicted - condition) <= tolerance
    let isJudged =
      switch quantity {
      case .weightNorm, .updateNorm: true
      // Of attention's scale in queries the logits tell.
      case .featureSize where ideal.makesQueriesOfWideningHeads(layer),
        .featureChange where ideal.makesQueriesOfWideningHeads(layer):
        false
      case .featureChange: hasWeight || runs.scale == .width
      // Logits at the start, attention's too, fade with width under the condition; that is no fault. With
      // depth they stay.
      case .featureSize: hasWeight && (!isReadout || runs.scale == .depth)
      case .relativeUpdate, .relativeUpdateFrobenius: false
      }
    let mayFall = isFaultless && ideal.hasMoreHeads(layer)
    let needed = nearest(to: fitted, condition, conditionLimit, quantity, hasWeight, mayFall)
    let foretold = nearest(to: fitted, predicted, limit, quantity, hasWeight, mayFall)
    // Against a rule that is right in theory only what is beyond chance counts.
    let standing = fitted.standing(to: needed, within: tolerance, againstTheory: isFaultless)
    let isOff = fitted.isOff(from: needed, by: tolerance)
    // As queries and keys of widening heads come to align, what their updates are goes from one to the other.
    let isBetween =
      quantity == .updateNorm && widensHeads && ideal.isOfHeads(layer)
      && (min(needed, foretold)...max(needed, foretold)).contains(fitted.exponent)
    let doubt = CheckReport.doubt(about: runs.sizes, runs.scale)
    let verdict: CheckedQuantity.Verdict =
      if !isJudged {
        .informative
      } else if isOff && isFaultless
        && fades(quantity, layer: layer, values, mayFall, ideal: ideal)
      {
        .fades
      } else {
        switch standing {
        case .met: .meets
        case .unclear: .unclear
        case .broken where isFaultless && doubt != nil: .unclear
        case .broken where isBetween: .breaksAsPredicted
        case .broken:
          fitted.differs(from: foretold, by: tolerance) ? .breaksUnpredicted : .breaksAsPredicted
        }
      }
    return CheckedQuantity(
      layer: name, quantity: quantity, values: values.map(Self.mean),
      exponent: fitted.exponent, lower: fitted.lower, upper: fitted.upper, predicted: predicted,
      predictedLimit: limit, condition: condition, conditionLimit: conditionLimit,
      ownDeviation: own, verdict: verdict,
      seedsToTell: verdict == .unclear && doubt == nil
        ? fitted.seedsToTell(
          from: needed, within: tolerance, of: runs.seeds.count, againstTheory: isFaultless) : nil)
  }

  /// What a fitted exponent is held to: `exponent` or, of some changes, the nearest between two ends.
  ///
  /// A stream's change is the embedding's, Θ(1), and the blocks', of which the first has a share of 1/L. How
  /// large one is beside the other, which tells at what depth the exponent turns from −1 to 0, theory knows up
  /// to a factor of order 1 only. The logits of heads that widen change by n where queries and keys align, as
  /// training has them, and by √n where they do not yet. The update of H heads is √H times as large as a head's
  /// where their gradients align, and as large where each has a direction of its own: with few heads the latter,
  /// with many the former, and in between ‖ΔW‖/√(out/in) falls by up to n^−½.
  /// - hasWeight: whether the layer has one. mayFall: whether its update is of a growing number of heads, and
  ///   the rule without fault.
  private func nearest(
    to fitted: FittedExponent, _ exponent: Double, _ limit: Double, _ quantity: SpectralQuantity,
    _ hasWeight: Bool, _ mayFall: Bool
  ) -> Double {
    let otherEnd =
      switch (quantity, runs.scale) {
      case (.featureChange, .depth): limit
      case (.featureChange, .width) where alignsWithTraining(hasWeight): exponent - 0.5
      case (.updateNorm, .width) where mayFall: exponent - 0.5
      default: exponent
      }
    return min(max(fitted.exponent, min(exponent, otherEnd)), max(exponent, otherEnd))
  }

  /// How far an exponent may lie from what it is held to. Where that is a range already, of logits that align
  /// with training, finite width has its room there.
  private func tolerance(_ quantity: SpectralQuantity, _ hasWeight: Bool) -> Double {
    quantity == .featureChange && alignsWithTraining(hasWeight)
      ? SpectralQuantity.updateNorm.tolerance : quantity.tolerance
  }

  /// Whether a layer without a weight, attention, has heads that widen.
  private func alignsWithTraining(_ hasWeight: Bool) -> Bool { !hasWeight && widensHeads }

  /// Whether wider networks have wider heads.
  private var widensHeads: Bool {
    runs.scale == .width && runs.experiment.settings.heads != nil
  }

  /// Whether a quantity is as the condition asks over the larger half of the sizes.
  private func fades(
    _ quantity: SpectralQuantity, layer: Int, _ values: [[Double]], _ mayFall: Bool,
    ideal: CheckPrediction
  ) -> Bool {
    let larger = ideal.largerHalf
    guard larger.sizes.count < values.count,
      let condition = larger.exponent(quantity, layer: layer),
      let limit = larger.limit(quantity, layer: layer),
      let fitted = FittedExponent(
        over: larger.sizes, values: values.suffix(larger.sizes.count))
    else { return false }
    let hasWeight = larger.hasWeight(layer)
    let needed = nearest(to: fitted, condition, limit, quantity, hasWeight, mayFall)
    return fitted.standing(to: needed, within: tolerance(quantity, hasWeight)) == .met
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }
}
