import Tensors

extension DeviceRows {
  /// Rows of numbers in [−1, 1), as they are drawn, with these labels.
  convenience init(
    random seed: UInt64, inputs: Int, labels: [UInt32], compute: Compute
  ) throws {
    var random = Philox(seed: seed, stream: 0)
    try self.init(
      .floats((0..<labels.count * inputs).map { _ in random.uniform(-1, 1) }), labels: labels,
      scale: [Float](repeating: 1, count: inputs), shift: [Float](repeating: 0, count: inputs),
      compute: compute)
  }
}
