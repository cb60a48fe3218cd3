import Foundation
import Networks
import Spectral
import Training

/// What one tensor starts and trains with.
public struct TensorScale: Codable, Hashable, Sendable {
  /// Name of the parametrization.
  public let parametrization: String
  /// The tensor's path in the network.
  public let tensor: String
  /// Extents of its matrix; an embedding, whose input is one-hot, has fan-in 1.
  public let fanIn, fanOut: Int
  /// Of an embedding: its rows.
  public var tableRows: Int?
  /// The update rule.
  public let optimizer: OptimizerKind
  /// σ of the initial values N(0, σ²); 0 where it starts at 0 or at `initialValue`.
  public let initialStd: Double
  /// Of a gain: what all its entries start at.
  public var initialValue: Double?
  /// η, the tensor's own.
  public let learningRate: Double
  /// Adam's ε.
  public let epsilon: Double
  /// λ.
  public let weightDecay: Double
  /// How decay enters the update; nil: there is none.
  public var weightDecayKind: WeightDecayKind?
  /// Multiplies the tensor's product.
  public let multiplier: Double
  /// What its spectral norm, times the multiplier, is after each step: `= 1`, `≤ 2` or `≤ 2 by clipping`; nil:
  /// it is not held.
  public var heldNorm: String?
  /// What the result of the residual block that it is in is multiplied by, and the stream that it is added to;
  /// nil outside of blocks.
  public var branchScale: Double?, streamScale: Double?

  /// "256×64", "65 rows of 256".
  public var sizeInWords: String {
    tableRows.map { "\($0) rows of \(fanOut)" } ?? "\(fanOut)×\(fanIn)"
  }

  /// Those of a network's tensors, in its order.
  ///
  /// - learningRate: η before the parametrization's factors.
  public static func all(
    of training: TrainingConfiguration, under rule: any Parametrization, learningRate: Double
  ) -> [TensorScale] {
    zip(training.network.graph.parameters, training.scalings(under: rule)).map {
      parameter, scaling in
      let own = training.optimization.settings(for: parameter)
      return TensorScale(
        parametrization: rule.name, tensor: parameter.path, fanIn: parameter.shape.fanIn,
        fanOut: parameter.shape.fanOut,
        tableRows: parameter.kind == .embedding ? parameter.shape.rows : nil,
        optimizer: own.optimizer,
        initialStd: scaling.initialStd * parameter.initialFactor,
        initialValue: parameter.initialValue.map(Double.init),
        learningRate: learningRate * scaling.learningRateFactor,
        epsilon: own.rule(or: nil).epsilon * scaling.epsilonFactor,
        weightDecay: (own.weightDecay?.strength ?? 0) * scaling.weightDecayFactor,
        weightDecayKind: own.weightDecay?.kind,
        multiplier: scaling.multiplier * parameter.multiplier,
        heldNorm: own.constraint.flatMap { constraint in
          constraint.norm(of: parameter.shape).map {
            let norm = String(format: "%.4g", $0)
            return switch constraint.kind {
            case .sphere: "= \(norm)"
            case .cap: "≤ \(norm)"
            case .clip: "≤ \(norm) by clipping"
            }
          }
        }, branchScale: parameter.depthScaling?.branchScale,
        streamScale: parameter.depthScaling?.streamScale)
    }
  }

  /// "in a block of 1·x + 0.0625·f(x)"; nil outside of blocks.
  public var blockInWords: String? {
    guard let branchScale, let streamScale else { return nil }
    return String(format: "in a block of %.4g·x + %.4g·f(x)", streamScale, branchScale)
  }
}

extension TensorScale {
  /// What the tensors of a network get, as text of a line a tensor; ends in a newline.
  public static func table(_ scales: [TensorScale]) -> String {
    let size = max(6, scales.map(\.tensor.count).max() ?? 0)
    func row(_ name: String, _ values: [String]) -> String {
      "  " + ReportText.left(name, size)
        + values.map { ReportText.right($0, max(12, $0.count + 2)) }.joined()
    }
    let hasRules = Set(scales.map(\.optimizer)).count > 1
    let holds = scales.contains { $0.heldNorm != nil }
    let rows = scales.map { scale in
      row(
        scale.tensor,
        [scale.sizeInWords] + (hasRules ? [scale.optimizer.rawValue] : [])
          + [scale.initialStd, scale.learningRate, scale.epsilon, scale.multiplier].map {
            String(format: "%.4g", $0)
          } + (holds ? [scale.heldNorm ?? ""] : []))
    }
    let columns =
      ["shape"] + (hasRules ? ["rule"] : []) + ["σ", "η", "ε", "multiplier"]
      + (holds ? ["‖W‖*"] : [])
    return ([row("tensor", columns)] + rows)
      .joined(separator: "\n") + "\n"
  }

  /// What the tensors of a sweep's network get at a width, with a rate of its own.
  ///
  /// - Throws: `UnknownParametrizationError`.
  public static func all(
    of experiment: Experiment, under parametrization: String, optimizer: OptimizerKind, width: Int,
    log2LearningRate: Double
  ) throws -> [TensorScale] {
    all(
      of: experiment.training(optimizer, width: width),
      under: try experiment.settings.parametrization(named: parametrization),
      learningRate: exp2(log2LearningRate))
  }
}
