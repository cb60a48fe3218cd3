import OpenCL
import Tensors

/// The launches of a step; each is described in Kernels/spectral.cl and Kernels/ritz.cl.
extension PowerIteration {
  private typealias Floats = Buffer<Float>
  private typealias Integers = Buffer<UInt32>
  private var k: UInt32 { UInt32(vectors) }
  private var stride: UInt32 { UInt32(plan.stateStride) }
  private var isGroup: Bool { variant == .group }

  /// Work-items of a group that has a problem to itself, ITEMS of Kernels/ritz_group.cl; one on CPUs.
  private var solvers: Int { isGroup ? 64 : 1 }
  /// One item a vector of floats, along a problem's vectors.
  private var columnItems: (global: Int, local: Int) {
    let (width, local) = isGroup ? (4, 64) : (compute.vectorWidth, 8)
    return (compute.roundUp(plan.widestPitch / width, local), local)
  }

  /// Rows D of B; its first 2k are X and P.
  var directions: Range<Int> { 2 * vectors..<3 * vectors }

  /// The kernel `name` of Kernels/ritz.cl, which on GPUs is compiled for the number of vectors.
  private func ritz<each Argument: KernelArgument>(
    _ name: String, _ arguments: repeat (each Argument).Type
  ) throws -> Kernel<repeat each Argument> {
    try compute.kernel(.ritz, name, definitions: definitions, repeat each arguments)
  }

  /// - start: the rows of B to read the matrices for in the first step of a call; nil in the others,
  ///   in which the images of X and P are known.
  func step(_ matrices: [Tensor], over start: Range<Int>?, settling: Float) throws {
    let (rows, first) = (start ?? directions, UInt32(start == nil ? 0 : 1))
    try pass(matrices, over: rows, measure: start != nil)
    if start != nil { try scale() }
    try reduce(rows, first: first)
    try gram(all: false)
    let solve = try ritz(
      variant.name(of: "ritz_solve"), Integers.self, Floats.self, Floats.self, Floats.self,
      UInt32.self, UInt32.self, UInt32.self, Float.self)
    try solve(
      compute.queue, global: [plan.problems * solvers], local: [solvers], problems, grams, state,
      summary, k, stride, first, settling)
    let update = try ritz(
      variant.name(of: "ritz_update"), Integers.self, Floats.self, Floats.self, UInt32.self,
      UInt32.self)
    try update(
      compute.queue, global: [columnItems.global, plan.problems], local: [columnItems.local, 1],
      problems, state, workspace, k, stride)
  }

  func pass(_ matrices: [Tensor], over rows: Range<Int>, measure: Bool) throws {
    for launch in plan.launches {
      let (name, definitions) = launch.shape.kernel(rows: rows.count)
      let pass = try compute.kernel(
        .spectral, name, definitions: definitions, Floats.self, Floats.self, Floats.self,
        Floats.self, Floats.self, Floats.self, Floats.self, Floats.self, Integers.self,
        Integers.self, Floats.self, Floats.self, Floats.self, Floats.self, UInt32.self,
        UInt32.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self)
      let groups = variant.groups(units: launch.units.count, device: compute.queue.device)
      let m = launch.slots.map { matrices[$0].buffer }
      try pass(
        compute.queue, global: [groups * launch.shape.items], local: [launch.shape.items], m[0],
        m[1], m[2], m[3], m[4], m[5], m[6], m[7], problems, units, workspace, partials, stats,
        state, UInt32(rows.lowerBound), UInt32(rows.count), stride,
        UInt32(launch.units.lowerBound), UInt32(launch.units.count), measure ? 1 : 0)
    }
  }

  func scale() throws {
    let scale = try ritz(
      variant.name(of: "ritz_scale"), Integers.self, Floats.self, Floats.self, UInt32.self)
    try scale(
      compute.queue, global: [plan.problems * solvers], local: [solvers], problems, stats, state,
      stride)
  }

  /// Begins a call. Returns the rows of B that it starts from.
  func begin() throws -> Range<Int> {
    let begin = try ritz(
      "ritz_begin", Integers.self, Floats.self, Floats.self, Floats.self, UInt32.self, UInt32.self,
      UInt32.self)
    try begin(
      compute.queue, global: [columnItems.global, plan.problems], local: [columnItems.local, 1],
      problems, noise, state, workspace, k, UInt32(plan.widestPitch), stride)
    defer { isCold = false }
    return isCold ? directions : 0..<3 * vectors
  }

  private func reduce(_ rows: Range<Int>, first: UInt32) throws {
    let reduce = try ritz(
      variant.name(of: "ritz_reduce"), Integers.self, Floats.self, Floats.self, Floats.self,
      UInt32.self, UInt32.self, UInt32.self, UInt32.self)
    // A group of the group variant adds up 16 columns of four floats by 8 items each.
    let (length, local) =
      isGroup ? (compute.roundUp(plan.widestPitch, 64) / 64 * 128, 128) : columnItems
    try reduce(
      compute.queue, global: [length, plan.problems, rows.count], local: [local, 1, 1], problems,
      partials, state, workspace, k, UInt32(rows.lowerBound), stride, first)
  }

  private func gram(all: Bool) throws {
    let gram = try ritz(
      variant.name(of: "ritz_gram"), Integers.self, Floats.self, Floats.self, Floats.self,
      UInt32.self, UInt32.self, UInt32.self)
    let chunks = (plan.widestPitch + PassPlan.chunk - 1) / PassPlan.chunk
    let (items, local) = isGroup ? (128, 128) : (plan.pairs, 9)
    try gram(
      compute.queue, global: [items, chunks, plan.problems], local: [local, 1, 1], problems,
      workspace, state, grams, k, stride, all ? 1 : 0)
  }

  func finish() throws {
    try gram(all: true)
    let finish = try ritz(
      variant.name(of: "ritz_finish"), Integers.self, Floats.self, Floats.self, Floats.self,
      UInt32.self, UInt32.self)
    try finish(
      compute.queue, global: [plan.problems * solvers], local: [solvers], problems, grams, state,
      summary, k, stride)
  }

  func results() throws -> NormTensors {
    let result = try ritz(
      "ritz_result", Integers.self, Integers.self, Floats.self, Floats.self, Floats.self,
      Floats.self, Floats.self, Floats.self, Floats.self, Floats.self, Floats.self, Floats.self,
      Floats.self, Floats.self, Floats.self, Floats.self, Floats.self, Floats.self, Floats.self,
      Floats.self, Floats.self, Floats.self, Floats.self, Floats.self, Floats.self, Floats.self,
      Floats.self, UInt32.self)
    func tensors() throws -> [Tensor] {
      try shapes.map { try compute.tensor(replicas: $0.replicas, rows: 1, columns: 1) }
    }
    let norms = NormTensors(
      spectral: try tensors(), frobenius: try tensors(), residual: try tensors())
    for launch in plan.launches {
      let s = launch.slots.map { norms.spectral[$0].buffer }
      let r = launch.slots.map { norms.residual[$0].buffer }
      let f = launch.slots.map { norms.frobenius[$0].buffer }
      try result(
        compute.queue, global: [launch.units.count], local: [1], problems, units, summary,
        s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], r[0], r[1], r[2], r[3], r[4], r[5], r[6],
        r[7], f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], UInt32(launch.units.lowerBound))
    }
    return norms
  }
}
