import COpenCL
import OpenCL

/// Matrix products by our own kernels for GPUs, with their epilogues (Kernels/multiply_local.cl,
/// multiply_tensor.cl).
///
/// Every element is summed in an order that k alone decides: its bits depend neither on the tile
/// nor on the replica's group. Each kernel is tried on a small product before it is first used; a
/// tile whose kernel does not compile or is wrong is not used, and where none is left that is an
/// error.
public final class GPUMultiplier: MatrixMultiplier {
  /// `tiled`.
  public let name = "tiled"
  /// What operands are rounded to.
  public let precision: ProductPrecision
  /// Tiles that did not pass their trial, and why.
  public private(set) var rejected: [(tile: any ProductTile, reason: any Error)] = []

  private(set) var kernels: [GPUProductKernel]
  /// Those that a tuning found for a class of products.
  private var tuned: [ProductClass: GPUProductKernel]
  private let units: Int
  private var loaded: [Variant: LoadedKernels] = [:]

  private struct Variant: Hashable {
    let kernel: GPUProductKernel
    let form: ProductForm
  }

  private typealias Multiply = Kernel<
    Buffer<Float>, Buffer<Float>, Buffer<Float>, Buffer<Float>, Buffer<Float>, Float, UInt32,
    UInt32, UInt32, UInt32, UInt32, UInt64, UInt64
  >
  private typealias MultiplyUpdate = Kernel<
    Buffer<Float>, Buffer<Float>, Buffer<SIMD4<Float>>, Buffer<Float>, Buffer<Float>,
    Buffer<Float>, Buffer<Float>, Buffer<Float>, Float, Float, Float, Float, Float, Float, UInt32,
    UInt32, UInt32, UInt32, UInt32, UInt64, UInt64
  >

  private struct LoadedKernels {
    let multiply: Multiply
    /// Of form TN.
    let update: MultiplyUpdate?
  }

  /// The tiles that fit `device`, and those of its tuning.
  ///
  /// - Throws: `OpenCLError.unsupported` where none does.
  package convenience init(
    device: Device, precision: ProductPrecision, tuning: DeviceTuning? = nil
  ) throws {
    let family = TileFamily(precision)
    let kernels = family.defaults.filter { $0.tile.fits(device) }
    guard !kernels.isEmpty else {
      throw OpenCLError.unsupported(operation: "every tile of a product", device: device.name)
    }
    self.init(
      kernels: kernels, units: device.computeUnits,
      tuned: tuning.map { family.kernels(of: $0, on: KernelLimits(device)) } ?? [:])
  }

  /// - kernels: of one precision, at least one; `tuned`, of the same, come before them.
  package init(
    kernels: [GPUProductKernel], units: Int, tuned: [ProductClass: GPUProductKernel] = [:]
  ) {
    precondition(
      Set((kernels + tuned.values).map(\.precision)).count == 1, "kernels of several precisions")
    self.kernels = kernels
    self.tuned = tuned
    self.units = units
    precision = kernels[0].precision
  }

  /// Everything, updates in the form of a weight's gradient.
  public func fuses(_ product: MatrixProduct) -> Bool {
    guard case .update = product.epilogue else { return true }
    return product.form == .tn
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
    while true {
      let best = kernel(
        m: product.m, n: product.n, k: product.k, replicas: product.replicas)
      let ready: LoadedKernels
      do {
        ready = try load(best, product.form, compute)
      } catch let error where Self.isRejection(error) && mayReject(best) {
        reject(best, error)
        continue
      }
      return try launch(ready, best.tile, product, compute)
    }
  }

  /// The kernel for products of this shape: a tuned one, unless most of its tiles would be empty.
  package func kernel(m: Int, n: Int, k: Int, replicas: Int) -> GPUProductKernel {
    func cost(_ kernel: GPUProductKernel) -> Double {
      kernel.tile.cost(m: m, n: n, replicas: replicas, units: units)
    }
    let best = kernels.min { cost($0) < cost($1) }!
    guard let tuned = tuned[ProductClass(m: m, n: n, k: k)],
      cost(tuned) <= Self.tunedCost * cost(best)
    else { return best }
    return tuned
  }

  /// A tuned tile is not used where it is guessed to take this many times as long as the best other.
  private static let tunedCost = 2.0

  /// Compiles and tries every form of every tile; those that fail are in `rejected`.
  ///
  /// - Throws: as `multiply`.
  public func tryAll(compute: Compute) throws {
    let extra = Set(tuned.values).subtracting(kernels)
    for kernel in kernels + extra {
      for form in ProductForm.allCases {
        do {
          _ = try load(kernel, form, compute)
        } catch let error where Self.isRejection(error) && mayReject(kernel) {
          reject(kernel, error)
          break
        }
      }
    }
  }

  /// Makes sure that one tile's kernels compute products of `form`: the smallest, which every network's
  /// last layer takes; each other is tried when it is first used.
  ///
  /// - Throws: as `multiply`.
  public func tryOut(_ form: ProductForm, compute: Compute) throws {
    while let smallest = kernels.last {
      do {
        _ = try load(smallest, form, compute)
        return
      } catch let error where Self.isRejection(error) && mayReject(smallest) {
        reject(smallest, error)
      }
    }
  }

  /// Whether there are kernels for every product without this one.
  private func mayReject(_ kernel: GPUProductKernel) -> Bool { kernels != [kernel] }

  private func reject(_ kernel: GPUProductKernel, _ error: any Error) {
    kernels.removeAll { $0 == kernel }
    tuned = tuned.filter { $0.value != kernel }
    rejected.append((kernel.tile, error))
  }

  /// Whether a trial's error speaks of the kernel, not of the device's state or memory: a kernel
  /// of too many registers compiles, and fails when it is launched.
  package static func isRejection(_ error: any Error) -> Bool {
    switch error {
    case OpenCLError.buildFailed, is ProductTrialError: true
    case OpenCLError.callFailed(_, let code, _):
      [CL_OUT_OF_RESOURCES, CL_INVALID_WORK_GROUP_SIZE].contains(code)
    default: false
    }
  }

  /// The kernels of a variant, tried if they are new.
  private func load(
    _ kernel: GPUProductKernel, _ form: ProductForm, _ compute: Compute
  ) throws -> LoadedKernels {
    let variant = Variant(kernel: kernel, form: form)
    if let known = loaded[variant] { return known }
    let definitions = kernel.definitions(form)
    let made = LoadedKernels(
      multiply: try compute.load(kernel.source, "multiply", definitions: definitions),
      update: form == .tn
        ? try compute.load(kernel.source, "multiply_update", definitions: definitions) : nil)
    try ProductTrial(form: form, tile: kernel.tile, precision: precision).run(compute: compute) {
      try launch(made, kernel.tile, $0, compute)
    }
    loaded[variant] = made
    return made
  }

  private func launch(
    _ kernels: LoadedKernels, _ tile: any ProductTile, _ product: MatrixProduct, _ compute: Compute
  ) throws {
    let (a, b, c) = (product.a.buffer, product.b.buffer, product.c.buffer)
    let (m, n, k) = (UInt32(product.m), UInt32(product.n), UInt32(product.k))
    let (strideA, strideB) = (UInt64(product.strideA), UInt64(product.strideB))
    let tiles =
      (product.m + tile.rows - 1) / tile.rows * ((product.n + tile.columns - 1) / tile.columns)
    let global = [tiles * tile.workItems, product.replicas]
    let local = [tile.workItems, 1]
    if case .update(let update, let change) = product.epilogue {
      let (rule, numbers) = update.direction.kernelArguments
      let state = update.direction.state.map(\.buffer) + [c, c]
      try kernels.update!(
        compute.queue, global: global, local: local, a, b, update.rates.buffer,
        update.active.buffer, c, state[0], state[1], change?.buffer ?? c, product.alpha,
        update.schedule, numbers.x, numbers.y, numbers.z, numbers.w, rule, change == nil ? 0 : 1,
        m, n, k, strideA, strideB)
    } else {
      let (side, output, flags, kind) = product.epilogue.kernelArguments
      try kernels.multiply(
        compute.queue, global: global, local: local, a, b, side?.buffer ?? c, c,
        output?.buffer ?? c, product.alpha, flags, kind, m, n, k, strideA, strideB)
    }
  }
}
