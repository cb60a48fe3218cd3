import Spectral
import Tensors

extension Network {
  /// The network of `graph` with parameters drawn from each replica's seed.
  ///
  /// A parameter's numbers depend on its path and the seed alone: parametrizations start from the same
  /// draws, scaled, and so do networks with and without biases.
  /// - scalings: for each parameter of the graph, each replica's.
  /// - weightInit: how weights are drawn.
  /// - Throws: `OpenCLError` where memory is short.
  public convenience init(
    drawing graph: NetworkGraph, scalings: [[WidthScaling]], seeds: [UInt64],
    weightInit: WeightInit = .gaussian, compute: Compute
  ) throws {
    precondition(
      scalings.count == graph.parameters.count && scalings.allSatisfy { $0.count == seeds.count },
      "scalings for \(graph.parameters.count) parameters × \(seeds.count) replicas")
    let parameters = try zip(graph.parameters, scalings).map { parameter, scalings in
      let multiplier = scalings[0].multiplier
      precondition(
        scalings.allSatisfy { $0.multiplier == multiplier },
        "\(parameter.path): replicas of one group must have one multiplier")
      return Parameter(
        name: parameter.path, shape: parameter.shape,
        value: try parameter.start(
          stds: scalings.map { $0.initialStd * parameter.initialFactor }, seeds: seeds,
          weightInit: weightInit, compute: compute),
        multiplier: Float(multiplier * parameter.multiplier))
    }
    self.init(graph, parameters: parameters, compute: compute)
  }
}

extension NetworkParameter {
  /// The values that replicas start with.
  ///
  /// - stds: σ of each replica.
  fileprivate func start(
    stds: [Double], seeds: [UInt64], weightInit: WeightInit, compute: Compute
  ) throws -> Tensor {
    let (rows, columns) = (shape.rows, shape.columns)
    if case .constant(let value) = start {
      return try compute.filled(value, replicas: seeds.count, rows: rows, columns: columns)
    }
    func draw(_ stds: [Double]) throws -> Tensor {
      try compute.normal(
        seeds: seeds, std: stds.map { Float($0) }, stream: Philox.stream(path), rows: rows,
        columns: columns)
    }
    guard !shape.isVector else { return try draw(stds) }
    switch weightInit {
    case .gaussian: return try draw(stds)
    case .spectral where kind == .embedding, .orthogonal where kind == .embedding:
      let scales = stds.map { Float($0) }
      return try compute.scaled(
        compute.rmsNorm(draw(stds.map { _ in 1 }), gain: nil, epsilon: 0).output,
        by: compute.tensor(scales, replicas: scales.count, rows: 1, columns: 1))
    case .spectral:
      let norms = try spectralNorms(of: [draw(stds)], compute: compute)[0].map(\.norm)
      return try draw(zip(stds, norms).map { $1 == 0 ? 0 : $0 * $0 * shape.normRatio / $1 })
    case .orthogonal:
      let scales = stds.map { Float($0 * weightInit.normRatio(of: shape)) }
      return try compute.scaled(
        compute.orthogonalized(draw(stds.map { _ in 1 }), by: .thorough),
        by: compute.tensor(scales, replicas: scales.count, rows: 1, columns: 1))
    }
  }
}
