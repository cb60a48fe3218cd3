import OpenCL

/// Matrix products by our own kernels for CPUs, with their epilogues (Kernels/tile.cl, multiply.cl).
///
/// A sum's bits depend on the product's transpose mode and shape and the vectors' width alone: the order of its
/// terms and the blocks of k. How C is cut among work-items decides who computes an element, not how.
public final class CPUBackend: GEMMBackend {
  /// `opencl`.
  public let name = "opencl"
  private let cores: Int
  /// Most work-items at once.
  private var workers: Int { 2 * cores }
  /// Made once; not of the pool, whose tensors are planned for.
  private var scratch: Buffer<Float>?

  /// The longest batch whose weight gradients are applied where they are computed: one block of k.
  public static let mostUpdateRows = CPUProductPlan.mostDepth
  /// Floats that a work-item packs operands into: 512 KiB, a quarter to all of a core's second cache.
  static let scratchSize = 1 << 17
  /// Columns of a symmetric product from which computing half of it pays for copying the other half.
  private static let leastHalved = 96
  /// Columns of two tiles, at most: the least that a unit of a halved product has.
  private static let pairColumns = 64

  /// Products for so many cores at once.
  init(cores: Int) {
    self.cores = cores
  }

  /// Everything but updates by gradients whose sums take more than one block of k.
  public func fuses(_ product: MatrixProduct) -> Bool {
    guard case .update = product.epilogue else { return true }
    return product.mode == .tn && product.k <= Self.mostUpdateRows
  }

  /// Where there are several tiles of columns, and enough pairs of them for every core.
  public func halves(_ product: MatrixProduct) -> Bool {
    product.isSymmetric && product.n >= Self.leastHalved
      && product.n / Self.pairColumns * product.replicas >= cores
  }

  /// Enqueues the product.
  ///
  /// - Throws: `OpenCLError`.
  public func multiply(_ product: MatrixProduct, compute: Compute) throws {
    let plan = CPUProductPlan(
      product, isHalved: halves(product), width: compute.vectorWidth)
    let sizes = sizes(product, plan)
    let (left, right, result) = (plan.left.buffer, plan.right.buffer, product.c.buffer)
    let scratch = try scratch(compute)
    let global = [WorkShares.items(units: Int(sizes.units), cores: cores)]
    if case .update(let update, let weightDelta) = product.epilogue {
      let kernel = try compute.kernel(
        .multiply, "multiply_update", rule: update.rule, Buffer<Float>.self, Buffer<Float>.self,
        Buffer<SIMD4<Float>>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
        Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
        Buffer<Float>.self, Buffer<Float>.self, Float.self, Varying<UInt32>.self, UInt32.self,
        ProductSizes.self)
      let own = update.kernelArguments(of: result)
      try kernel(
        compute.queue, global: global, local: [1], left, right, own.rates, own.hyperparameters,
        own.steps, own.active, own.scales, result, own.first, own.second,
        weightDelta?.buffer ?? result, scratch, product.alpha, own.row, weightDelta == nil ? 0 : 1,
        sizes)
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

  private func sizes(_ product: MatrixProduct, _ plan: CPUProductPlan) -> ProductSizes {
    let cut = CPUProductCut(product, plan, cores: cores)
    return ProductSizes(
      leftStride: UInt64(plan.left.replicaStride(in: product.replicas)),
      rightStride: UInt64(plan.right.replicaStride(in: product.replicas)),
      scratchSize: UInt64(Self.scratchSize), order: plan.order.rawValue,
      rows: UInt32(plan.rows), columns: UInt32(plan.columns), depth: UInt32(product.k),
      leftRow: UInt32(plan.leftRow), leftStep: UInt32(plan.leftStep),
      rightPitch: UInt32(plan.rightPitch), blockDepth: UInt32(plan.blockDepth),
      blockColumns: UInt32(plan.blockColumns), rowCut: UInt32(cut.rowCut),
      columnCut: UInt32(cut.columnCut), units: UInt32(cut.units))
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
