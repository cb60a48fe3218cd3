import Foundation
import Networks
import Spectral
import Training

extension Experiment {
  /// What a user should know of runs in which rules that are not for all parameters, as Muon, update
  /// something: which rule each tensor has, and what Muon's iteration costs where that is much. Empty where
  /// they update nothing.
  ///
  /// - width: of the runs.
  public func updateRuleNotes(_ optimizer: OptimizerKind, width: Int) -> [String] {
    let parameters = network(width: width).graph.parameters
    let optimization = settings.optimization(optimizer, totalSteps: totalSteps)
    let rules = parameters.map { parameter -> OptimizerKind? in
      let own = optimization.settings(for: parameter)
      return own.rateFactor == 0 ? nil : own.optimizer
    }
    var notes: [String] = []
    if optimizer.companion != nil && !rules.contains(optimizer) {
      notes.append(
        optimizer == .muon
          ? "muon has no matrix to update: no hidden one is left to it, and no group gives it another"
          : "\(optimizer.rawValue) has no embedding to update")
    }
    guard rules.contains(where: { $0?.companion != nil }) else { return notes }
    // Those that are not for all parameters first.
    let byRule = Dictionary(grouping: zip(parameters, rules), by: \.1).sorted {
      let (first, second) = ($0.key?.companion == nil, $1.key?.companion == nil)
      return first == second
        ? ($0.key?.rawValue ?? "nothing") < ($1.key?.rawValue ?? "nothing") : second
    }
    let parts = byRule.enumerated().map { place, part in
      "\(part.key?.rawValue ?? "nothing") \(place == 0 ? "updates " : "")"
        + Self.names(part.value.map(\.0.path))
    }
    notes.append(parts.joined(separator: ", "))
    let matrices = zip(parameters, rules).filter { $0.1 == .muon }.map(\.0)
    let byHead = settings.muonPerHead ? matrices.filter { $0.heads > 1 } : []
    if !byHead.isEmpty {
      notes.append("muon takes \(Self.names(byHead.map(\.path))) head by head")
    } else if settings.muonPerHead && rules.contains(.muon) {
      notes.append("muon takes every matrix whole: none of them has several heads")
    }
    let share =
      Self.iterationWork(
        matrices.map { ($0.shape, settings.muonPerHead ? $0.heads : 1) },
        steps: settings.newtonSchulzSteps)
      / (6 * Double(settings.batchSize * labelsPerRow)
        * parameters.reduce(0) { $0 + Self.entries($1.shape) })
    if share > 0.5 {
      notes.append(
        "at width \(width) Newton–Schulz takes about \(DecimalText.fixed(share, digits: 1)) times the "
          + "multiplications of the rest of a step; a larger --batch-size makes that less")
    }
    return notes
  }

  /// Multiplications and additions of the iteration: the smaller side's Gram matrix and its square, each by
  /// half, and the product with their sum. Of each head where a matrix is taken head by head.
  private static func iterationWork(
    _ matrices: [(shape: ParameterShape, heads: Int)], steps: Int
  ) -> Double {
    matrices.reduce(0) { total, matrix in
      let side = Double(min(matrix.shape.fanOut / matrix.heads, matrix.shape.fanIn))
      return total + Double(steps)
        * (3 * side * entries(matrix.shape) + Double(matrix.heads) * side * side * side)
    }
  }

  private static func entries(_ shape: ParameterShape) -> Double {
    // An embedding's rows are picked; a readout that shares them multiplies by them.
    shape.kind == .embedding && shape.use == .plain
      ? 0 : Double(shape.rows) * Double(shape.columns)
  }

  static func names(_ paths: [String]) -> String {
    paths.count <= 3
      ? paths.joined(separator: ", ")
      : "\(paths[0]), \(paths[1]) … \(paths[paths.count - 1]) (\(paths.count) tensors)"
  }
}
