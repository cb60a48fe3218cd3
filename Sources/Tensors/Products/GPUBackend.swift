import OpenCL

/// Matrix products by our own kernels for GPUs, with their epilogues (Kernels/multiply_local.cl,
/// multiply_tensor.cl, slices.cl; multiply_warpgroup.cl with pack.cl).
///
/// Every element is summed in an order that the product's shape and the number of replicas decide:
/// in the order of k, in slices where there are too few tiles for a GPU (`ProductSlices`), or by
/// warpgroups where there are so many that packing the operands pays (`WarpgroupChoice`). So its bits
/// do not depend on the tile, and on the replica's group only by how k is sliced and by what pays. A kernel is compiled
/// for each variant of a product that comes up, and tried on a small product before it is first used;
/// a tile whose kernel does not compile or is wrong is not used, and where none is left that is an
/// error.
public final class GPUBackend: GEMMBackend {
  /// `tiled`.
  public let name = "tiled"
  /// What operands are rounded to.
  public let precision: ProductPrecision
  /// Tiles that did not pass their trial, and why.
  public private(set) var rejected: [(tile: any ProductTile, reason: any Error)] = []

  private(set) var kernels: [GPUProductKernel]
  /// Kernels of warpgroups, which come before the others where they pay; one that fails its trial is taken
  /// out, and the others serve its products.
  private(set) var warpgroups: WarpgroupChoice
  /// Those that a tuning found for a class of products.
  private var tuned: [ProductClass: GPUProductKernel]
  private let units: Int
  private var loaded: [LoadedKey: LoadedKernel] = [:]
  /// Of Kernels/slices.cl, by what becomes of the sums.
  private var sums: [ProductVariant: AddSlices] = [:]
  /// Of Kernels/pack.cl.
  private var packs: [PackKey: Pack] = [:]

  private struct LoadedKey: Hashable {
    let kernel: GPUProductKernel
    let variant: ProductVariant
  }

  private struct PackKey: Hashable {
    let name: String
    let isAligned: Bool
  }

  private typealias Multiply = Kernel<
    Buffer<Float>, Buffer<Float>, Buffer<Float>, Buffer<Float>, Buffer<Float>, Float, UInt32,
    UInt32, UInt32, UInt64, UInt64
  >
  private typealias MultiplySlice = Kernel<
    Buffer<Float>, Buffer<Float>, Buffer<Float>, UInt32, UInt32, UInt32, UInt32, UInt64, UInt64
  >
  private typealias MultiplyUpdate = Kernel<
    Buffer<Float>, Buffer<Float>, Buffer<SIMD4<Float>>, Buffer<Float>, Buffer<Float>,
    Buffer<Float>, Buffer<Float>, Buffer<Float>, Buffer<Float>, Buffer<Float>, Buffer<Float>, Float,
    Varying<UInt32>, UInt32, UInt32, UInt32, UInt32, UInt64, UInt64
  >
  private typealias AddSlices = Kernel<
    Buffer<Float>, Buffer<Float>, Buffer<Float>, Buffer<Float>, Float, UInt32, UInt32, UInt32
  >
  private typealias Pack = Kernel<Buffer<Float>, Buffer<Float>, UInt32, UInt32>

  private enum LoadedKernel {
    case multiply(Multiply)
    case slice(MultiplySlice)
    case update(MultiplyUpdate)
  }

  /// The tiles that fit `device`, and those of its tuning.
  ///
  /// - usesWarpgroups: whether kernels of warpgroups are used where the device has them; without, all
  ///   products are those of tiles that can be tuned.
  /// - Throws: `OpenCLError.unsupported` where none does.
  package convenience init(
    device: Device, precision: ProductPrecision, tuning: DeviceTuning? = nil,
    usesWarpgroups: Bool = true
  ) throws {
    let family = TileFamily(precision)
    let kernels = family.defaults.filter { $0.tile.fits(device) }
    guard !kernels.isEmpty else {
      throw OpenCLError.unsupported(operation: "every tile of a product", device: device.name)
    }
    self.init(
      kernels: kernels, units: device.computeUnits,
      tuned: tuning.map { family.kernels(of: $0, on: KernelLimits(tuningTilesOn: device)) } ?? [:],
      warpgroups: usesWarpgroups
        ? WarpgroupChoice(device: device, precision: precision)
        : WarpgroupChoice(kernels: [], units: 1))
  }

  /// - kernels: of one precision, at least one; `tuned`, of the same, come before them, and `warpgroups`,
  ///   where they pay, before all.
  package init(
    kernels: [GPUProductKernel], units: Int, tuned: [ProductClass: GPUProductKernel] = [:],
    warpgroups: WarpgroupChoice = WarpgroupChoice(kernels: [], units: 1)
  ) {
    precondition(
      Set((kernels + tuned.values).map(\.precision)).count == 1, "kernels of several precisions")
    self.kernels = kernels
    self.tuned = tuned
    self.units = units
    self.warpgroups = warpgroups
    precision = kernels[0].precision
  }

  /// Everything, updates in the mode of a weight's gradient.
  public func fuses(_ product: MatrixProduct) -> Bool {
    guard case .update = product.epilogue else { return true }
    return product.mode == .tn
  }

  /// Where that is faster, with the copy that it asks for. Slices are summed whole.
  public func halves(_ product: MatrixProduct) -> Bool {
    guard product.isSymmetric, ProductSlices(product).count == 1 else { return false }
    return seconds(product, isHalved: true) + WarpgroupChoice.copying(product.c)
      < seconds(product, isHalved: false)
  }

  /// A guess at what a product takes that is not sliced.
  private func seconds(_ product: MatrixProduct, isHalved: Bool) -> Double {
    if let choice = warpgroups.choice(for: product, isHalved: isHalved) { return choice.seconds }
    let (m, n, k, replicas) = (product.m, product.n, product.k, product.replicas)
    let elements = kernel(m, n, k, replicas, 1, isHalved).tile.cost(
      m: m, n: n, replicas: replicas, isHalved: isHalved, units: units)
    return elements * 2 * Double(k) / WarpgroupChoice.plainRate(precision, units: 1)
  }

  /// Tiles of its own precision, for classes that there are.
  public func takes(_ kernel: DeviceTuning.Kernel) -> Bool {
    kernel.family == TileFamily(precision).name
      && ProductClass(rawValue: kernel.shapeClass) != nil
  }

  /// Enqueues the product.
  ///
  /// - Throws: `OpenCLError`; `ProductTrialError` where every tile's kernel is wrong.
  public func multiply(_ product: MatrixProduct, compute: Compute) throws {
    let isHalved = halves(product)
    while let best = warpgroups.choice(for: product, isHalved: isHalved)?.kernel {
      let own = product.withoutLongNonlinearity
      let ready: LoadedKernel
      do {
        ready = try load(
          best, ProductVariant(own, isSliced: false, isHalved: isHalved), compute)
      } catch let error where Self.isRejection(error) {
        reject(best, error)
        continue
      }
      let whole = ProductSlices(k: product.k, depth: product.k)
      try launch(ready, best, own, whole, compute.pool, compute)
      return try product.applyLongNonlinearity(compute)
    }
    let slices = ProductSlices(product)
    let variant = ProductVariant(product, isSliced: slices.count > 1, isHalved: isHalved)
    while true {
      let best = kernel(
        product.m, product.n, product.k, product.replicas, slices.count, isHalved)
      let ready: LoadedKernel
      do {
        ready = try load(best, variant, compute)
      } catch let error where Self.isRejection(error) && mayReject(best) {
        reject(best, error)
        continue
      }
      return try launch(ready, best, product, slices, compute.pool, compute)
    }
  }

  /// The kernel for products of this shape: a tuned one, unless most of its tiles would be empty.
  package func kernel(m: Int, n: Int, k: Int, replicas: Int) -> GPUProductKernel {
    kernel(m, n, k, replicas, ProductSlices(m: m, n: n, k: k, replicas: replicas).count, false)
  }

  private func kernel(
    _ m: Int, _ n: Int, _ k: Int, _ replicas: Int, _ slices: Int, _ isHalved: Bool
  ) -> GPUProductKernel {
    func cost(_ kernel: GPUProductKernel) -> Double {
      kernel.tile.cost(
        m: m, n: n, replicas: replicas, slices: slices, isHalved: isHalved, units: units)
    }
    let best = kernels.min { cost($0) < cost($1) }!
    guard let tuned = tuned[ProductClass(m: m, n: n, k: k)],
      cost(tuned) <= Self.tunedCost * cost(best)
    else { return best }
    return tuned
  }

  /// A tuned tile is not used where it is guessed to take this many times as long as the best other.
  private static let tunedCost = 2.0

  /// Compiles and tries the variants of `ProductVariant.trialled` of every tile; tiles that fail are
  /// in `rejected`.
  ///
  /// - Throws: as `multiply`.
  public func tryAll(compute: Compute) throws {
    let kernels = kernels + Set(tuned.values).subtracting(kernels) + warpgroups.kernels
    func variants(_ kernel: GPUProductKernel) -> [ProductVariant] {
      ProductVariant.trialled.filter { kernel.serves($0.ending) }
    }
    compute.prepare(
      kernels.flatMap { kernel in variants(kernel).map { program(kernel, $0, compute) } })
    for kernel in kernels {
      do {
        for variant in variants(kernel) { _ = try load(kernel, variant, compute) }
      } catch let error where Self.isRejection(error) && mayReject(kernel) {
        reject(kernel, error)
      }
    }
  }

  /// Makes sure that there is a tile whose kernels compile and are right for these transpose modes,
  /// compiling one program for each where the first does; other tiles and variants are tried when they
  /// are first used.
  ///
  ///     let backend = try GPUBackend(device: device, precision: .tf32)
  ///     let compute = try Compute(device: device, backend: backend, vectorWidth: 4)
  ///     try backend.tryOut(TransposeMode.allCases, compute: compute)
  ///
  /// - Throws: as `multiply`.
  public func tryOut(_ modes: [TransposeMode], compute: Compute) throws {
    let variants = modes.map { ProductVariant($0, isAligned: true, ending: .plain) }
    while true {
      // The smallest: the least to compile, and what every device has room for.
      let kernel = kernels.last!
      compute.prepare(variants.map { program(kernel, $0, compute) })
      do {
        for variant in variants { _ = try load(kernel, variant, compute) }
        return
      } catch let error where Self.isRejection(error) && mayReject(kernel) {
        reject(kernel, error)
      }
    }
  }

  /// Whether there are kernels for every product without this one.
  private func mayReject(_ kernel: GPUProductKernel) -> Bool { kernels != [kernel] }

  private func reject(_ kernel: GPUProductKernel, _ error: any Error) {
    kernels.removeAll { $0 == kernel }
    tuned = tuned.filter { $0.value != kernel }
    warpgroups.remove(kernel)
    rejected.append((kernel.tile, error))
  }

  /// Whether a trial's error speaks of the kernel, not of the device's state or memory.
  package static func isRejection(_ error: any Error) -> Bool {
    TrialError.speaksOfTheKernel(error)
  }

  private func program(
    _ kernel: GPUProductKernel, _ variant: ProductVariant, _ compute: Compute
  ) -> ProgramKey {
    kernel.program(variant, platform: compute.queue.device.platform)
  }

  /// The kernel of a variant, tried if it is new.
  private func load(
    _ kernel: GPUProductKernel, _ variant: ProductVariant, _ compute: Compute
  ) throws -> LoadedKernel {
    let key = LoadedKey(kernel: kernel, variant: variant)
    if let known = loaded[key] { return known }
    let program = program(kernel, variant, compute)
    let made: LoadedKernel =
      switch variant.ending {
      case .slice: .slice(try compute.load(program, variant.kernel))
      case .epilogue: .multiply(try compute.load(program, variant.kernel))
      case .update: .update(try compute.load(program, variant.kernel))
      }
    let tile = kernel.tile
    let trial = ProductTrial(
      variant: variant, rows: tile.rows, columns: tile.columns, depth: kernel.trialDepth,
      precision: precision)
    try TrialError.retried(compute: compute) {
      try trial.run(compute: compute) { try launch(made, kernel, $0, $1, $2, compute) }
    }
    loaded[key] = made
    return made
  }

  private func launch(
    _ loaded: LoadedKernel, _ kernel: GPUProductKernel, _ product: MatrixProduct,
    _ slices: ProductSlices, _ pool: BufferPool, _ compute: Compute
  ) throws {
    let tile = kernel.tile
    let (left, right) =
      kernel.packsOperands ? try pack(product, pool, compute) : (product.a, product.b)
    let (a, b, c) = (left.buffer, right.buffer, product.c.buffer)
    let (m, n, k) = (UInt32(product.m), UInt32(product.n), UInt32(product.k))
    let strideA = UInt64(left.replicaStride(in: product.replicas))
    let strideB = UInt64(right.replicaStride(in: product.replicas))
    let tiles =
      (product.m + tile.rows - 1) / tile.rows * ((product.n + tile.columns - 1) / tile.columns)
    let global = [tiles * tile.workItems, product.replicas]
    let local = [tile.workItems, 1]
    switch loaded {
    case .multiply(let multiply):
      let (side, output, _, _) = product.epilogue.kernelArguments
      try multiply(
        compute.queue, global: global, local: local, a, b, side?.buffer ?? c, c,
        output?.buffer ?? c, product.alpha, m, n, k, strideA, strideB)
    case .slice(let multiplySlice):
      let partial = try Tensor(
        replicas: slices.count * product.replicas, rows: product.m, columns: product.n, pool: pool)
      try multiplySlice(
        compute.queue, global: global + [slices.count], local: local + [1], a, b, partial.buffer,
        m, n, k, UInt32(slices.depth), strideA, strideB)
      try add(partial, slices.count, product, compute)
    case .update(let multiplyUpdate):
      guard case .update(let update, let weightDelta) = product.epilogue else {
        preconditionFailure("a kernel of updates for \(product.epilogue)")
      }
      let own = update.kernelArguments(of: c)
      try multiplyUpdate(
        compute.queue, global: global, local: local, a, b, own.rates, own.hyperparameters,
        own.steps, own.active, own.scales, c, own.first, own.second, weightDelta?.buffer ?? c,
        product.alpha, own.row, weightDelta == nil ? 0 : 1, m, n, k, strideA, strideB)
    }
  }

  /// Both operands as kernels of warpgroups take them.
  private func pack(
    _ product: MatrixProduct, _ pool: BufferPool, _ compute: Compute
  ) throws -> (a: Tensor, b: Tensor) {
    func packed(_ operand: Tensor, _ name: String, rows: Int) throws -> Tensor {
      let layout = PackedOperand(rows: rows, depth: product.k, precision: precision)
      let result = try Tensor(
        replicas: operand.replicas, rows: layout.blocks, columns: PackedOperand.blockFloats,
        pool: pool)
      let key = PackKey(name: name, isAligned: product.isAligned)
      let kernel = try packs[key] ?? compute.load(layout.program(isAligned: key.isAligned), name)
      packs[key] = kernel
      try kernel(
        compute.queue, global: [layout.packingItems, operand.replicas], local: [256, 1],
        operand.buffer, result.buffer, UInt32(rows), UInt32(product.k))
      return result
    }
    // Neighbours in memory are neighbours by k, or by row.
    let (left, right) = (
      product.mode == .tn ? "pack_columns" : "pack_rows",
      product.mode == .nt ? "pack_rows" : "pack_columns"
    )
    let a = try packed(product.a, left, rows: product.m)
    let isSame = product.a.buffer === product.b.buffer && left == right
    return (a, isSame ? a : try packed(product.b, right, rows: product.n))
  }

  /// Adds the slices' sums and applies the product's epilogue.
  private func add(
    _ partial: Tensor, _ slices: Int, _ product: MatrixProduct, _ compute: Compute
  ) throws {
    // Sums know nothing of operands: one transpose mode stands for all.
    let variant = ProductVariant(
      .nn, isAligned: product.isAligned, ending: product.epilogue.ending)
    let kernel =
      try sums[variant]
      ?? compute.load(
        ProgramKey(source: .slices, definitions: variant.parameters.mapValues(String.init)),
        "add_slices")
    sums[variant] = kernel
    let (c, (side, output, _, _)) = (product.c.buffer, product.epilogue.kernelArguments)
    let spans = product.m * ((product.n + 3) / 4)
    try kernel(
      compute.queue, global: [compute.roundUp(spans, 64), product.replicas], local: [64, 1],
      partial.buffer, side?.buffer ?? c, c, output?.buffer ?? c, product.alpha, UInt32(slices),
      UInt32(product.m), UInt32(product.n))
  }
}
