import Foundation
import OpenCL
import Tensors

/// Computations that no other test has at the moment.
///
/// Compiling a program that PoCL has in its cache still takes it a tenth of a second, one at a time in a
/// process, and most tests run the same programs: so those of an earlier test are taken where there are some.
/// A test that counts programs, buffers or trials needs a computation that it makes itself; none may keep a tensor
/// longer than its computation.
extension Compute {
  /// One on the best device, of its own vector width and kernel variant.
  public static func idle(backend: BackendChoice = .automatic) throws -> Compute {
    try idle(as: backend) { try Compute(device: .find(.best), backend: backend) }
  }

  /// One on the best device.
  ///
  /// - kernelVariant: nil for the device's own.
  public static func idle(
    backend: BackendChoice = .automatic, vectorWidth: Int, kernelVariant: KernelVariant? = nil
  ) throws -> Compute {
    try idle(as: "\(backend) \(vectorWidth) \(kernelVariant?.rawValue ?? "")") {
      try Compute(
        device: .find(.best), backend: backend, vectorWidth: vectorWidth,
        kernelVariant: kernelVariant)
    }
  }

  /// One that was made as `kind`, or what `make` returns.
  public static func idle<Kind: Hashable & Sendable>(
    as kind: Kind, or make: () throws -> Compute
  ) throws -> Compute {
    if let compute = ComputePool.shared.takeIdle(kind) { return compute }
    let compute = try make()
    ComputePool.shared.add(compute, kind)
    return compute
  }
}

/// The computations that tests have made, in use or not.
private final class ComputePool: @unchecked Sendable {
  static let shared = ComputePool()

  private let lock = NSLock()
  private var made: [AnyHashable: [Compute]] = [:]

  /// One that only the pool knows, with what it has compiled, tried and counted, but not one whose backend has
  /// given way.
  func takeIdle(_ kind: some Hashable) -> Compute? {
    lock.withLock {
      let kind = AnyHashable(kind)
      for index in made[kind, default: []].indices
      where isKnownUniquelyReferenced(&made[kind]![index]) {
        let compute = made[kind]![index]
        guard compute.rejectedBackends.isEmpty, (try? compute.releaseUnusedMemory()) != nil
        else { continue }
        (compute.onChipUse, compute.recordsSteps) = (.automatic, true)
        (compute.whenOnChipGivesWay, compute.whenBackendGivesWay) = (nil, nil)
        return compute
      }
      return nil
    }
  }

  func add(_ compute: Compute, _ kind: some Hashable) {
    lock.withLock { made[AnyHashable(kind), default: []].append(compute) }
  }
}
