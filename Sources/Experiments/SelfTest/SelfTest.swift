import Networks
import OpenCL
import Spectral
import Tensors
import Training

/// Small computations on a device against the same in Double on the host: whether the device, its
/// driver and our kernels agree on what they compute.
public struct SelfTest {
  /// One comparison.
  public struct Item: Encodable, Sendable {
    /// What was computed.
    public let name: String
    /// The greatest error, relative as the item has it; nil where there was no result.
    public let error: Double?
    /// What it may be.
    public let bound: Double
    /// What went wrong where there was no result.
    public let failure: String?
    /// Whether there is a result and its error is within the bound.
    public let passes: Bool
  }

  private let compute: Compute

  /// A test of what `compute` computes with.
  public init(compute: Compute) {
    self.compute = compute
  }

  /// Computes everything; what fails is in the items.
  ///
  /// Errors of products are relative to Σ|a·b|, of all else to the greatest absolute value of what
  /// is expected, plus 1. Bounds of what products enter are eight times theirs, and at least 1e-5.
  public func run() -> [Item] {
    let precision = compute.backend.precision
    let derived = max(8 * precision.relativeBound(depth: 128), 1e-5)
    var items: [Item] = []
    func add(_ name: String, bound: Double, _ body: () throws -> Double) {
      do {
        let error = try body()
        items.append(
          Item(
            name: name, error: error.isFinite ? error : nil, bound: bound,
            failure: error.isFinite ? nil : "not finite", passes: error <= bound))
      } catch {
        items.append(
          Item(name: name, error: nil, bound: bound, failure: "\(error)", passes: false))
      }
    }
    if let own = compute.backend as? GPUBackend {
      add("every tile's kernels", bound: 0) {
        try own.tryAll(compute: compute)
        if let first = own.rejected.first {
          throw SelfTestFailure("tile \(first.tile.rows)×\(first.tile.columns): \(first.reason)")
        }
        return 0
      }
    }
    for mode in TransposeMode.allCases {
      for (m, n, k) in [(128, 256, 128), (129, 67, 131), (1, 10, 64)] {
        add("product \(mode.rawValue) \(m)×\(n)×\(k)", bound: precision.relativeBound(depth: k)) {
          try productError(mode, m, n, k)
        }
      }
    }
    if precision.needsTensorCores {
      // Large enough for kernels of warpgroups, where the device has them; with whole tiles and tails.
      for mode in TransposeMode.allCases {
        for (m, n, k) in [(1024, 1024, 1024), (1027, 901, 1030)] {
          add("product \(mode.rawValue) \(m)×\(n)×\(k)", bound: precision.relativeBound(depth: k)) {
            try productError(mode, m, n, k, every: 61)
          }
        }
      }
    }
    // Large enough for GPUs to compute half of it.
    add("Gram matrix and a sum", bound: precision.relativeBound(depth: 256)) {
      try gramError(side: 1536, depth: 256, every: 601)
    }
    add("layer: product, bias, gelu", bound: derived, layerError)
    add("gradient passed back through tanh", bound: derived, passBackError)
    add("Adam inside the gradient's product", bound: derived, updateError)
    add("cross-entropy", bound: 1e-5, lossError)
    add("Frobenius norm", bound: 1e-5, frobeniusError)
    add("spectral norm", bound: 2e-3, spectralError)
    add("training step: loss and weights", bound: derived, stepError)
    for configuration in Self.onChipTrainings {
      guard let network = compute.onChipNetwork(of: configuration, bytes: false) else { continue }
      add("on chip \(network.description)", bound: 1e-2) {
        try onChipError(configuration, network)
      }
    }
    return items
  }

  private func values(_ count: Int, _ seed: UInt64) -> [Float] {
    var random = Philox(seed: seed, stream: 0)
    return (0..<count).map { _ in random.uniform(-1, 1) }
  }

  /// The greatest |got − expected| over the greatest |expected|, plus 1; NaN where one is.
  private func error(_ got: [Float], _ expected: [Double]) -> Double {
    guard got.count == expected.count else { return .nan }
    let scale = 1 + (expected.map(abs).max() ?? 0)
    return zip(got, expected).reduce(0) { greatest, pair in
      let error = abs(Double(pair.0) - pair.1) / scale
      return error <= greatest ? greatest : error
    }
  }

  /// - every: of how many elements one is compared.
  private func productError(
    _ mode: TransposeMode, _ m: Int, _ n: Int, _ k: Int, every step: Int = 1
  ) throws -> Double {
    let replicas = 3
    let (a, b) = (values(replicas * m * k, 1), values(k * n, 2))
    let product = try compute.product(
      mode,
      compute.tensor(
        a, replicas: replicas, rows: mode == .tn ? k : m, columns: mode == .tn ? m : k),
      compute.tensor(b, rows: mode == .nt ? n : k, columns: mode == .nt ? k : n))
    return ProductReference(mode: mode, m: m, n: n, k: k, replicasB: 1)
      .greatestError(try compute.read(product), a: a, b: b, every: step)
  }

  /// A Aᵀ + S with S(i, j) = (i + j) mod 7.
  private func gramError(side: Int, depth: Int, every step: Int) throws -> Double {
    let a = values(side * depth, 9)
    let addend = (0..<side * side).map { Float(($0 / side + $0 % side) % 7) }
    let gram = try compute.gram(
      .nt, compute.tensor(a, rows: side, columns: depth),
      adding: compute.tensor(addend, rows: side, columns: side))
    return ProductReference(mode: .nt, m: side, n: side, k: depth, replicasB: 1)
      .greatestError(
        zip(try compute.read(gram), addend).map { $0 - $1 }, a: a, b: a, every: step)
  }

  private func layerError() throws -> Double {
    let (batch, inputs, outputs) = (33, 70, 45)
    let (h, w, b) = (values(batch * inputs, 3), values(outputs * inputs, 4), values(outputs, 5))
    let (_, output) = try compute.layer(
      compute.tensor(h, rows: batch, columns: inputs),
      weight: compute.tensor(w, rows: outputs, columns: inputs),
      bias: compute.tensor(b, rows: 1, columns: outputs), alpha: 0.25, activation: .gelu)
    let z = ReferenceMatrix(h, batch, inputs).times(ReferenceMatrix(w, outputs, inputs).transposed)
    let expected = z.values.indices.map { index in
      ReferenceMatrix.gelu(0.25 * z.values[index] + Double(b[index % outputs]))
    }
    return error(try compute.read(output), expected)
  }

  private func passBackError() throws -> Double {
    let (batch, inputs, outputs) = (33, 70, 45)
    let (delta, w) = (values(batch * outputs, 6), values(outputs * inputs, 7))
    let z = values(batch * inputs, 8)
    let got = try compute.passBack(
      compute.tensor(delta, rows: batch, columns: outputs),
      weight: compute.tensor(w, rows: outputs, columns: inputs), alpha: 0.5,
      through: ActivationDerivative(
        of: .tanh, at: compute.tensor(z, rows: batch, columns: inputs)))
    let plain = ReferenceMatrix(delta, batch, outputs).times(ReferenceMatrix(w, outputs, inputs))
    let expected = plain.values.indices.map { index in
      0.5 * plain.values[index] * (1 - ReferenceMatrix.tanh(Double(z[index])).squared)
    }
    return error(try compute.read(got), expected)
  }

  private func updateError() throws -> Double {
    let (batch, inputs, outputs) = (40, 67, 34)
    let (delta, h) = (values(batch * outputs, 9), values(batch * inputs, 10))
    let w = values(outputs * inputs, 11)
    func zeros() throws -> Tensor { try compute.filled(0, rows: outputs, columns: inputs) }
    let weight = try compute.tensor(w, rows: outputs, columns: inputs)
    // ε as large as gradients are, so that the step does not multiply their errors.
    let (rate, epsilon) = (0.1, 1.0)
    let rates = try UpdateRates(
      learningRate: [Float(rate)], epsilon: [Float(epsilon)], coupledDecay: [0],
      decoupledDecay: [0], compute: compute)
    let update = try WeightUpdate(
      RuleNumbers(
        .adam, hyperparameters: [0.9, 0.99], step: [1, 10, 100], compute: compute),
      state: [zeros(), zeros()], rates: rates,
      active: compute.filled(1, rows: 1, columns: 1))
    _ = try compute.apply(
      update, to: weight, delta: compute.tensor(delta, rows: batch, columns: outputs),
      input: compute.tensor(h, rows: batch, columns: inputs), scale: 1)
    let gradient = ReferenceMatrix(delta, batch, outputs).transposed.times(
      ReferenceMatrix(h, batch, inputs))
    let expected = zip(w, gradient.values).map { Double($0) - rate * $1 / (abs($1) + epsilon) }
    return error(try compute.read(weight), expected)
  }

  private func lossError() throws -> Double {
    let (rows, classes) = (70, 10)
    let logits = values(rows * classes, 12).map { 5 * $0 }
    let labels = (0..<UInt32(rows)).map { $0 % UInt32(classes) }
    let batch = try compute.crossEntropy(
      compute.tensor(logits, rows: rows, columns: classes),
      labels: Buffer(queue: compute.queue, labels))
    let expected = ReferenceMatrix(logits, rows, classes).crossEntropy(labels: labels)
    return max(
      error(try compute.read(batch.losses), expected.losses),
      error(try compute.read(batch.gradient), expected.gradient.values))
  }

  private func frobeniusError() throws -> Double {
    let x = values(3 * 200 * 301, 13)
    let got = try compute.read(
      compute.rootOfTotal(
        compute.sumOfSquares(compute.tensor(x, replicas: 3, rows: 200, columns: 301))))
    let expected = (0..<3).map { replica in
      x[replica * 60200..<(replica + 1) * 60200].reduce(0.0) { $0 + Double($1).squared }
        .squareRoot()
    }
    return error(got, expected)
  }

  private func spectralError() throws -> Double {
    let matrices = try compute.tensor(
      values(2 * 150 * 90, 14), replicas: 2, rows: 150, columns: 90)
    let got = try spectralNorms(of: [matrices], compute: compute)[0].map { Float($0.norm) }
    let exact = try SpectralNormEstimators.named("svd")!.estimate([matrices], compute: compute)
    return error(got, exact[0].map(\.norm))
  }

  /// Trainings whose on-chip steps are compared with ordinary ones, where the device takes such.
  private static let onChipTrainings = [
    TrainingConfiguration(network: MLP(inputs: 64, hidden: [64, 64], outputs: 10)),
    TrainingConfiguration(
      network: MLP(inputs: 20, hidden: [48, 48, 48], outputs: 3, activation: .gelu),
      loss: .meanSquaredError, optimization: Optimization(.nesterov), batchSize: 24),
    TrainingConfiguration(
      network: MLP(inputs: 64, hidden: [128, 128], outputs: 10, activation: .tanh),
      optimization: Optimization(weightDecay: WeightDecay(strength: 0.1, kind: .coupled))),
  ]

  /// The difference of on-chip steps from ordinary ones: of the losses, and of the weights over their
  /// change, by norms.
  private func onChipError(
    _ configuration: TrainingConfiguration, _ network: OnChipNetwork
  ) throws -> Double {
    let (inputs, count) = (configuration.network.inputs, configuration.batchSize * 4 + 5)
    let rows = try DeviceRows(
      .floats(values(count * inputs, 16)), labels: (0..<UInt32(count)).map { $0 % 3 },
      scale: [Float](repeating: 1, count: inputs), shift: [Float](repeating: 0, count: inputs),
      compute: compute)
    let use = compute.onChipUse
    defer { compute.onChipUse = use }
    func train(_ steps: Int, _ use: Compute.OnChipUse) throws -> [TrainingState] {
      compute.onChipUse = use
      let trainer = try Trainer(
        configuration,
        replicas: (0..<3).map {
          Replica(
            seed: UInt64($0), learningRate: 0x1p-8, parametrization: SpectralParametrization())
        }, totalSteps: 1 << 20, compute: compute)
      try trainer.train(on: rows, until: steps)
      return try trainer.states()
    }
    func difference(_ a: [Float], _ b: [Float]) -> Double {
      zip(a, b).reduce(0) { $0 + (Double($1.0) - Double($1.1)).squared }.squareRoot()
    }
    let (start, expected) = (try train(0, .never), try train(20, .never))
    let got = try train(20, use)
    if let reason = compute.onChipRefusal(of: network) { throw SelfTestFailure("\(reason)") }
    var greatest = 0.0
    for replica in start.indices {
      let losses = expected[replica].lossSums
      var errors = [
        difference(got[replica].lossSums, losses)
          / difference(losses, losses.map { _ in 0 })
      ]
      for (index, start) in start[replica].parameters.enumerated() {
        let expected = expected[replica].parameters[index].values
        errors.append(
          difference(got[replica].parameters[index].values, expected)
            / difference(expected, start.values))
      }
      for error in errors { greatest = error <= greatest ? greatest : error }
    }
    return greatest
  }

  /// One step of gradient descent of an MLP with one hidden layer.
  private func stepError() throws -> Double {
    let (rows, inputs, width, classes) = (32, 30, 50, 10)
    let rate = 0.5
    let x = values(rows * inputs, 15)
    let labels = (0..<UInt32(rows)).map { $0 % UInt32(classes) }
    let data = try DeviceRows(
      .floats(x), labels: labels, scale: [Float](repeating: 1, count: inputs),
      shift: [Float](repeating: 0, count: inputs), compute: compute)
    let trainer = try Trainer(
      TrainingConfiguration(
        network: MLP(inputs: inputs, hidden: [width], outputs: classes),
        optimization: Optimization(.sgd), batchSize: rows),
      replicas: [Replica(seed: 1, learningRate: rate, parametrization: StandardParametrization())],
      totalSteps: 1, compute: compute)
    let weights = trainer.network.parameters
    let first = ReferenceMatrix(try trainer.values(of: weights[0]), width, inputs)
    let second = ReferenceMatrix(try trainer.values(of: weights[1]), classes, width)
    let losses = try trainer.trainEpoch(on: data)
    let input = ReferenceMatrix(x, rows, inputs)
    let z = input.times(first.transposed)
    let hidden = ReferenceMatrix(z.values.map { max($0, 0) }, rows, width)
    let (rowLosses, delta) = hidden.times(second.transposed).crossEntropy(labels: labels)
    var back = delta.times(second)
    for index in back.values.indices where z.values[index] <= 0 { back.values[index] = 0 }
    func step(_ weight: ReferenceMatrix, _ delta: ReferenceMatrix, _ input: ReferenceMatrix)
      -> [Double]
    {
      zip(weight.values, delta.transposed.times(input).values).map { $0 - rate * $1 }
    }
    let mean = rowLosses.reduce(0, +) / Double(rows)
    return max(
      abs(losses.mean(replica: 0) - mean) / (1 + mean),
      error(try trainer.values(of: weights[0]), step(first, back, input)),
      error(try trainer.values(of: weights[1]), step(second, delta, hidden)))
  }
}

/// Why a self-test has no result.
struct SelfTestFailure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}
