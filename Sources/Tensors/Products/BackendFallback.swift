import COpenCL
import OpenCL

/// The GEMM backends that a computation may use, of which the first that works is in use.
///
/// A driver may compile a kernel and compute something else; so each backend is tried on small
/// products against the host before its first product of a transpose mode, and gives way to the
/// next where they are wrong.
final class BackendFallback {
  /// The backend in use.
  private(set) var current: any GEMMBackend
  /// Those that were in use before, and why they no longer are.
  private(set) var rejected: [(name: String, reason: any Error)] = []
  /// Called with the name of a backend that gives way, that of the next, and why.
  var whenGivingWay: ((String, String, any Error) -> Void)?
  /// Makes those that may take its place, in order.
  private var others: [() throws -> any GEMMBackend] = []
  private var tried: Set<TransposeMode> = []

  /// One backend alone.
  init(_ backend: any GEMMBackend) {
    current = backend
  }

  /// The backend asked for and, where another may take its place, all that `device` has.
  ///
  /// - Throws: `OpenCLError.unsupported` where the device cannot run it.
  init(
    _ choice: Compute.BackendChoice, fallsBack: Bool, device: Device, tuning: DeviceTuning?
  ) throws {
    let usual: [Compute.BackendChoice] =
      device.kind == .cpu
      ? [.opencl] + (device.supportsNativeKernels ? [.openblas] : []) + [.clblast]
      : [.tiled, .clblast, .opencl]
    let first = choice == .automatic ? usual[0] : choice
    current = try Self.make(first, device, tuning)
    guard fallsBack else { return }
    others = usual.filter { $0 != first }.map { other in
      { try Self.make(other, device, tuning) }
    }
  }

  private static func make(
    _ choice: Compute.BackendChoice, _ device: Device, _ tuning: DeviceTuning?
  ) throws -> any GEMMBackend {
    switch choice {
    case .openblas:
      guard device.supportsNativeKernels else {
        throw OpenCLError.unsupported(operation: "OpenBLAS", device: device.name)
      }
      return OpenBLASBackend()
    case .clblast:
      return CLBlastBackend(settings: tuning.map { CLBlastSettings($0, device: device) } ?? .own)
    case .tiled: return try GPUBackend(device: device, precision: .fp32, tuning: tuning)
    case .opencl, .automatic: return CPUBackend(cores: device.computeUnits)
    }
  }

  /// Whether the backend in use is known to compute products of `mode`: asked before every product.
  func hasTried(_ mode: TransposeMode) -> Bool { tried.contains(mode) }

  /// Makes sure that the backend in use computes products of `modes`, or that another is in use.
  ///
  /// - Throws: the first backend's error where none does; `OpenCLError` where memory is short.
  func prepare(_ modes: [TransposeMode], compute: Compute) throws {
    while true {
      let untried = modes.filter { !tried.contains($0) }
      if untried.isEmpty { return }
      do {
        try TrialError.retried(compute: compute) { try current.tryOut(untried, compute: compute) }
        try compute.releaseUnusedMemory()
        tried.formUnion(untried)
      } catch let error where TrialError.speaksOfTheKernel(error) {
        try giveWay(error)
      }
    }
  }

  /// Puts the next backend that this device can run in the place of the one in use.
  ///
  /// - Throws: the first backend's error where there is none.
  func giveWay(_ error: any Error) throws {
    guard let next = try next() else { throw rejected.first?.reason ?? error }
    rejected.append((current.name, error))
    whenGivingWay?(current.name, next.name, error)
    current = next
    tried = []
  }

  private func next() throws -> (any GEMMBackend)? {
    while !others.isEmpty {
      do {
        return try others.removeFirst()()
      } catch OpenCLError.unsupported {
        continue
      }
    }
    return nil
  }
}

/// What an error of a trial speaks of: the kernel that is tried, or the device's state.
package enum TrialError {
  /// Whether it is the kernel that does not compile, cannot be launched or is wrong. A kernel of too
  /// many registers compiles, and is out of resources when it is launched.
  package static func speaksOfTheKernel(_ error: any Error) -> Bool {
    switch error {
    case is ProductTrialError: true
    case OpenCLError.callFailed(_, let code, _): speaksOfTheKernel(code)
    case let error as CLBlastError: speaksOfTheKernel(error.code)
    default: isOfTheBuild(error)
    }
  }

  /// Whether a kernel does not compile, or has other arguments than the host's.
  static func isOfTheBuild(_ error: any Error) -> Bool {
    switch error {
    case OpenCLError.buildFailed, OpenCLError.argumentMismatch: true
    default: false
    }
  }

  private static func speaksOfTheKernel(_ code: Int32) -> Bool {
    ![CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_HOST_MEMORY].contains(code)
  }

  /// Runs a trial, once more where it was out of resources: a driver that gives memory out when it is
  /// first used says so where memory is short, too, so memory that is not in use is given back first.
  package static func retried(compute: Compute, _ trial: () throws -> Void) throws {
    do {
      try trial()
    } catch OpenCLError.callFailed(_, CL_OUT_OF_RESOURCES, _) where compute.answers() {
      try compute.releaseUnusedMemory()
      try trial()
    }
  }
}
