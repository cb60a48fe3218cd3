import COpenCL
import OpenCL

/// The GEMM backends that a computation may use, of which the first that works is in use.
///
/// A driver may compile a kernel and compute something else; so each backend is tried on small
/// products against the host before its first product of a transpose mode, and gives way to the
/// next where they are wrong.
final class BackendFallback {
  /// The backend in use.
  private(set) var current: any MatrixMultiplier
  /// Those that were in use before, and why they no longer are.
  private(set) var rejected: [(name: String, reason: any Error)] = []
  /// Makes those that may take its place, in order.
  private var others: [() throws -> any MatrixMultiplier] = []
  private var tried: Set<ProductForm> = []

  /// One backend alone.
  init(_ multiplier: any MatrixMultiplier) {
    current = multiplier
  }

  /// The backend asked for and, where another may take its place, all that `device` has.
  ///
  /// - Throws: `OpenCLError.unsupported` where the device cannot run it.
  init(
    _ choice: Compute.MultiplierChoice, fallsBack: Bool, device: Device, tuning: DeviceTuning?
  ) throws {
    let usual: [Compute.MultiplierChoice] =
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
    _ choice: Compute.MultiplierChoice, _ device: Device, _ tuning: DeviceTuning?
  ) throws -> any MatrixMultiplier {
    switch choice {
    case .openblas:
      guard device.supportsNativeKernels else {
        throw OpenCLError.unsupported(operation: "OpenBLAS", device: device.name)
      }
      return OpenBLASMultiplier()
    case .clblast:
      return CLBlastMultiplier(settings: tuning.map { CLBlastSettings($0, device: device) } ?? .own)
    case .tiled: return try GPUMultiplier(device: device, precision: .fp32, tuning: tuning)
    case .opencl, .automatic: return CPUMultiplier(cores: device.computeUnits)
    }
  }

  /// Makes sure that the backend in use computes products of `forms`, or that another is in use.
  ///
  /// - Throws: the first backend's error where none does; `OpenCLError` where memory is short.
  func prepare(_ forms: [ProductForm], compute: Compute) throws {
    while true {
      let untried = forms.filter { !tried.contains($0) }
      if untried.isEmpty { return }
      do {
        try current.tryOut(untried, compute: compute)
        try compute.releaseUnusedMemory()
        tried.formUnion(untried)
      } catch let error where Self.speaksOfTheBackend(error) {
        rejected.append((current.name, error))
        current = try next()
        tried = []
      }
    }
  }

  /// The next backend that this device can run.
  private func next() throws -> any MatrixMultiplier {
    while !others.isEmpty {
      do {
        return try others.removeFirst()()
      } catch OpenCLError.unsupported {
        continue
      }
    }
    throw rejected[0].reason
  }

  /// Whether a trial's error is the backend's own, and not for want of memory.
  private static func speaksOfTheBackend(_ error: any Error) -> Bool {
    switch error {
    case is ProductTrialError, is CLBlastError, OpenCLError.buildFailed,
      OpenCLError.argumentMismatch:
      true
    case OpenCLError.callFailed(_, let code, _):
      ![CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_HOST_MEMORY].contains(code)
    default: false
    }
  }
}
