import Networks
import Spectral
import Training

extension Experiment {
  /// What a user should know of runs in which spectral norms are held: whose, which matrices start at 0
  /// and come onto their sphere at once, and whose are not as they are frozen. Empty where none is to be.
  ///
  /// - width: of the runs.
  public func constraintNotes(_ optimizer: OptimizerKind, width: Int) -> [String] {
    let optimization = settings.optimization(optimizer, totalSteps: totalSteps)
    var trainedAll = optimization
    for index in trainedAll.groups.indices { trainedAll.groups[index].rateFactor = nil }
    let parameters = network(width: width).graph.parameters
    let frozen = parameters.filter {
      optimization.settings(for: $0).rateFactor == 0
        && trainedAll.settings(for: $0).constraint != nil
    }
    let held = parameters.compactMap { parameter in
      optimization.settings(for: parameter).constraint.map { (parameter, constraint: $0) }
    }
    let byConstraint = held.map(\.constraint).uniqued().map { constraint in
      let own = held.filter { $0.constraint == constraint }.map(\.0.path)
      return "\(constraint.words): \(Self.names(own))"
    }
    let zeros = held.filter { $0.0.initialFactor == 0 && $0.constraint.kind == .sphere }
    return (byConstraint.isEmpty ? [] : [byConstraint.joined(separator: "; ")])
      + (zeros.isEmpty
        ? []
        : [
          "\(Self.names(zeros.map(\.0.path))) starts at 0, and its first update takes it onto the "
            + "sphere; --no-zero-readout or --group readout=spectral-sphere:none avoids that"
        ])
      + (frozen.isEmpty
        ? [] : ["frozen, and its norm not held: \(Self.names(frozen.map(\.path)))"])
  }
}

extension SpectralConstraint {
  /// "spectral sphere 1".
  var words: String { "spectral \(kind.rawValue) " + (multiple?.setting.optionText ?? "none") }
}
