import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Forward pass, gradients and twenty steps of residual perceptrons against PyTorch in float64
/// (Golden/make_residual.py).
@Suite(.serialized) struct ResidualTrajectoryTests {
  struct Golden: Decodable {
    let cases: [Case]
  }

  struct Case: Decodable, CustomTestStringConvertible {
    struct First: Decodable {
      let output: [[Double]]
      let gradients: [String: TrajectoryTests.Nested]
    }

    let name, optimizer, norm, activation: String
    let options: TrajectoryTests.Options
    let bias: Bool
    let depth, expansion, baseDepth, inputs, width, outputs: Int
    let depthExponent, branchMultiplier: Double
    let x: [[[Float]]]
    let labels: [[UInt32]]
    let start: [String: TrajectoryTests.Nested]
    let first: First
    let losses: [Double]
    let final: [String: TrajectoryTests.Nested]
    var testDescription: String { name }

    var network: ResidualMLP {
      ResidualMLP(
        inputs: inputs, width: width, depth: depth, outputs: outputs, expansion: expansion,
        normalization: norm == "none" ? nil : RowNormalization.Kind(rawValue: norm)!, bias: bias,
        activation: Activation(rawValue: activation)!,
        branchMultiplier: branchMultiplier
          * pow(Double(depth) / Double(baseDepth), -depthExponent),
        depthRule: .none)
    }
  }

  static let cases = (GoldenTrajectory.contents(of: "residual") as Golden).cases

  @Test(arguments: cases, [Compute.BackendChoice.opencl, .tiled])
  func trajectory_meetsPyTorch(golden: Case, backend: Compute.BackendChoice) throws {
    let compute = try Compute.idle(backend: backend)
    let network = try GoldenTrajectory.network(
      golden.network.graph, from: golden.start, compute: compute)
    let momentum = golden.options.momentum
    let optimizer = try Optimizer(
      Optimization(
        golden.optimizer == "Adam" ? .adam : momentum == nil ? .sgd : .momentum,
        hyperparameters: Hyperparameters(momentum: momentum)),
      of: network, learningRate: golden.options.lr, totalSteps: golden.x.count)
    let history = try SumHistory(capacity: golden.x.count, replicas: 1, compute: compute)
    for (t, x) in golden.x.enumerated() {
      let input = try compute.tensor(x.flatMap { $0 }, rows: x.count, columns: golden.inputs)
      let pass = try network(input)
      let batch = try compute.crossEntropy(
        pass.output, labels: Buffer(queue: compute.queue, golden.labels[t]))
      try history.record(batch.losses, slot: t)
      if t == 0 {
        expectClose(
          try compute.read(pass.output), golden.first.output.flatMap { $0 }, "output", 1e-5)
      }
      try optimizer.beginStep()
      try pass.backward(batch.gradient) { parameter, gradient in
        if t == 0 {
          let expected = try #require(golden.first.gradients[parameter.name]).values
          expectClose(
            try compute.read(gradient.materialized(compute)), expected, parameter.name, 1e-5)
        }
        try optimizer.update(parameter, gradient)
      }
    }
    for (sum, expected) in zip(try history.read(slots: golden.x.count), golden.losses) {
      let loss = Double(sum[0]) / Double(golden.x[0].count)
      #expect(abs(loss - expected) <= 1e-5 * expected, "\(loss), expected \(expected)")
    }
    for parameter in network.parameters {
      // 1e-4: twenty steps of rounding; Adam divides small gradients by their own size.
      expectClose(
        try compute.read(parameter.value), try #require(golden.final[parameter.name]).values,
        parameter.name, 1e-4)
    }
  }
}
