import Networks
import Spectral
import Training

extension Configuration {
  /// Factors on initial values that change nothing: of tensors of which nothing is drawn, or that a sphere
  /// brings to its norm before the first step.
  ///
  /// - names: of the parametrizations.
  func startProblems(_ names: [String], _ optimizers: [OptimizerKind]) -> [SettingProblem] {
    guard !initialMultipliers.isEmpty, let drawn = drawnTensors(names, optimizers) else {
      return []
    }
    let parameters = smallestGraph.parameters
    return initialMultipliers.compactMap { multiplier in
      let selector = multiplier.selector
      let own = parameters.filter { $0.isSelected(by: selector) }
      func problem(_ text: String, _ involved: [String]) -> SettingProblem {
        SettingProblem("init-multiplier", "\(selector) \(text)", involved: involved)
      }
      if own.isEmpty { return nil }
      let ownDrawn = own.filter { drawn.contains($0.path) }
      if ownDrawn.isEmpty {
        let value = JSONValue.number(Double(own.compactMap(\.initialValue).first ?? 0)).optionText
        let flags = zeroFlags(of: own)
        return problem(
          "starts at \(value), with nothing drawn"
            + (flags.isEmpty ? "" : ": see " + flags.joined(separator: ", ")), flags)
      }
      let isOnSphere = optimizers.allSatisfy { optimizer in
        let optimization = optimization(optimizer, totalSteps: .max)
        return ownDrawn.allSatisfy {
          optimization.settings(for: $0).constraint?.kind == .sphere
        }
      }
      return isOnSphere
        ? problem("starts on a sphere, whose radius is its norm", ["spectral-sphere", "group"])
        : nil
    }
  }

  /// The paths of the tensors whose initial values are drawn with a σ above 0, under one of the
  /// parametrizations; nil where none of these is known.
  private func drawnTensors(_ names: [String], _ optimizers: [OptimizerKind]) -> Set<String>? {
    let graph = smallestGraph
    // What rate rules and parametrizations of their own base width refer to may not be there, and changes no σ to 0.
    var plain = self
    (plain.rateRules, plain.parametrizations) = ([], [])
    let training = plain.training(
      optimizers.first ?? .adam, width: widthUnit, inputs: 1, outputs: 1, totalSteps: 1)
    let known = names.compactMap { try? parametrization(named: $0) }
    if known.isEmpty { return nil }
    let stds = known.map { training.scalings(of: graph, under: $0).map(\.initialStd) }
    return Set(
      graph.parameters.indices.filter { index in
        graph.parameters[index].initialFactor != 0 && stds.contains { $0[index] != 0 }
      }.map { graph.parameters[$0].path })
  }

  /// The settings by which some of these parameters start at 0.
  private func zeroFlags(of parameters: [NetworkParameter]) -> [String] {
    let flags: [(name: String, path: WritableKeyPath<Configuration, Bool>)] = [
      ("zero-readout", \.zeroReadout), ("zero-queries", \.zeroQueries),
      ("zero-projections", \.zeroProjections),
    ]
    return flags.filter { flag in
      guard self[keyPath: flag.path] else { return false }
      var random = self
      random[keyPath: flag.path] = false
      let graph = random.smallestGraph
      return parameters.contains { own in
        own.initialFactor == 0 && graph.parameter(own.path)?.initialFactor != 0
      }
    }.map(\.name)
  }
}
