import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Twenty steps of small networks against PyTorch in float64 (Golden/make_trajectories.py).
@Suite(.serialized) struct TrajectoryTests {
  struct Golden: Decodable {
    let cases: [Case]
  }

  struct Case: Decodable, CustomTestStringConvertible {
    let name, optimizer, activation, loss: String
    let options: Options
    let sizes: [Int]
    let batch, steps: Int
    let x: [[[Float]]]
    let labels: [[UInt32]]
    let weights: [[[Float]]]
    let biases: [[Float]?]
    let losses: [Double]
    let firstGradients: [Nested]
    let finalWeights: [[[Double]]]
    let finalBiases: [[Double]?]
    var testDescription: String { name }
  }

  struct Options: Decodable {
    let lr: Double
    let momentum, weight_decay: Double?
    let betas: [Double]?
    let nesterov: Bool?
  }

  /// A vector or a matrix, flattened.
  struct Nested: Decodable {
    let values: [Double]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      values =
        try (try? container.decode([Double].self))
        ?? container.decode([[Double]].self).flatMap { $0 }
    }
  }

  static let cases: [Case] = {
    let url = Bundle.module.url(
      forResource: "trajectories", withExtension: "json", subdirectory: "Golden")!
    return try! JSONDecoder().decode(Golden.self, from: Data(contentsOf: url)).cases
  }()

  static let backends: [Compute.BackendChoice] = [.clblast, .openblas, .opencl, .tiled]
    .filter { $0 != .openblas || (try? Device.find(.best).supportsNativeKernels) == true }

  @Test(arguments: cases, backends) func trajectory_meetsPyTorch(
    golden: Case, backend: Compute.BackendChoice
  ) throws {
    let compute = try Compute.idle(backend: backend)
    let network = try network(golden, compute)
    let optimizer = try optimizer(golden, network)
    let history = try SumHistory(capacity: golden.steps, replicas: 1, compute: compute)
    var firstGradients: [String: [Float]] = [:]

    for t in 0..<golden.steps {
      let input = try compute.tensor(
        golden.x[t].flatMap { $0 }, rows: golden.batch, columns: golden.sizes[0])
      let labels = try Buffer(queue: compute.queue, golden.labels[t])
      let pass = try network(input)
      let batch =
        try golden.loss == "mse"
        ? compute.meanSquaredError(pass.output, labels: labels)
        : compute.crossEntropy(pass.output, labels: labels)
      try history.record(batch.losses, slot: t)
      try optimizer.beginStep()
      try pass.backward(batch.gradient) { parameter, gradient in
        if t == 0 {
          firstGradients[parameter.name] = try compute.read(gradient.materialized(compute))
        }
        try optimizer.update(parameter, gradient)
      }
    }

    for (sum, expected) in zip(try history.read(slots: golden.steps), golden.losses) {
      #expect(abs(Double(sum[0]) / Double(golden.batch) - expected) <= 1e-5 * expected)
    }
    let count = golden.sizes.count - 1
    for (index, expected) in golden.firstGradients.enumerated() {
      let name = index < count ? "layers.\(index).weight" : "layers.\(index - count).bias"
      expectClose(try #require(firstGradients[name]), expected.values, tolerance: 1e-5)
    }
    for parameter in network.parameters {
      let layer = Int(parameter.name.split(separator: ".")[1])!
      let expected =
        parameter.shape.kind == .bias
        ? try #require(golden.finalBiases[layer]) : golden.finalWeights[layer].flatMap { $0 }
      // 1e-4: twenty steps of rounding; Adam divides small gradients by their own size.
      expectClose(try compute.read(parameter.value), expected, tolerance: 1e-4)
    }
  }

  private func network(_ golden: Case, _ compute: Compute) throws -> Network {
    let graph = MLP(
      inputs: golden.sizes[0], hidden: Array(golden.sizes[1..<golden.sizes.count - 1]),
      outputs: golden.sizes.last!, bias: golden.biases[0] != nil,
      activation: try #require(Activation(rawValue: golden.activation))
    ).graph
    let parameters = try graph.parameters.map { parameter in
      let layer = Int(parameter.path.split(separator: ".")[1])!
      let values =
        parameter.kind == .bias
        ? try #require(golden.biases[layer]) : golden.weights[layer].flatMap { $0 }
      let sizes = parameter.shape.stored
      return Parameter(
        name: parameter.path, shape: parameter.shape,
        value: try compute.tensor(
          values, rows: sizes.count == 2 ? sizes[0] : 1, columns: sizes.last!))
    }
    return Network(graph, parameters: parameters, compute: compute)
  }

  private func optimizer(
    _ golden: Case, _ network: Network
  ) throws -> Optimizer {
    let options = golden.options
    let kind: OptimizerKind =
      switch golden.optimizer {
      case "SGD" where options.momentum == nil: .sgd
      case "SGD": options.nesterov == true ? .nesterov : .momentum
      default: .adam
      }
    // PyTorch decays biases too.
    return try Optimizer(
      Optimization(
        kind,
        hyperparameters: Hyperparameters(
          momentum: options.momentum, beta1: options.betas?[0], beta2: options.betas?[1]),
        weightDecay: options.weight_decay.map {
          WeightDecay(strength: $0, kind: golden.optimizer == "AdamW" ? .decoupled : .coupled)
        }, decaysVectors: true), of: network, learningRate: options.lr, totalSteps: golden.steps)
  }

  /// The difference is at most `tolerance` of the reference's norm.
  private func expectClose(_ got: [Float], _ expected: [Double], tolerance: Double) {
    #expect(got.count == expected.count)
    let norm = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let error = zip(got, expected).reduce(0) { sum, pair in
      sum + (Double(pair.0) - pair.1) * (Double(pair.0) - pair.1)
    }.squareRoot()
    #expect(error <= tolerance * norm, "error \(error), norm \(norm)")
  }
}
