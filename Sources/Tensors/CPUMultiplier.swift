import OpenCL

/// Matrix products by our own kernels for CPUs, with their epilogues (Kernels/tile.cl, multiply.cl).
///
/// A sum's bits depend on the product's form and shape and the vectors' width alone: the order of its
/// terms and the blocks of k. How C is cut among work-items decides who computes an element, not how.
public final class CPUMultiplier: MatrixMultiplier {
  /// `opencl`.
  public let name = "opencl"
  /// Work-items at once.
  private let workers: Int
  /// Made once; not of the pool, whose tensors are planned for.
  private var scratch: Buffer<Float>?

  /// The longest batch whose weight gradients are applied where they are computed: one block of k.
  public static let mostUpdateRows = CPUProductPlan.mostDepth
  /// Floats that a work-item packs operands into: 256 KiB, a core's share of the second cache.
  static let scratchSize = 1 << 16
  /// Fewest multiply-adds that are worth a work-item of their own: a few microseconds.
  private static let leastWork = 1 << 19

  /// Two work-items a core, so that a core which is late can be helped out.
  convenience init(device: Device) {
    self.init(workers: 2 * device.computeUnits)
  }

  init(workers: Int) {
    self.workers = workers
  }

  /// Everything but updates by gradients whose sums take more than one block of k.
  public func fuses(_ product: MatrixProduct) -> Bool {
    guard case .update = product.epilogue else { return true }
    return product.form == .tn && product.k <= Self.mostUpdateRows
  }

  /// Enqueues the product.
  ///
  /// - Throws: `OpenCLError`.
  public func multiply(_ product: MatrixProduct, compute: Compute) throws {
    let plan = CPUProductPlan(product, width: compute.vectorWidth)
    let sizes = sizes(product, plan)
    let (left, right, result) = (plan.left.buffer, plan.right.buffer, product.c.buffer)
    let scratch = try scratch(compute)
    let global = [min(workers, Int(sizes.units))]
    if case .update(let update, let change) = product.epilogue {
      let kernel = try compute.kernel(
        .multiply, "multiply_update", Buffer<Float>.self, Buffer<Float>.self,
        Buffer<SIMD4<Float>>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
        Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Float.self, Float.self,
        Float.self, Float.self, Float.self, Float.self, UInt32.self, UInt32.self,
        ProductSizes.self)
      let (rule, numbers) = update.direction.kernelArguments
      let state = update.direction.state.map(\.buffer) + [result, result]
      try kernel(
        compute.queue, global: global, local: [1], left, right, update.rates.buffer,
        update.active.buffer, result, state[0], state[1], change?.buffer ?? result, scratch,
        product.alpha, update.schedule, numbers.x, numbers.y, numbers.z, numbers.w, rule,
        change == nil ? 0 : 1, sizes)
    } else {
      let kernel = try compute.kernel(
        .multiply, "multiply", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
        Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Float.self, UInt32.self,
        UInt32.self, ProductSizes.self)
      let (side, output, flags, kind) = product.epilogue.kernelArguments
      try kernel(
        compute.queue, global: global, local: [1], left, right, side?.buffer ?? result, result,
        output?.buffer ?? result, scratch, product.alpha, flags, kind, sizes)
    }
  }

  private func scratch(_ compute: Compute) throws -> Buffer<Float> {
    if let scratch { return scratch }
    let made = try Buffer<Float>(
      context: compute.queue.context, count: workers * Self.scratchSize)
    scratch = made
    return made
  }

  /// The sizes of a launch. Units lie along the longer side, enough for every worker but none too
  /// small.
  private func sizes(_ product: MatrixProduct, _ plan: CPUProductPlan) -> ProductSizes {
    let work = product.m * product.n * product.k
    let wanted = (2 * workers + product.replicas - 1) / product.replicas
    let pieces = min(wanted, max(1, work / Self.leastWork))
    func cut(_ length: Int, _ step: Int, _ pieces: Int) -> Int {
      ((length + pieces - 1) / pieces + step - 1) / step * step
    }
    let alongColumns = plan.columns > plan.rows
    // Each unit packs all of right anew: few of them, but one for every core.
    let worthPacking = plan.rows / (CPUProductPlan.leastTiles * plan.tile.rows)
    let rowPieces =
      plan.packsRight ? min(pieces, max(1, workers / 2, worthPacking)) : pieces
    let rowCut = min(
      alongColumns ? plan.rows : cut(plan.rows, plan.tile.rows, rowPieces), plan.mostRows)
    let columnCut = alongColumns ? cut(plan.columns, plan.tile.columns, pieces) : plan.columns
    let units =
      (plan.rows + rowCut - 1) / rowCut * ((plan.columns + columnCut - 1) / columnCut)
      * product.replicas
    return ProductSizes(
      leftStride: UInt64(plan.left.replicaStride(in: product.replicas)),
      rightStride: UInt64(plan.right.replicaStride(in: product.replicas)),
      scratchSize: UInt64(Self.scratchSize), order: plan.order.rawValue,
      rows: UInt32(plan.rows), columns: UInt32(plan.columns), depth: UInt32(product.k),
      leftRow: UInt32(plan.leftRow), leftStep: UInt32(plan.leftStep),
      rightPitch: UInt32(plan.rightPitch), blockDepth: UInt32(plan.blockDepth),
      blockColumns: UInt32(plan.blockColumns), rowCut: UInt32(rowCut),
      columnCut: UInt32(columnCut), units: UInt32(units))
  }
}

/// `ProductSizes` of Kernels/tile.cl, field by field.
private struct ProductSizes: KernelScalar, KernelArgument {
  static let openCLName = "ProductSizes"
  let leftStride, rightStride, scratchSize: UInt64
  let order, rows, columns, depth: UInt32
  let leftRow, leftStep, rightPitch: UInt32
  let blockDepth, blockColumns: UInt32
  let rowCut, columnCut, units: UInt32
}
