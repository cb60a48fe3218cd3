import CCLBlast
import OpenCL
import Synchronization

/// Parameters of CLBlast's kernels, in place of what CLBlast takes by default.
///
/// CLBlast holds parameters by device for the whole process. So that computations with and without
/// a tuning may live side by side, each product first puts its own in force where another's are; to
/// change over takes about half a millisecond, and compiled programs are kept by CLBlast.
package final class CLBlastSettings: Sendable {
  /// Parameters by kernel; all of a kernel's.
  package let parameters: [CLBlastKernel: [String: Int]]

  /// What CLBlast takes by default.
  package static let own = CLBlastSettings([:])

  package init(_ parameters: [CLBlastKernel: [String: Int]]) {
    self.parameters = parameters
  }

  /// The settings of a device's tuning; kernels that it does not name stay as they are.
  ///
  /// Parameters that the device cannot run are left out: they can only be of a foreign file.
  package convenience init(_ tuning: DeviceTuning, device: Device) {
    var parameters: [CLBlastKernel: [String: Int]] = [:]
    for kernel in CLBlastKernel.allCases {
      let found = tuning.parameters(family: kernel.family, shapeClass: kernel.shapeClass)
      guard let found, kernel.accepts(found, on: device) else { continue }
      parameters[kernel] = found
    }
    self.init(parameters)
  }

  /// These with other parameters of some kernels; nil for CLBlast's own.
  package func with(_ changes: [CLBlastKernel: [String: Int]?]) -> CLBlastSettings {
    let unchanged = parameters.filter { changes[$0.key] == nil }
    return CLBlastSettings(unchanged.merging(changes.compactMapValues(\.self)) { $1 })
  }

  /// The parameters of `kernel` on `device` where nothing is set.
  ///
  /// - Throws: `CLBlastError`.
  package static func ownParameters(of kernel: CLBlastKernel, on device: Device) throws
    -> [String: Int]
  {
    try held.withLock { held in
      try held[identifier(device)]?.own[kernel] ?? kernel.parametersInForce(on: device)
    }
  }

  /// Calls `body` with these settings in force on `device`, and no other's until it is done.
  ///
  /// - Throws: `CLBlastError`; what `body` throws.
  func use<Result>(on device: Device, _ body: () throws -> Result) throws -> Result {
    try Self.held.withLock { held in
      let inForce = held[Self.identifier(device)] ?? Held()
      if inForce.settings !== self {
        var next = inForce
        for kernel in Set(parameters.keys).union(inForce.settings.parameters.keys) {
          let own = try next.own[kernel] ?? kernel.parametersInForce(on: device)
          next.own[kernel] = own
          let wanted = parameters[kernel] ?? own
          if wanted != inForce.settings.parameters[kernel] ?? own {
            try Self.override(kernel, with: wanted, on: device)
          }
        }
        next.settings = self
        held[Self.identifier(device)] = next
      }
      return try body()
    }
  }

  /// What CLBlast holds for a device, and what it would without us.
  private struct Held {
    var settings = CLBlastSettings.own
    var own: [CLBlastKernel: [String: Int]] = [:]
  }

  /// CLBlast's state is the process's, so this account of it is too.
  private static let held = Mutex<[UInt: Held]>([:])

  private static func identifier(_ device: Device) -> UInt { UInt(bitPattern: device.id) }

  private static func override(
    _ kernel: CLBlastKernel, with parameters: [String: Int], on device: Device
  ) throws {
    let names = parameters.keys.map { $0.utf8CString }
    let joined = names.flatMap { $0 }
    let status = joined.withUnsafeBufferPointer { text in
      var offset = 0
      var starts: [UnsafePointer<CChar>?] = names.map { name in
        defer { offset += name.count }
        return text.baseAddress! + offset
      }
      return CLBlastOverrideParameters(
        device.id, kernel.rawValue, CLBlastPrecisionSingle, parameters.count, &starts,
        Array(parameters.values))
    }
    guard status == CLBlastSuccess else {
      throw CLBlastError(
        call: "CLBlastOverrideParameters", code: Int32(status.rawValue), subject: kernel.rawValue)
    }
  }
}

extension CLBlastKernel {
  /// Whether the kernel can run with these parameters on `device`.
  package func accepts(_ parameters: [String: Int], on device: Device) -> Bool {
    accepts(parameters, on: KernelLimits(device))
  }
}
