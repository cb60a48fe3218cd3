import Networks
import Spectral
import Tensors

/// What stays the same of a parameter's updates, of each replica.
struct UpdateFacts {
  /// η_l, before the schedule.
  let learningRates: [Double]
  /// The share of W that decay beside the update takes away, before the schedule.
  let decoupledDecays: [Double]
  let rules: [any UpdateRule]

  init(of parameter: Parameter, by optimizer: Optimizer) {
    learningRates = optimizer.learningRates(of: parameter)
    decoupledDecays = optimizer.decoupledDecays(of: parameter)
    rules = optimizer.rules(of: parameter)
  }
}

extension Diagnostics: UpdateObserver {
  /// Every weight's but those of plain gradient descent, whose ΔW = −s·η·∇ is known by its factors.
  public func wantsWeightDelta(of parameter: Parameter) -> Bool {
    indices(of: parameter).contains { updated.contains($0) || updatedTables.contains($0) }
  }

  /// Every matrix's that Muon orthogonalises.
  public func wantsDirection(of parameter: Parameter) -> Bool {
    indices(of: parameter).contains(where: orthogonalized.contains)
  }

  /// Takes what is measured of a direction until `finishStep`.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func observe(direction: Tensor, of matrix: Tensor, for parameter: Parameter) throws {
    for layer in indices(of: parameter) {
      guard let place = orthogonalized.firstIndex(of: layer) else { continue }
      try directionNorms?.take(direction, of: matrix, index: place)
    }
  }

  /// Takes note of a weight's gradient and keeps its update until `finishStep`.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func observe(_ update: ObservedUpdate) throws {
    for layer in indices(of: update.parameter) { try observe(update, of: layer) }
  }

  private func observe(_ update: ObservedUpdate, of layer: Int) throws {
    let isTable = layers[layer].observation == .table
    changes[layer] = update.weightDelta
    let facts = updateFacts[layer]!
    reading.note(.learningRate, layer, zip(facts.learningRates, update.schedule).map(*))
    reading.note(.initialStd, layer, initialStds[layer])
    if isTable {
      if contents == .all || update.weightDelta == nil {
        try note(
          .gradientSpectral, .gradientFrobenius, layer, update.gradient.materialized(compute))
      }
    } else if contents == .all || update.weightDelta == nil {
      let norms = try update.gradient.norms(compute)
      try reading.note(.gradientSpectral, layer, norms.spectral)
      try reading.note(.gradientFrobenius, layer, norms.frobenius)
    }
    if !isTable, probe != nil, update.weightDelta == nil {
      try reading.note(
        .gradientProduct, layer, compute.sumOfSquares(product(update.gradient, inputs[layer]!)))
    }
    if signed.contains(layer), let weightDelta = update.weightDelta {
      let numbers = update.schedule.indices.flatMap { replica in
        [facts.decoupledDecays[replica], facts.learningRates[replica] / 2].map {
          Float(update.schedule[replica] * $0)
        }
      }
      try reading.note(
        .signs, layer,
        compute.countOfSteps(
          weightDelta, to: update.parameter.value,
          decaysAndBounds: compute.tensor(
            numbers, replicas: update.schedule.count, rows: 1, columns: 2)))
    }
    if let bounds = epsilonBounds[layer] {
      let corrections = facts.rules.map {
        Float(($0 as? Adam)?.corrections(step: update.step)[1] ?? 1)
      }
      let count =
        try Set(corrections).count == 1
        ? compute.countOfSmallRoots(update.state[1], factor: corrections[0], bounds: bounds)
        : compute.countOfSmallRoots(
          compute.scaled(
            update.state[1],
            by: compute.tensor(corrections, replicas: corrections.count, rows: 1, columns: 1)),
          factor: 1, bounds: bounds)
      try reading.note(.smallSquares, layer, count)
    }
  }

  /// ∇h of each row h of a layer's input; of a gradient that comes by its factors scale·Δᵀ(H h), two
  /// thin products in place of a matrix.
  private func product(_ gradient: ParameterGradient, _ input: Tensor) throws -> Tensor {
    switch gradient {
    case .factors(let delta, let own, let scale):
      try compute.product(.nn, compute.product(.nt, input, own, alpha: scale), delta)
    case .whole(let matrix): try compute.product(.nt, input, matrix)
    }
  }

  /// The layers of a weight: of a tied one, embedding and readout.
  private func indices(of parameter: Parameter) -> [Int] {
    layers.indices.filter { layers[$0].weight === parameter }
  }
}
