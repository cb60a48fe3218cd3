import Tensors

/// What an iteration knows of earlier calls, for checkpoints.
extension PowerIteration {
  /// Floats that are kept of each matrix of tensor `index`: its scale and Ritz values, and B, from
  /// which the next call starts.
  package func memoryCount(_ index: Int) -> Int {
    plan.stateStride + 3 * vectors * plan.pitch(plan.firstProblem[index])
  }

  /// What the next call starts from, [tensor][replica]; nil before the first. Waits for the device.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  package func memory() throws -> [[[Float]]]? {
    if isCold { return nil }
    let states = try state.read(queue: compute.queue)
    return try shapes.indices.map { tensor in
      try (0..<shapes[tensor].replicas).map { replica in
        let problem = plan.firstProblem[tensor] + replica
        let first = problem * plan.stateStride
        let basis = plan.basis(of: problem, vectors: vectors)
        return Array(states[first..<first + plan.stateStride])
          + (try workspace.read(basis, queue: compute.queue))
      }
    }
  }

  /// Continues from what `memory` gave, of the same shapes and vectors.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  package func restore(_ memory: [[[Float]]]) throws {
    for (tensor, replicas) in memory.enumerated() {
      for (replica, values) in replicas.enumerated() {
        precondition(
          values.count == memoryCount(tensor),
          "\(values.count) values for a memory of \(memoryCount(tensor))")
        let problem = plan.firstProblem[tensor] + replica
        try state.write(
          Array(values[..<plan.stateStride]), at: problem * plan.stateStride, queue: compute.queue)
        try workspace.write(
          Array(values[plan.stateStride...]),
          at: plan.basis(of: problem, vectors: vectors).lowerBound, queue: compute.queue)
      }
    }
    isCold = false
  }
}

extension PassPlan {
  /// Floats between a problem's vectors.
  func pitch(_ problem: Int) -> Int { Int(problemTable[problem * Self.fields + 5]) }

  /// Where a problem's B lies: the first half of its vectors.
  func basis(of problem: Int, vectors k: Int) -> Range<Int> {
    let start = Int(problemTable[problem * Self.fields + 8])
    return start..<start + 3 * k * pitch(problem)
  }
}
