import Foundation
import OpenCL

/// What is said where a GPU's driver is there and OpenCL offers no GPU.
enum DriverAdvice {
  /// This machine's files and environment.
  static var machine: DriverFinding.Machine {
    let files = FileManager.default
    return DriverFinding.Machine(
      exists: { files.fileExists(atPath: $0) },
      names: { (try? files.contentsOfDirectory(atPath: $0)) ?? [] },
      text: { try? String(contentsOfFile: $0, encoding: .utf8) },
      environment: ProcessInfo.processInfo.environment)
  }

  /// What there is to say where OpenCL offers `devices`; nothing where one of them is a GPU.
  static func findings(for devices: [Device]) -> [DriverFinding] {
    devices.contains { $0.kind == .gpu } ? [] : DriverFinding.all(on: machine)
  }

  /// `error` with what to do, where it is that no platform or no GPU was found.
  static func added(to error: any Error, on machine: DriverFinding.Machine = machine) -> any Error {
    switch error {
    case OpenCLError.noPlatform: break
    case OpenCLError.noDevice(let request, let available)
    where request != "cpu" && !available.contains { $0.hasSuffix("(gpu)") }: break
    default: return error
    }
    let advice =
      DriverFinding.all(on: machine).map(\.description) + [KernelCache.advice].compactMap { $0 }
    return advice.isEmpty ? error : AdvisedError(error: error, advice: advice)
  }
}

/// A missing device, and what is to be done about drivers that were found none the less.
struct AdvisedError: Error, CustomStringConvertible {
  let error: any Error
  let advice: [String]

  var description: String {
    (["\(error)"] + advice).joined(separator: "\n")
  }
}
