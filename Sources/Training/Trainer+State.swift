import Networks
import Spectral
import Tensors

/// Checkpoints: where training stands, taken out and put back.
extension Trainer {
  /// Where each replica's training stands; waits for the device.
  ///
  /// Between epochs or within `trainEpoch`'s progress. A trainer of the same configuration, replica,
  /// length and device that this is restored to resumes as this one does: on CPUs bit for bit, on GPUs to
  /// rounding.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func states() throws -> [TrainingState] {
    var states: [TrainingState] = []
    try forEachState { states.append($1) }
    return states
  }

  /// Hands over each replica's state, in order, of which one at a time takes memory of the host (but
  /// for what diagnostics keep).
  ///
  /// - Throws: as `states`, and what `body` throws.
  public func forEachState(_ body: (_ replica: Int, TrainingState) throws -> Void) throws {
    try collectLosses()
    let active = try compute.read(optimizer.active)
    let diagnosed = try diagnostics?.states()
    let norms = try optimizer.heldNorms?.states()
    for replica in seeds.indices {
      try body(
        replica,
        TrainingState(
          step: step, epoch: epoch, epochStep: epochStep, isActive: active[replica] != 0,
          batchSizes: losses.batchSizes, lossSums: losses.sums.map { $0[replica] },
          gradientNorms: clips(replica) ? losses.gradientNorms.map { $0[replica] } : [],
          parameters: try parameters(of: replica),
          optimizer: network.parameters.flatMap { parameter in
            try isFrozen(parameter, in: replica)
              ? []
              : namedState(of: parameter).map {
                try values($0.tensor, $0.name, parameter, of: replica)
              }
          } + (norms?[replica] ?? []), diagnostics: diagnosed?[replica]))
    }
  }

  /// One replica's weights and biases, as files have them; waits for the device.
  ///
  /// - Throws: `OpenCLError`.
  public func parameters(of replica: Int) throws -> [NamedValues] {
    try network.parameters.map { try values($0.value, $0.name, $0, of: replica) }
  }

  private func values(
    _ tensor: Tensor, _ name: String, _ parameter: Parameter, of replica: Int
  ) throws -> NamedValues {
    let range = replica * tensor.stride..<(replica + 1) * tensor.stride
    return NamedValues(
      name: name, shape: parameter.storedShape,
      values: try tensor.buffer.read(range, queue: compute.queue))
  }

  /// Resumes from `states`, one for each replica, all after the same steps.
  ///
  /// Where something is to be measured, `diagnose` comes first.
  /// - Throws: `TrainingStateError` where a tensor is missing, left over or of another shape, where
  ///   there are more steps than the training's, or diagnostics on one side alone; `OpenCLError`.
  public func restore(_ states: [TrainingState]) throws {
    precondition(states.count == seeds.count, "\(states.count) states for \(seeds.count) replicas")
    let first = states[0]
    for (replica, state) in states.enumerated() {
      try check(state, of: replica, against: first)
    }
    let shelves = try states.map { try TensorShelf($0.parameters) }
    let values = try collect(shelves, network.parameters.map { ($0.name, $0.value, $0) })
    let slots = network.parameters.flatMap { parameter in
      namedState(of: parameter).map { ($0.name, $0.tensor, parameter) }
    }
    var optimizerShelves = try states.map { try TensorShelf($0.optimizer) }
    let norms = try optimizer.heldNorms?.take(from: &optimizerShelves)
    let slotValues = try collect(optimizerShelves, slots, leavesOutFrozen: true)
    if let diagnostics { try diagnostics.restore(states.map { $0.diagnostics ?? [] }) }
    for (tensor, values) in values + slotValues { try write(values, to: tensor) }
    if let norms { try optimizer.heldNorms?.restore(norms) }
    try write(states.map { $0.isActive ? 1 : 0 }, to: optimizer.active)
    optimizer.resume(afterSteps: first.step)
    (epoch, epochStep) = (first.epoch, first.epochStep)
    losses = StepLosses()
    for step in first.lossSums.indices {
      losses.append(
        states.map { $0.lossSums[step] }, rows: first.batchSizes[step],
        gradientNorms: clipping == nil
          ? nil : states.map { $0.gradientNorms.isEmpty ? .nan : $0.gradientNorms[step] })
    }
  }

  /// Starts every replica from `weights` in place of the drawn ones; matrices whose norms are held are
  /// scaled first.
  ///
  /// - weights: every parameter of the network with its shape, [fanOut, fanIn] and [fanOut], finite.
  /// - Throws: `TrainingStateError` naming the first tensor that is not so, `OpenCLError`.
  public func load(_ weights: [NamedValues]) throws {
    precondition(step == 0, "weights loaded after \(step) steps")
    try network.graph.check(weights)
    let shelf = try TensorShelf(weights)
    let values = try collect(
      seeds.map { _ in shelf }, network.parameters.map { ($0.name, $0.value, $0) })
    for (tensor, values) in values { try write(values, to: tensor) }
    try optimizer.holdNewWeights()
  }

  private func check(
    _ state: TrainingState, of replica: Int, against first: TrainingState
  ) throws {
    func expect(_ what: String, _ holds: Bool, _ expected: String, _ got: String) throws {
      if !holds { throw TrainingStateError.mismatch(what: what, expected: expected, got: got) }
    }
    try expect(
      "steps done", (0...totalSteps).contains(state.step) && state.epochStep <= state.step,
      "at most \(totalSteps)", "\(state.step)")
    try expect(
      "replicas of one group",
      state.step == first.step && state.epoch == first.epoch
        && state.epochStep == first.epochStep && state.batchSizes == first.batchSizes,
      "the same steps", "\(first.step) and \(state.step)")
    try expect(
      "losses", state.lossSums.count == state.batchSizes.count, "\(state.batchSizes.count)",
      "\(state.lossSums.count)")
    let norms = clips(replica) ? state.batchSizes.count : 0
    try expect(
      "gradient norms", state.gradientNorms.count == norms, "\(norms)",
      "\(state.gradientNorms.count)")
    try expect(
      "diagnostics", (state.diagnostics == nil) == (diagnostics == nil),
      diagnostics == nil ? "none" : "some", state.diagnostics == nil ? "none" : "some")
  }

  /// The values of each tensor from every replica's shelf, which must hold nothing else.
  private func collect(
    _ shelves: [TensorShelf], _ tensors: [(name: String, tensor: Tensor, like: Parameter)],
    leavesOutFrozen: Bool = false
  ) throws -> [(Tensor, [Float])] {
    var shelves = shelves
    let result = try tensors.map { name, tensor, parameter in
      (
        tensor,
        try shelves.indices.flatMap {
          // The state of a replica in which the parameter is frozen is nobody's.
          try leavesOutFrozen && isFrozen(parameter, in: $0)
            ? [Float](repeating: 0, count: tensor.stride)
            : shelves[$0].take(name, shape: parameter.storedShape)
        }
      )
    }
    for shelf in shelves { try shelf.finish() }
    return result
  }

  private func clips(_ replica: Int) -> Bool { clipping?.clips[replica] ?? false }

  private func isFrozen(_ parameter: Parameter, in replica: Int) -> Bool {
    optimizer.learningRates(of: parameter)[replica] == 0
  }

  private func namedState(of parameter: Parameter) -> [(name: String, tensor: Tensor)] {
    zip(optimizer.rules(of: parameter).first?.stateNames ?? [], optimizer.state(of: parameter)).map
    {
      ("\(parameter.name).\($0)", $1)
    }
  }

  private func write(_ values: [Float], to tensor: Tensor) throws {
    try tensor.buffer.write(values, queue: compute.queue)
  }
}

extension NetworkGraph {
  /// Refuses weights that are not every parameter of this network, [fanOut, fanIn] and [fanOut], all
  /// finite.
  ///
  /// - Throws: `TrainingStateError` naming the first tensor that is not so.
  public func check(_ weights: [NamedValues]) throws(TrainingStateError) {
    var shelf = try TensorShelf(weights)
    for parameter in parameters {
      let values = try shelf.take(parameter.path, shape: parameter.shape.stored)
      if let index = values.firstIndex(where: { !$0.isFinite }) {
        throw .notFinite(tensor: parameter.path, index: index, got: "\(values[index])")
      }
    }
    try shelf.finish()
  }
}

extension Parameter {
  /// As PyTorch stores it.
  var storedShape: [Int] { shape.stored }
}

extension Compute {
  /// Each replica's elements; waits for the device.
  func readReplicas(_ tensor: Tensor) throws -> [[Float]] {
    let values = try read(tensor)
    return (0..<tensor.replicas).map {
      Array(values[$0 * tensor.stride..<($0 + 1) * tensor.stride])
    }
  }
}
