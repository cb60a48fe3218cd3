import OpenCL
import Tensors

/// Largest singular values of several matrices, warm-started: the directions of one call start the
/// next.
///
/// Block iteration with locally optimal steps on A = WᵀW, for k vectors X:
///
///     B = [X, P, D],  D = A X − X Θ;  X, Θ ← the k largest Ritz pairs of A in span B
///
/// P is the direction of the last step (Knyazev, SIAM J. Sci. Comput. 23 (2001) 517). A step reads
/// each matrix once; about as many steps as Lanczos's method bring a Gaussian matrix, whose top
/// singular values crowd as n^(−2/3), to 1e-3, where plain power iteration takes hundreds. The
/// first step of a call reads the matrix for all of the last call's B, with a trace of a fixed
/// random direction, so that one step a call follows weights as they move.
///
/// Matrices of any shapes and replica counts share launches. A matrix's result depends on its
/// elements, its shape and its own earlier calls alone, bit for bit, and not on what it is grouped
/// with. Range: largest elements from 1e-30 to 1e30 in size.
public final class PowerIteration {
  /// Shape of one tensor: `replicas` matrices [rows, columns].
  public typealias Shape = (replicas: Int, rows: Int, columns: Int)

  /// Shapes of the tensors that calls take, in this order.
  public let shapes: [Shape]
  /// k, right vectors kept for each matrix.
  public let vectors: Int
  /// Which kernels read the matrices.
  public let variant: KernelVariant

  let compute: Compute
  let plan: PassPlan
  /// What Kernels/ritz.cl is compiled with.
  let definitions: [String: String]
  let problems: Buffer<UInt32>
  let units: Buffer<UInt32>
  let noise: Buffer<Float>
  let workspace: Buffer<Float>
  let partials: Buffer<Float>
  let grams: Buffer<Float>
  let stats: Buffer<Float>
  let state: Buffer<Float>
  let summary: Buffer<Float>
  /// What workspace, partial sums and Gram matrices lie in, of the pool.
  private let room: [Tensor]
  var isCold = true

  /// Room for matrices of `shapes`; nothing is known of them yet.
  ///
  /// - vectors: 1, 2, 4 or 8. One is the cheapest; more resist a start that is poor in the top
  ///   direction and need fewer passes, each of more arithmetic. Default 2: on two Zen 4 cores a
  ///   pass takes 0.24, 0.27, 0.40 ms with one, two, four at 2048²; reading alone takes 0.22. The
  ///   first pass of a warm call is over three times as many.
  /// - seed: of the start vectors, uniform numbers by Philox 4x32-10.
  /// - variant: of the kernels; the computation's where nil.
  /// - Throws: `OpenCLError.callFailed`.
  public init(
    shapes: [Shape], vectors: Int = 2, seed: UInt64, variant: KernelVariant? = nil, compute: Compute
  ) throws {
    precondition([1, 2, 4, 8].contains(vectors), "power iteration with \(vectors) vectors")
    precondition(
      !shapes.isEmpty && shapes.allSatisfy { $0.replicas > 0 && $0.rows > 0 && $0.columns > 0 },
      "power iteration over \(shapes)")
    self.shapes = shapes
    self.vectors = vectors
    self.variant = variant ?? compute.kernelVariant
    self.compute = compute
    plan = PassPlan(
      shapes: shapes, vectors: vectors, variant: self.variant,
      mostItems: compute.queue.device.maximumWorkGroupSize)
    definitions =
      self.variant == .item
      ? KernelVariant.item.definitions
      : KernelVariant.group.definitions.merging(["VECTORS": "\(vectors)"]) { own, _ in own }
    precondition(
      plan.bufferCounts.allSatisfy { $0 <= Int(UInt32.max) },
      "power iteration over \(plan.problems) matrices needs more than 2³² floats")
    let queue = compute.queue
    problems = try Buffer(queue: queue, plan.problemTable)
    units = try Buffer(queue: queue, plan.unitTable)
    noise = try Buffer(
      queue: queue, Self.startVectors(vectors, length: plan.widestPitch, seed: seed))
    room = try plan.bufferCounts.map {
      try compute.tensor(replicas: 1, rows: 1, columns: $0)
    }
    (workspace, partials, grams) = (room[0].buffer, room[1].buffer, room[2].buffer)
    stats = try Buffer(context: queue.context, count: plan.unitTable.count)
    state = try Buffer(context: queue.context, count: plan.problems * plan.stateStride)
    summary = try Buffer(context: queue.context, count: 4 * plan.problems)
    try reset()
  }

  /// The pass over `matrices` alone, for measurements.
  ///
  /// - Throws: `OpenCLError`.
  package func enqueuePass(_ matrices: [Tensor]) throws {
    check(matrices)
    try pass(matrices, over: directions, measure: false)
  }

  /// Forgets what earlier calls found.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func reset() throws {
    // Columns past a matrix's own, and sums over no block, are read as zeros.
    try compute.fill(workspace, 0)
    try compute.fill(partials, 0)
    try compute.fill(state, 0)
    var unit = [Float](repeating: 0, count: plan.problems * plan.stateStride)
    for problem in 0..<plan.problems { unit[problem * plan.stateStride] = 1 }
    try state.write(unit, queue: compute.queue)
    isCold = true
  }

  /// Norms of `matrices` after `iterations` passes over each; nothing waits for the device.
  ///
  /// The first call of all, and the first after `reset`, reads the matrices once more, for their
  /// scale. A matrix whose largest element has changed by more than a factor of 2⁵⁰ since the last
  /// call has the norms NaN in this call, and its own in the next.
  /// - tolerance: where a matrix's residual is at most that, its other passes are left out, on the
  ///   device; at least 1e-3, as less is rounding.
  /// - Throws: `OpenCLError`.
  public func enqueue(
    _ matrices: [Tensor], iterations: Int, tolerance: Double? = nil
  ) throws -> NormTensors {
    precondition(iterations > 0, "\(iterations) power iterations")
    precondition(tolerance.map { $0 >= 1e-3 } ?? true, "a tolerance of \(tolerance ?? 0)")
    check(matrices)
    if isCold {
      try pass(matrices, over: directions, measure: true)
      try scale()
    }
    let start = try begin()
    let settling = tolerance.map { Float($0 * $0) } ?? -.infinity
    for iteration in 0..<iterations {
      try step(matrices, over: iteration == 0 ? start : nil, settling: settling)
    }
    try finish()
    return try results()
  }

  /// Norms of `matrices`, iterated until each is within `tolerance`, as far as can be seen from how
  /// it still grows, or `maximumIterations` passes have been made, which is not an error.
  ///
  /// The error of step j falls as 1/j² while the top singular values are not separated (Kuczyński
  /// & Woźniakowski, SIAM J. Matrix Anal. 13 (1992) 1094) and geometrically afterwards, so it is at
  /// most j/2 times the growth of one step. Iteration ends where that is below `tolerance`, or the
  /// residual below half of it. The growth is the mean of the last two steps; of the last four with
  /// one or two vectors, which may rest longer at the second singular value. In 560 starts on
  /// Gaussian matrices of 64 to 2048 a side, four vectors and two missed a tolerance of 1e-3 never,
  /// one vector 44 times, by up to 2e-2. A step's numbers are read back, 30 µs.
  /// - Returns: one estimate for each matrix and replica, [matrix][replica].
  /// - Throws: `OpenCLError`.
  public func estimate(_ matrices: [Tensor], tolerance: Double, maximumIterations: Int) throws
    -> [[SpectralNormEstimate]]
  {
    precondition(maximumIterations > 0, "\(maximumIterations) power iterations")
    check(matrices)
    var start = try begin()
    var history: [[Float]] = []
    var passes = 0
    repeat {
      try step(matrices, over: history.isEmpty ? start : nil, settling: -.infinity)
      passes += 1
      history.append(try summary.read(queue: compute.queue))
      if passes == 1 && (0..<plan.problems).contains(where: { history[0][4 * $0 + 3] != 0 }) {
        // The first pass has found a scale far from the one that it was made with.
        history = []
        start = try begin()
      }
    } while history.isEmpty
      || passes < maximumIterations && !hasConverged(history, tolerance: tolerance)
    return try finishedEstimates(passes: passes)
  }

  private func finishedEstimates(passes: Int) throws -> [[SpectralNormEstimate]] {
    try finish()
    let found = try summary.read(queue: compute.queue).map(Double.init)
    return shapes.indices.map { matrix in
      (0..<shapes[matrix].replicas).map { replica in
        let own = 4 * (plan.firstProblem[matrix] + replica)
        return SpectralNormEstimate(
          norm: found[own], relativeResidual: found[own + 1], frobeniusNorm: found[own + 2],
          iterations: passes)
      }
    }
  }

  /// Whether no matrix's σ, by step, is expected to grow by more than `tolerance`.
  private func hasConverged(_ history: [[Float]], tolerance: Double) -> Bool {
    let steps = history.count
    let window = vectors < 4 ? 4 : 2
    guard steps >= 2 else { return false }
    return (0..<plan.problems).allSatisfy { problem in
      let sigma = Double(history[steps - 1][4 * problem])
      guard sigma.isFinite && sigma > 0 else { return true }
      let residual = Double(history[steps - 1][4 * problem + 1])
      if residual <= tolerance / 2 { return true }
      guard steps > window else { return false }
      let growth = (sigma - Double(history[steps - 1 - window][4 * problem])) / Double(window)
      return growth * Double(steps) / 2 <= tolerance * sigma
    }
  }

  private func check(_ matrices: [Tensor]) {
    precondition(
      matrices.count == shapes.count
        && zip(matrices, shapes).allSatisfy {
          $0.shape == [$1.replicas, $1.rows, $1.columns]
        }, "power iteration over \(matrices.map(\.shape)), made for \(shapes)")
  }

  /// Uniform numbers of variance 1.
  private static func startVectors(_ vectors: Int, length: Int, seed: UInt64) -> [Float] {
    (0..<vectors).flatMap { vector in
      var random = Philox(seed: seed, stream: Philox.stream("norms.\(vector)"))
      return (0..<length).map { _ in (random.uniform() - 0.5) * Float(12).squareRoot() }
    }
  }
}

/// Norms of several matrices on the device, [replica, 1, 1] for each matrix.
///
/// They can be recorded without waiting for them: `SumHistory.record(norms.spectral[0], slot:)`.
public struct NormTensors {
  /// ‖W‖_*, a lower bound up to rounding.
  public let spectral: [Tensor]
  /// ‖W‖_F.
  public let frobenius: [Tensor]
  /// ‖Wᵀu − σv‖/σ for the right vector v that it was found by, σ = ‖Wv‖, u = Wv/σ: some singular value
  /// lies within it of the norm, relatively. 0 for the zero matrix.
  public let residual: [Tensor]
}
