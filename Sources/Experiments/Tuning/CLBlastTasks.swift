import Foundation
import OpenCL
import Tensors

/// The tuning tasks of CLBlast's kernels, each made with what those before it found.
///
/// First the large products' kernel and what prepares its operands, with every product sent to it;
/// then the small products' kernel, likewise; then the size at which one takes over from the other,
/// which is reckoned from the times of both.
public struct CLBlastTasks: TuningTasks {
  /// Families and classes in the order in which they are tuned.
  public let steps: [(family: String, shapeClass: String)]
  private let kernels: [CLBlastKernel]
  private let shapes: [TuningShape]
  private let blockLength: Duration
  private let compute: Compute

  /// Switch points that send every product to one kernel.
  private static let (alwaysIndirect, alwaysDirect) = (0, 1 << 20)

  /// Tasks for layers of these shapes on `compute`'s device.
  public init(shapes: [TuningShape], compute: Compute) {
    self.init(shapes: shapes, blockLength: .milliseconds(10), compute: compute)
  }

  /// Tasks whose timings repeat a product for `blockLength`, short against the search.
  init(shapes: [TuningShape], blockLength: Duration, compute: Compute) {
    (self.shapes, self.blockLength, self.compute) = (shapes, blockLength, compute)
    kernels = [.indirect, .transpose, .pad, .direct, .routine].filter { kernel in
      kernel == .routine || shapes.contains { ($0.productClass == .small) == (kernel == .direct) }
    }
    steps = kernels.map { ($0.family, $0.shapeClass) }
  }

  /// The share of a class's time that a step gets.
  public func share(of step: Int) -> Double {
    switch kernels[step] {
    case .indirect: 0.7
    case .transpose: 0.2
    case .pad: 0.1
    case .direct, .routine: 1
    }
  }

  /// The task of one step; `found` is what the steps before it, or an earlier tuning, found.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func task(of step: Int, found: [DeviceTuning.Kernel]) throws -> TuningTask {
    let kernel = kernels[step]
    let device = compute.queue.device
    let start = try CLBlastSettings.ownParameters(of: kernel, on: device)
    let tuning = DeviceTuning(key: .init(device), date: "", kernels: found)
    let shapes = shapes.filter {
      kernel == .routine || ($0.productClass == .small) == (kernel == .direct)
    }
    var settings = CLBlastSettings(tuning, device: device)
    if kernel != .routine {
      settings = try Self.sending(
        to: kernel, settings, works: shapes.map(\.work) + ProductCheck.works, device: device)
    }
    let timing = try ProductTiming(
      shapes.flatMap(\.products), blockLength: blockLength, compute: compute)
    let limits = KernelLimits(device)
    // What an earlier search found has to hold again.
    let earlier = tuning.parameters(family: kernel.family, shapeClass: kernel.shapeClass)
    let known =
      (earlier.map { [$0] } ?? [])
      + (kernel == .routine ? [try switchPoint(settings: settings, timing)] : kernel.known)
    let check = ProductCheck(
      expected: CLBlastBackend(settings: settings.with([kernel: start])), compute: compute)
    let backend = { CLBlastBackend(settings: settings.with([kernel: $0])) }
    return TuningTask(
      family: kernel.family, shapeClass: kernel.shapeClass, start: start,
      space: ParameterSpace(
        values: kernel.values, known: known, accepts: { kernel.accepts($0, on: limits) }),
      time: { try timing.milliseconds(backend($0)) },
      isRight: { try check.isRight(backend($0)) })
  }

  /// Whether products under a tuning are CLBlast's own, by each kernel that it changes.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public static func isRight(_ tuning: DeviceTuning, compute: Compute) throws -> Bool {
    let device = compute.queue.device
    let settings = CLBlastSettings(tuning, device: device)
    let changed = Set(settings.parameters.keys)
    let routes = [
      changed.contains(.direct) ? CLBlastKernel.direct : nil,
      changed.isDisjoint(with: [.indirect, .pad, .transpose]) ? nil : .indirect,
    ]
    return try routes.compactMap(\.self).allSatisfy { kernel in
      let own = try sending(to: kernel, .own, works: ProductCheck.works, device: device)
      let check = ProductCheck(expected: CLBlastBackend(settings: own), compute: compute)
      return try check.isRight(
        CLBlastBackend(
          settings: settings.with([.routine: nil]).with(own.parameters)))
    }
  }

  /// Settings under which products of these multiply-adds go to `kernel`, or to the one that it
  /// prepares operands for; as they are where CLBlast sends them there by default, which saves a
  /// compilation.
  private static func sending(
    to kernel: CLBlastKernel, _ settings: CLBlastSettings, works: [Double], device: Device
  ) throws -> CLBlastSettings {
    let own = try CLBlastSettings.ownParameters(of: .routine, on: device)
    let switchPoint = Double(own[CLBlastKernel.switchPoint] ?? 0)
    let isDirect = kernel == .direct
    if works.allSatisfy({ ($0 < switchPoint * switchPoint * switchPoint) == isDirect }) {
      return settings.with([.routine: nil])
    }
    let always = isDirect ? alwaysDirect : alwaysIndirect
    return settings.with([.routine: [CLBlastKernel.switchPoint: always]])
  }

  /// The switch point under which the products timed take the least time, as the sum of their logs.
  private func switchPoint(settings: CLBlastSettings, _ timing: ProductTiming) throws
    -> [String: Int]
  {
    func times(_ always: Int) throws -> [Double] {
      try timing.milliseconds(
        CLBlastBackend(
          settings: settings.with([.routine: [CLBlastKernel.switchPoint: always]])))
    }
    var gains = [Double](repeating: 0, count: timing.products.count)
    for _ in 0..<3 {
      let (indirect, direct) = (try times(Self.alwaysIndirect), try times(Self.alwaysDirect))
      for index in gains.indices { gains[index] += log(direct[index] / indirect[index]) }
    }
    return [
      CLBlastKernel.switchPoint: Self.switchPoint(
        zip(timing.products, gains).map { (Double($0.m) * Double($0.n) * Double($0.k), $1) })
    ]
  }

  /// The best switch point for products of some multiply-adds, by ln(direct/indirect) of their times.
  ///
  /// Between two sizes it lies at their geometric mean; beyond the last at its double.
  static func switchPoint(_ products: [(work: Double, gain: Double)]) -> Int {
    let sorted = products.sorted { $0.work < $1.work }
    guard let last = sorted.last else { return alwaysIndirect }
    var (best, bestGain) = (0.0, sorted.reduce(0) { $0 + $1.gain })
    var gain = bestGain
    for (index, product) in sorted.enumerated() {
      gain -= product.gain
      let next = index + 1 < sorted.count ? sorted[index + 1].work : last.work * 4
      if next > product.work && gain > bestGain {
        (best, bestGain) = ((product.work * next).squareRoot(), gain)
      }
    }
    return min(Int(cbrt(best).rounded(.up)), alwaysDirect)
  }
}
