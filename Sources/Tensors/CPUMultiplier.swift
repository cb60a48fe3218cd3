import OpenCL

/// Matrix products by our own kernels for CPUs, with their epilogues (Kernels/tile.cl, multiply.cl).
///
/// A sum's bits depend on the product's form and shape alone: the order of its terms and the blocks
/// of k. How C is cut among work-items decides who computes an element, not how.
public struct CPUMultiplier: MatrixMultiplier {
  /// `opencl`.
  public let name = "opencl"
  /// Epilogues are part of the kernels.
  public let fusesEpilogues = true
  /// Work-items at once.
  let workers: Int

  /// Floats that a work-item packs operands into: 256 KiB, a core's share of the second cache.
  static let scratchSize = 1 << 16
  /// Fewest multiply-adds that are worth a work-item of their own: a few microseconds.
  private static let leastWork = 1 << 19

  /// Two work-items a core, so that a core which is late can be helped out.
  init(device: Device) {
    self.init(workers: 2 * device.computeUnits)
  }

  init(workers: Int) {
    self.workers = workers
  }

  /// Enqueues the product.
  ///
  /// - Throws: `OpenCLError`.
  public func multiply(_ product: MatrixProduct, compute: Compute) throws {
    let plan = CPUProductPlan(product, width: compute.vectorWidth)
    let launch = launch(product, plan)
    let scratch = try compute.tensor(rows: workers, columns: Self.scratchSize)
    let kernel = try compute.kernel(
      .multiply, "multiply", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Float.self, UInt32.self,
      UInt32.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self,
      UInt32.self, UInt64.self, UInt64.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self,
      UInt64.self, UInt32.self)
    let c = product.c.buffer
    let (side, output, epilogue, kind) = Self.arguments(of: product.epilogue)
    try kernel(
      compute.queue, global: [launch.items], local: [1], plan.left.buffer, plan.right.buffer,
      side?.buffer ?? c, c, output?.buffer ?? c, scratch.buffer, product.alpha, epilogue, kind,
      plan.order.rawValue, UInt32(plan.rows), UInt32(plan.columns), UInt32(product.k),
      UInt32(plan.leftRow), UInt32(plan.leftStep), UInt32(plan.rightPitch),
      UInt64(plan.left.replicaStride(in: product.replicas)),
      UInt64(plan.right.replicaStride(in: product.replicas)), UInt32(launch.rowCut),
      UInt32(launch.columnCut), UInt32(plan.blockDepth), UInt32(plan.blockColumns),
      UInt64(Self.scratchSize), UInt32(launch.units))
  }

  /// How a product is shared out.
  struct Launch {
    /// Rows and columns of a unit.
    let rowCut, columnCut: Int
    /// Units of all replicas.
    let units: Int
    /// Work-items.
    let items: Int
  }

  /// Units along the longer side, enough for every worker but none too small.
  func launch(_ product: MatrixProduct, _ plan: CPUProductPlan) -> Launch {
    let work = product.m * product.n * product.k
    let wanted = (2 * workers + product.replicas - 1) / product.replicas
    let pieces = product.replicas >= 2 * workers ? 1 : min(wanted, max(1, work / Self.leastWork))
    func cut(_ length: Int, _ step: Int) -> Int {
      ((length + pieces - 1) / pieces + step - 1) / step * step
    }
    var (rowCut, columnCut) = (plan.rows, plan.columns)
    if plan.columns > plan.rows {
      columnCut = cut(plan.columns, plan.tile.columns)
    } else {
      rowCut = cut(plan.rows, plan.tile.rows)
    }
    rowCut = min(rowCut, plan.mostRows)
    let units =
      (plan.rows + rowCut - 1) / rowCut * ((plan.columns + columnCut - 1) / columnCut)
      * product.replicas
    return Launch(
      rowCut: rowCut, columnCut: columnCut, units: units, items: min(workers, units))
  }

  /// The epilogue as Kernels/multiply.cl takes it.
  private static func arguments(
    of epilogue: ProductEpilogue
  ) -> (side: Tensor?, output: Tensor?, epilogue: UInt32, kind: UInt32) {
    switch epilogue {
    case .none: (nil, nil, 0, 0)
    case .forward(let bias, let activation, let output):
      (bias, output, (bias == nil ? 0 : 1) | (output == nil ? 0 : 2), activation.kernelCode)
    case .derivative(let derivative):
      (derivative.z, nil, 4, derivative.activation.kernelCode)
    }
  }
}
