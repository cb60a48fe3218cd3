import OpenCL
import Tensors

/// The tuning tasks of our own GPU kernels: a tile for large products and one for small.
///
/// A search starts from the tile that is taken for most of the class's products where nothing is tuned,
/// and its time is that of the choice among all default tiles. Each kernel is tried on small products
/// against the host when it is first used; then its products are compared with the default tiles'.
public struct TileTasks: TuningTasks {
  /// Families and classes in the order in which they are tuned.
  public let steps: [(family: String, shapeClass: String)]
  private let classes: [ProductClass]
  private let family: TileFamily
  private let shapes: [TuningShape]
  private let blockLength: Duration
  private let compute: Compute

  /// Tasks for layers of these shapes on `compute`'s device, in the precision of its products.
  public init(shapes: [TuningShape], compute: Compute) {
    self.init(shapes: shapes, blockLength: .milliseconds(10), compute: compute)
  }

  /// Tasks whose timings repeat a product for `blockLength`, short against the search.
  init(shapes: [TuningShape], blockLength: Duration, compute: Compute) {
    (self.shapes, self.blockLength, self.compute) = (shapes, blockLength, compute)
    let family = TileFamily(compute.backend.precision)
    classes = [.large, .small].filter { shapes.map(\.productClass).contains($0) }
    steps = classes.map { (family.name, $0.rawValue) }
    self.family = family
  }

  /// Each class is one step, which has all of its time.
  public func share(of step: Int) -> Double { 1 }

  /// The task of one step; what an earlier tuning found for it is tried first.
  ///
  /// - Throws: `OpenCLError`.
  public func task(of step: Int, found: [DeviceTuning.Kernel]) throws -> TuningTask {
    let device = compute.queue.device
    let products = shapes.filter { $0.productClass == classes[step] }.flatMap(\.products)
    let timing = try ProductTiming(products, blockLength: blockLength, compute: compute)
    let usual = try GPUBackend(
      device: device, precision: family.precision, usesWarpgroups: false)
    let start = mostFrequent(
      products.map {
        usual.kernel(m: $0.m, n: $0.n, k: $0.k, replicas: $0.replicas).tile.parameters
      })
    let earlier = DeviceTuning(key: .init(device), date: "", kernels: found)
      .parameters(family: family.name, shapeClass: classes[step].rawValue)
    let candidates = TileCandidates(family: family, device: device)
    let check = ProductCheck(expected: usual, compute: compute)
    let (family, limits) = (family, KernelLimits(tuningTilesOn: device))
    func backend(_ parameters: [String: Int]) throws -> GPUBackend {
      parameters == start ? usual : try candidates.backend(parameters)
    }
    return TuningTask(
      family: family.name, shapeClass: classes[step].rawValue, start: start,
      space: ParameterSpace(
        values: family.values, known: (earlier.map { [$0] } ?? []) + family.known,
        accepts: { family.kernel($0, on: limits) != nil }),
      time: { try timing.milliseconds(backend($0)) },
      isRight: { try check.isRight(backend($0)) })
  }

  /// Whether products under a tuning are those of the default tiles, by each tile that it has.
  ///
  /// - Throws: `OpenCLError`.
  public static func isRight(_ tuning: DeviceTuning, compute: Compute) throws -> Bool {
    let device = compute.queue.device
    for family in TileFamily.all where KernelLimits(device).allow(family.precision) {
      let kernels = tuning.kernels.filter { $0.family == family.name }
      if kernels.isEmpty { continue }
      let candidates = TileCandidates(family: family, device: device)
      let usual = try GPUBackend(
        device: device, precision: family.precision, usesWarpgroups: false)
      let check = ProductCheck(expected: usual, compute: compute)
      // What goes wrong with the default tiles is no fault of the tuning.
      guard try check.isRight(usual) else { return false }
      for kernel in kernels {
        do {
          guard try check.isRight(candidates.backend(kernel.parameters)) else { return false }
        } catch let error where GPUBackend.isRejection(error) {
          return false
        }
      }
    }
    return true
  }

  private func mostFrequent(_ parameters: [[String: Int]]) -> [String: Int] {
    let counts = Dictionary(parameters.map { ($0, 1) }, uniquingKeysWith: +)
    return parameters.max { counts[$0]! < counts[$1]! }!
  }
}

/// Backends of one tile each, made once: a kernel is compiled and tried at its first product.
private final class TileCandidates {
  private let family: TileFamily
  private let device: Device
  private var made: [[String: Int]: GPUBackend] = [:]

  init(family: TileFamily, device: Device) {
    (self.family, self.device) = (family, device)
  }

  /// - Throws: `OpenCLError.unsupported` for parameters that the device cannot run.
  func backend(_ parameters: [String: Int]) throws -> GPUBackend {
    if let known = made[parameters] { return known }
    guard let kernel = family.kernel(parameters, on: KernelLimits(tuningTilesOn: device)) else {
      throw OpenCLError.unsupported(operation: "a tile of \(parameters)", device: device.name)
    }
    let backend = GPUBackend(kernels: [kernel], units: device.computeUnits)
    made[parameters] = backend
    return backend
  }
}
