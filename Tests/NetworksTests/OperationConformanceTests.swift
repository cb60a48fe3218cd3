import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

/// What every operation is held to, built in or custom: its gradients against central differences of its
/// own value, and a replica's results alone against those in a group.
@Suite(.serialized) struct OperationConformanceTests {
  /// An operation with the columns of what it takes.
  struct Case: Sendable, CustomStringConvertible {
    let name: String
    let operation: any Networks.Operation
    let inputs: [Extent]
    var description: String { name }
  }

  static let cases: [Case] = [
    Case(name: "linear", operation: Linear(outputs: .growing(9)), inputs: [.fixed(14)]),
    Case(
      name: "linear with bias and multiplier",
      operation: Linear(outputs: .fixed(7), hasBias: true, multiplier: 3), inputs: [.growing(33)]),
    Case(name: "gelu", operation: ActivationOperation(.gelu), inputs: [.growing(17)]),
    Case(name: "tanh", operation: ActivationOperation(.tanh), inputs: [.growing(17)]),
    Case(name: "add", operation: Add(), inputs: [.growing(19), .growing(19)]),
    Case(name: "scaled add", operation: Add(scale: -0.3), inputs: [.growing(19), .growing(19)]),
    Case(
      name: "convex sum", operation: Add(scale: 0.25, streamScale: 0.75),
      inputs: [.growing(19), .growing(19)]),
    Case(name: "RMS norm", operation: RowNormalization(.rms), inputs: [.growing(37)]),
    Case(name: "layer norm", operation: RowNormalization(.layer), inputs: [.growing(37)]),
    Case(name: "silu", operation: ActivationOperation(.silu), inputs: [.growing(17)]),
    Case(
      name: "multiply", operation: Multiply(), inputs: [.growing(19), .growing(19)]),
    Case(
      name: "head norm", operation: HeadNormalization(headSize: .fixed(7)),
      inputs: [.growing(21)]),
    Case(
      name: "tied readout", operation: Linear(outputs: .fixed(6), multiplier: 2, isTied: true),
      inputs: [.growing(9)]),
    Case(
      name: "learned positions", operation: PositionEmbedding(context: 3), inputs: [.growing(11)]),
    Case(
      name: "rotary positions", operation: RotaryPositions(headSize: .fixed(6), context: 3),
      inputs: [.growing(12)]),
    Case(
      name: "attention", operation: Attention(headSize: .fixed(5), context: 3, multiplier: 2),
      inputs: [.growing(10), .growing(10), .growing(10)]),
  ]

  /// Two sequences of three tokens, where rows are tokens.
  static let rows = 6
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  /// Numbers in [-1, 1) of a replica's seed and a stream.
  private func numbers(_ count: Int, seed: UInt64, stream: UInt64) -> [Float] {
    var random = Philox(seed: seed, stream: stream)
    return (0..<count).map { _ in random.uniform(-1, 1) }
  }

  /// The operation's tensors for the replicas of these seeds.
  private struct Instance {
    let inputs: [Tensor]
    let parameters: [Parameter]
  }

  private func instance(_ item: Case, seeds: [UInt64]) throws -> Instance {
    let inputs = try item.inputs.enumerated().map { index, extent in
      try compute.tensor(
        seeds.flatMap { numbers(Self.rows * extent.size, seed: $0, stream: UInt64(index)) },
        replicas: seeds.count, rows: Self.rows, columns: extent.size)
    }
    let parameters = try item.operation.parameters(of: item.inputs).enumerated().map {
      index, parameter in
      let sizes = parameter.shape.stored
      let count = sizes.reduce(1, *)
      return Parameter(
        name: parameter.path, shape: parameter.shape,
        value: try compute.tensor(
          seeds.flatMap { numbers(count, seed: $0, stream: UInt64(100 + index)) },
          replicas: seeds.count, rows: sizes.count == 2 ? sizes[0] : 1, columns: sizes.last!),
        multiplier: Float(parameter.multiplier))
    }
    return Instance(inputs: inputs, parameters: parameters)
  }

  /// The value for `instance`, and the gradients of Σ c∘value, inputs first.
  private func gradients(_ item: Case, _ instance: Instance, _ c: [Float]) throws -> (
    value: [Float], gradients: [[Float]]
  ) {
    let value = try item.operation.forward(
      instance.inputs, instance.parameters, compute: compute)
    let output = value.output
    #expect(output.columns == item.operation.columns(of: item.inputs).size)
    let delta = try compute.tensor(
      c, replicas: output.replicas, rows: output.rows, columns: output.columns)
    var byParameter: [String: [Float]] = [:]
    let passed = try item.operation.backward(
      delta,
      BackwardPass(
        inputs: instance.inputs, value: value, parameters: instance.parameters,
        wantsInput: instance.inputs.map { _ in true }, mayOverwrite: false, compute: compute)
    ) { parameter, gradient in
      byParameter[parameter.name] = try compute.read(gradient.materialized(compute))
    }
    // A gradient that may not be written over is as it was.
    #expect(try compute.read(delta) == c)
    return (
      try compute.read(output),
      try passed.map { try compute.read(#require($0)) }
        + instance.parameters.map { try #require(byParameter[$0.name]) }
    )
  }

  @Test(arguments: cases) func gradients_meetCentralDifferences(item: Case) throws {
    let instance = try instance(item, seeds: [3])
    let count = Self.rows * item.operation.columns(of: item.inputs).size
    let c = numbers(count, seed: 9, stream: 9)
    let (_, got) = try gradients(item, instance, c)
    let tensors = instance.inputs + instance.parameters.map(\.value)
    #expect(got.count == tensors.count)
    func loss() throws -> Double {
      let value = try compute.read(
        item.operation.forward(instance.inputs, instance.parameters, compute: compute).output)
      return zip(value, c).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    // Values are float32, so the step is long and the bound is theirs: 2⁻²⁴·|loss|/step.
    let step: Float = 1.0 / 64
    for (tensor, gradient) in zip(tensors, got) {
      let start = try compute.read(tensor)
      for index in stride(from: 0, to: start.count, by: max(1, start.count / 12)) {
        func at(_ shift: Float) throws -> Double {
          var moved = start
          moved[index] += shift
          try tensor.buffer.write(moved, queue: compute.queue)
          return try loss()
        }
        // Richardson's rule leaves an error of the fourth order in the step.
        let wide = (try at(step) - at(-step)) / Double(2 * step)
        let narrow = (try at(step / 2) - at(-step / 2)) / Double(step)
        let expected = (4 * narrow - wide) / 3
        try tensor.buffer.write(start, queue: compute.queue)
        #expect(
          abs(Double(gradient[index]) - expected) <= 2e-3 * (1 + abs(expected)),
          "\(item.name), entry \(index): \(gradient[index]), expected \(expected)")
      }
    }
  }

  @Test(arguments: cases) func replica_aloneEqualsItselfInAGroup(item: Case) throws {
    let seeds: [UInt64] = [3, 4, 5]
    let count = Self.rows * item.operation.columns(of: item.inputs).size
    let c = seeds.map { numbers(count, seed: $0, stream: 9) }
    let all = try gradients(item, instance(item, seeds: seeds), c.flatMap { $0 })
    for (replica, seed) in seeds.enumerated() {
      let alone = try gradients(item, instance(item, seeds: [seed]), c[replica])
      func slice(_ values: [Float]) -> [Float] {
        let stride = values.count / seeds.count
        return Array(values[replica * stride..<(replica + 1) * stride])
      }
      #expect(slice(all.value) == alone.value, "\(item.name)")
      for (group, own) in zip(all.gradients, alone.gradients) { #expect(slice(group) == own) }
    }
  }
}
