import Networks
import Spectral
import Training

extension Experiment {
  /// What a user should know of runs in which spectral norms are held: whose, and which matrices start at 0
  /// and come onto their sphere at once. Empty where none is.
  ///
  /// - width: of the runs.
  public func constraintNotes(_ optimizer: OptimizerKind, width: Int) -> [String] {
    let optimization = settings.optimization(optimizer, totalSteps: totalSteps)
    let held = network(width: width).graph.parameters.compactMap { parameter in
      optimization.settings(for: parameter).constraint.map { (parameter, constraint: $0) }
    }
    let byConstraint = held.map(\.constraint).uniqued().map { constraint in
      let own = held.filter { $0.constraint == constraint }.map(\.0.path)
      return "\(constraint.words): \(Self.names(own))"
    }
    if byConstraint.isEmpty { return [] }
    let zeros = held.filter { $0.0.initialFactor == 0 && $0.constraint.kind == .sphere }
    return [byConstraint.joined(separator: "; ")]
      + (zeros.isEmpty
        ? []
        : [
          "\(Self.names(zeros.map(\.0.path))) starts at 0, and its first update takes it onto the "
            + "sphere; --no-zero-readout or --group readout=spectral-sphere:none avoids that"
        ])
  }
}

extension SpectralConstraint {
  /// "spectral sphere 1".
  var words: String { "spectral \(kind.rawValue) " + (multiple?.setting.optionText ?? "none") }
}
