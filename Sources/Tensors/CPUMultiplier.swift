import OpenCL

/// Matrix products by our own kernels for CPUs, with their epilogues (Kernels/tile.cl, multiply.cl).
///
/// A sum's bits depend on the product's form and shape and the vectors' width alone: the order of its
/// terms and the blocks of k. How C is cut among work-items decides who computes an element, not how.
public final class CPUMultiplier: MatrixMultiplier {
  /// `opencl`.
  public let name = "opencl"
  /// What units are cut for.
  private let cores: Int
  /// Work-items at once: two a core, so that one which is late can be helped out.
  private var workers: Int { 2 * cores }
  /// Made once; not of the pool, whose tensors are planned for.
  private var scratch: Buffer<Float>?

  /// The longest batch whose weight gradients are applied where they are computed: one block of k.
  public static let mostUpdateRows = CPUProductPlan.mostDepth
  /// Floats that a work-item packs operands into: 512 KiB, half of a core's second cache or less.
  static let scratchSize = 1 << 17
  /// Fewest multiply-adds that are worth a work-item of their own: a few microseconds.
  private static let leastWork = 1 << 19
  /// Multiply-adds, a millisecond's or so, from which a work-item may be late and another core idle.
  private static let longWork = 1 << 27

  init(cores: Int) {
    self.cores = cores
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

  /// How many units a replica's product is cut into: few, since each packs operands anew; but enough
  /// for every core to have its share, and a second one where units are long.
  private func pieces(_ product: MatrixProduct) -> Int {
    let work = product.m * product.n * product.k
    var pieces = 1
    while pieces < min(workers, work / Self.leastWork) {
      let units = pieces * product.replicas
      let rounds = (units + cores - 1) / cores
      let fills = 10 * units >= 9 * rounds * cores
      if fills && (rounds > 1 || work / pieces < Self.longWork) { break }
      pieces += 1
    }
    return pieces
  }

  /// The sizes of a launch. Units lie along the longer side; of a square along the columns if these are
  /// transposed, so that each unit transposes its own alone.
  private func sizes(_ product: MatrixProduct, _ plan: CPUProductPlan) -> ProductSizes {
    let pieces = pieces(product)
    func cut(_ length: Int, _ step: Int, _ pieces: Int) -> Int {
      ((length + pieces - 1) / pieces + step - 1) / step * step
    }
    let alongColumns =
      plan.columns > plan.rows
      || plan.columns == plan.rows && plan.order.contains(.packsRightColumns)
    let worthPacking = max(1, plan.rows / (CPUProductPlan.leastTiles * plan.tile.rows))
    let alongRows = alongColumns ? 1 : plan.packsRight ? min(pieces, worthPacking) : pieces
    let rowPieces = max(alongRows, (plan.rows + plan.mostRows - 1) / plan.mostRows)
    let rowCut = cut(plan.rows, plan.tile.rows, rowPieces)
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
