import Networks
import Spectral
import Tensors

/// What measurements compare with and start from, for checkpoints:
///
///     initial.layers.0.weight  [fanOut, fanIn]   the weights at the start, where changes are measured
///     initial_features.0       [rows, fanOut]    the layer's output then
///     norms.weights.0          [count]           vectors of the norm's iteration; also
///     norms.updates.0, norms.changes.0, norms.momenta.0, norms.grams.0, norms.gaps.0, and of all of
///     its heads norms.heads.0
extension Diagnostics {
  /// The tensors to be restored, for each replica; norms that were not taken yet are left out.
  func states() throws -> [[NamedValues]] {
    let replicas = layers[matrices[0]].weight!.value.replicas
    var result = [[NamedValues]](repeating: [], count: replicas)
    func add(_ name: String, _ shape: [Int], _ replicas: [[Float]]) {
      for (replica, values) in replicas.enumerated() {
        result[replica].append(NamedValues(name: name, shape: shape, values: values))
      }
    }
    for (weight, value) in initialValues {
      add("initial.\(weight.name)", weight.storedShape, try compute.readReplicas(value))
    }
    for (index, features) in initialFeatures.enumerated() {
      add(
        "initial_features.\(index)", [features.rows, features.columns],
        try compute.readReplicas(features))
    }
    for (names, follower) in followers {
      guard let memory = try follower.memory() else { continue }
      for (name, own) in zip(names, memory) {
        // A replica's heads are matrices of their own.
        let parts = own.count / replicas
        let joined = (0..<replicas).map { Array(own[$0 * parts..<($0 + 1) * parts].joined()) }
        add(name, [joined[0].count], joined)
      }
    }
    return result
  }

  /// Resumes from `states`, one for each replica.
  ///
  /// - Throws: `TrainingStateError`, `OpenCLError`.
  func restore(_ states: [[NamedValues]]) throws {
    var shelves = try states.map { try TensorShelf($0) }
    func take(_ name: String, _ shape: [Int]) throws -> [[Float]] {
      try shelves.indices.map { try shelves[$0].take(name, shape: shape) }
    }
    for (weight, value) in initialValues {
      let values = try take("initial.\(weight.name)", weight.storedShape)
      try value.buffer.write(values.flatMap { $0 }, queue: compute.queue)
    }
    initialFeatures = []
    measured = shelves[0].holds("norms.weights.\(matrices[0])")
    if measured, let probe {
      initialFeatures = try layers.enumerated().map { index, layer in
        let columns = layer.columns
        let values = try take("initial_features.\(index)", [probe.rows, columns])
        return try compute.tensor(
          values.flatMap { $0 }, replicas: states.count, rows: probe.rows, columns: columns)
      }
    }
    for (names, follower) in followers where shelves[0].holds(names[0]) {
      try follower.restore(
        names.enumerated().map { index, name in
          let count = follower.iteration.memoryCount(index)
          let parts = follower.iteration.shapes[index].replicas / states.count
          return try take(name, [parts * count]).flatMap { joined in
            (0..<parts).map { Array(joined[$0 * count..<($0 + 1) * count]) }
          }
        })
    }
    for shelf in shelves { try shelf.finish() }
  }

  /// Weights with their values at the start, each once.
  private var initialValues: [(weight: Parameter, value: Tensor)] {
    network.parameters.compactMap { weight in
      initialWeights[weight.name].map { (weight, $0) }
    }
  }

  /// Every norm's iteration with the names of its matrices.
  private var followers: [(names: [String], follower: NormFollower)] {
    let places = matrices
    let updates = updateNorms.map { [(updated.map { "norms.updates.\($0)" }, $0)] } ?? []
    let directions =
      directionNorms?.followers.map { name, follower in
        (orthogonalized.map { "norms.\(name).\($0)" }, follower)
      } ?? []
    return [(places.map { "norms.weights.\($0)" }, weightNorms)] + updates
      + zip(places, totalNorms).map { (["norms.changes.\($0)"], $1) } + directions
      + (headNorms.map { [(headed.map { "norms.heads.\($0)" }, $0.follower)] } ?? [])
  }
}
