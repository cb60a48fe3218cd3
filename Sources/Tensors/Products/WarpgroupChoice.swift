import OpenCL

/// Which products are worth packing their operands for kernels of warpgroups.
///
/// A guess at both routes' times in seconds, by figures of an H200 with 132 processors:
///
///     without      2·m·n·k·replicas / rate
///     warpgroups   rounds of tiles · 2·rows·columns·k / (a processor's rate)
///                  + packed and read bytes / 3.7 TB/s + two launches
///
///     rate, TFLOP/s   bf16 131, tf32 86, tf32x3 40;  warpgroups, of 256 columns 700, 380,
///                     of 128 columns 640, 355, 130
///
/// Products with little k are left out: there it is C that takes the time.
package struct WarpgroupChoice {
  /// The kernels, large tiles first; none on devices that have no warpgroups.
  private(set) var kernels: [GPUProductKernel]
  private let units: Int
  private let always: Bool

  static let leastDepth = 256
  private static let measuredUnits = 132.0
  private static let packing = 3.7e12
  private static let launch = 3e-6

  /// The kernels that `device` can run.
  init(device: Device, precision: ProductPrecision) {
    guard Self.isThere(on: device), precision.needsTensorCores else {
      self.init(kernels: [], units: 1)
      return
    }
    let limits = KernelLimits(tuningTilesOn: device)
    let tiles = WarpgroupTile.defaults(precision).filter { $0.fits(limits) }
    self.init(kernels: tiles.map { .warpgroup($0, precision) }, units: device.computeUnits)
  }

  /// Whether `device` has warpgroups: NVIDIA's of compute capability 9.0, and no other.
  package static func isThere(on device: Device) -> Bool {
    guard let version = device.computeCapability else { return false }
    return device.platform == Device.nvidiaPlatform && version == (9, 0)
  }

  /// - always: whether every product takes them, for tests.
  init(kernels: [GPUProductKernel], units: Int, always: Bool = false) {
    (self.kernels, self.units, self.always) = (kernels, units, always)
  }

  /// The kernel that `product` takes, and how long; nil where others are faster.
  ///
  /// - isHalved: whether what lies below the diagonal is left out.
  func choice(
    for product: MatrixProduct, isHalved: Bool = false
  ) -> (kernel: GPUProductKernel, seconds: Double)? {
    guard !kernels.isEmpty else { return nil }
    let product = product.withoutLongNonlinearity
    return choice(
      m: product.m, n: product.n, k: product.k, replicasA: product.a.replicas,
      replicasB: product.b.replicas, isHalved: isHalved,
      ending: ProductVariant(product, isSliced: false).ending)
  }

  /// The kernel for a product of this shape, and how long it takes; nil where others are faster.
  ///
  /// - ending: what becomes of the sums, which not every kernel serves.
  func choice(
    m: Int, n: Int, k: Int, replicasA: Int, replicasB: Int, isHalved: Bool = false,
    ending: ProductVariant.Ending = .plain
  ) -> (kernel: GPUProductKernel, seconds: Double)? {
    let replicas = max(replicasA, replicasB)
    func seconds(_ kernel: GPUProductKernel) -> Double {
      let tile = kernel.tile
      let groups = tile.tiles(m: m, n: n, isHalved: isHalved) * replicas
      let rounds = (Double(groups) / Double(units)).rounded(.up)
      return rounds * Double(tile.rows * tile.columns) * 2 * Double(k)
        / (Self.rate(kernel) / Self.measuredUnits)
    }
    let usable = kernels.filter { $0.serves(ending) }
    guard let best = usable.min(by: { seconds($0) < seconds($1) }) else { return nil }
    if always { return (best, seconds(best)) }
    guard k >= Self.leastDepth else { return nil }
    // Of a symmetric product both operands are one, which is packed once.
    let elements =
      Double(k) * (Double(m) * Double(replicasA) + (isHalved ? 0 : Double(n) * Double(replicasB)))
    let packing =
      elements * Double(4 + Self.packedBytes(best.precision)) / Self.packing + 2 * Self.launch
    let without =
      (isHalved ? 1 : 2) * Double(m) * Double(n) * Double(k) * Double(replicas)
      / Self.plainRate(best.precision, units: units)
    let total = seconds(best) + packing
    return total < without ? (best, total) : nil
  }

  /// How long it takes to copy half of `matrix` to the other half.
  static func copying(_ matrix: Tensor) -> Double {
    4 * Double(matrix.count) / packing + 2 * launch
  }

  /// Operations a second of `units` processors without warpgroups.
  static func plainRate(_ precision: ProductPrecision, units: Int) -> Double {
    let rate =
      switch precision {
      case .bf16: 131e12
      case .tf32: 86e12
      case .tf32x3, .fp32: 40e12
      }
    return rate * Double(units) / measuredUnits
  }

  /// Takes a kernel out that is not right.
  mutating func remove(_ kernel: GPUProductKernel) { kernels.removeAll { $0 == kernel } }

  private static func packedBytes(_ precision: ProductPrecision) -> Int {
    PackedOperand.parts(precision) * (precision == .bf16 ? 2 : 4)
  }

  private static func rate(_ kernel: GPUProductKernel) -> Double {
    let isLarge = kernel.tile.columns == 256
    return switch kernel.precision {
    case .bf16: isLarge ? 700e12 : 640e12
    case .tf32: isLarge ? 380e12 : 355e12
    case .tf32x3, .fp32: 130e12
    }
  }
}

extension Activation {
  /// Whether it takes a call of many instructions.
  var isLong: Bool { self == .tanh || hidesDerivative }
}

extension MatrixProduct {
  /// The product with what of its epilogue kernels of warpgroups apply; `applyLongNonlinearity` does the
  /// rest.
  var withoutLongNonlinearity: MatrixProduct {
    let short: ProductEpilogue
    switch epilogue {
    case .forward(let bias, let activation, .some) where activation.isLong:
      short = .forward(bias: bias, activation: .identity, output: nil)
    case .derivative(let derivative) where derivative.activation.isLong:
      short = .none
    default: return self
    }
    return MatrixProduct(mode, a, b, alpha: alpha, epilogue: short, into: c)
  }

  /// Enqueues what `withoutLongNonlinearity` left out, if anything.
  ///
  /// - Throws: `OpenCLError`.
  func applyLongNonlinearity(_ compute: Compute) throws {
    switch epilogue {
    case .forward(_, let activation, let output?) where activation.isLong:
      try compute.activate(c, activation, into: output)
    case .derivative(let derivative) where derivative.activation.isLong:
      try compute.multiplyByDerivative(c, of: derivative.activation, at: derivative.z)
    default: break
    }
  }
}

/// How an operand of a product lies for Kernels/multiply_warpgroup.cl: rounded, in blocks of 128 rows and
/// 128 bytes of k, padded with 0 (Kernels/packed.cl). Rows are A's rows, or B's columns.
struct PackedOperand: Equatable {
  /// Of one replica.
  let rows, depth: Int
  let precision: ProductPrecision

  /// Rows and bytes of a block.
  static let (blockRows, blockBytes) = (128, 128 * 128)

  /// Of k in a block.
  static func depth(_ precision: ProductPrecision) -> Int { precision == .bf16 ? 64 : 32 }
  /// Summands of a value.
  static func parts(_ precision: ProductPrecision) -> Int { precision == .tf32x3 ? 2 : 1 }

  private var rowBlocks: Int { (rows + Self.blockRows - 1) / Self.blockRows }
  private var depthBlocks: Int {
    (depth + Self.depth(precision) - 1) / Self.depth(precision)
  }

  /// Blocks of one replica, and floats that a block takes the room of.
  var blocks: Int { rowBlocks * depthBlocks * Self.parts(precision) }
  static let blockFloats = blockBytes / 4
  /// Work-items of Kernels/pack.cl: 256 for 32 rows of a block.
  var packingItems: Int { rowBlocks * (Self.blockRows / 32) * depthBlocks * 256 }

  /// What Kernels/pack.cl is compiled for.
  func program(isAligned: Bool) -> ProgramKey {
    ProgramKey(
      source: .pack,
      definitions: ["PRECISION": "\(precision.kernelCode!)", "ALIGNED": isAligned ? "1" : "0"])
  }
}
