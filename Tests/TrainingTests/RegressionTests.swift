import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Twenty steps of regression against PyTorch in float64 (Golden/make_regression.py).
@Suite(.serialized) struct RegressionTests {
  struct Golden: Decodable {
    let sizes: [Int]
    let learningRate, momentum: Double
    let x, targets: [[Float]]
    let weights: [[[Float]]]
    let biases: [[Float]]
    let losses: [Double]
    let finalLoss: Double
    let finalWeights: [[[Double]]]
    let finalBiases: [[Double]]
  }

  let golden: Golden
  let compute: Compute

  init() throws {
    let url = Bundle.module.url(
      forResource: "regression", withExtension: "json", subdirectory: "Golden")!
    golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: url))
    compute = try Compute.idle()
  }

  /// Through the trainer as a sweep uses it: rows in another order each epoch, steps that are recorded
  /// and made again; whole batches, and batches in parts.
  @Test(arguments: [nil, 8]) func regression_meetsPyTorch(microBatch: Int?) throws {
    let steps = golden.losses.count
    let network = MLP(
      inputs: golden.sizes[0], hidden: Array(golden.sizes[1...2]), outputs: golden.sizes[3],
      bias: true, activation: .tanh)
    let trainer = try Trainer(
      TrainingConfiguration(
        network: network, baseNetwork: network, loss: .meanSquaredError,
        optimization: Optimization(
          .momentum, hyperparameters: Hyperparameters(momentum: golden.momentum)),
        batchSize: golden.x.count, microBatch: microBatch),
      replicas: (1...2).map {
        Replica(
          seed: $0, learningRate: golden.learningRate,
          parametrization: StandardParametrization())
      }, totalSteps: steps, compute: compute)
    try trainer.load(
      golden.weights.enumerated().map { layer, weight in
        NamedValues(
          name: "layers.\(layer).weight", shape: [weight.count, weight[0].count],
          values: weight.flatMap { $0 })
      }
        + golden.biases.enumerated().map { layer, bias in
          NamedValues(name: "layers.\(layer).bias", shape: [bias.count], values: bias)
        })
    let inputs = golden.sizes[0]
    let rows = try DeviceRows(
      .floats(golden.x.flatMap { $0 }), targets: golden.targets.flatMap { $0 },
      outputs: golden.sizes[3], scale: [Float](repeating: 1, count: inputs),
      shift: [Float](repeating: 0, count: inputs), compute: compute)
    try trainer.train(on: rows, until: steps)
    #expect(microBatch != nil || trainer.repeatsSteps)
    let losses = try trainer.allLosses()
    let evaluations = try trainer.evaluate(on: rows)
    for replica in 0..<2 {
      for (step, expected) in golden.losses.enumerated() {
        let got = losses.mean(replica: replica, over: step..<step + 1)
        #expect(abs(got - expected) <= 1e-5 * expected, "step \(step)")
      }
      #expect(abs(evaluations[replica].loss - golden.finalLoss) <= 1e-5 * golden.finalLoss)
      #expect(evaluations[replica].accuracy == nil)
      for values in try trainer.parameters(of: replica) {
        let parts = values.name.split(separator: ".")
        let layer = try #require(Int(parts[1]))
        let expected =
          parts[2] == "bias"
          ? golden.finalBiases[layer] : golden.finalWeights[layer].flatMap { $0 }
        for (got, expected) in zip(values.values, expected) {
          #expect(abs(Double(got) - expected) <= 1e-5, "\(values.name)")
        }
      }
    }
  }
}
