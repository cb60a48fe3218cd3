import ArgumentParser
import Foundation
import OpenCL
import Tensors

/// Which device.
struct DeviceOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "gpu, cpu, an index of `gputrain devices` or part of a name. (default: the GPU with the "
        + "most memory, else the CPU)", valueName: "device"), completion: Completions.devices)
  var device = ""

  /// The device asked for, with what computes on it.
  ///
  /// - Throws: `OpenCLError` where there is none.
  func compute(multiplier: Compute.MultiplierChoice = .automatic) throws -> Compute {
    let device = try Device.find(DeviceRequest(device))
    let cache = Self.programCache()
    let compute = try Compute(device: device, multiplier: multiplier, programCache: cache)
    Terminal.detail(
      "device \(device.index): \(device.name); \(device.platform), \(device.version), driver "
        + "\(device.driverVersion); \(device.computeUnits) compute units, float vectors of "
        + "\(compute.vectorWidth); \(compute.multiplier.name)")
    Terminal.detail(
      device.keepsPrograms
        ? "compiled kernels: kept by the driver"
        : "compiled kernels: \(cache.map { "kept in \($0.directory.path)" } ?? "not kept")")
    let variables = ProcessInfo.processInfo.environment
      .filter { $0.key.hasPrefix("POCL_") || $0.key.hasPrefix("OCL_") }
      .sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    if !variables.isEmpty { Terminal.detail("environment: \(variables.joined(separator: ", "))") }
    return compute
  }

  /// `gputrain/programs` in the user's cache directory, as the XDG base directory specification has
  /// it; nil where there is none.
  private static func programCache() -> ProgramCache? {
    let environment = ProcessInfo.processInfo.environment
    let own = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    guard let cache = own ?? environment["HOME"].map({ "\($0)/.cache" }) else { return nil }
    return ProgramCache(directory: URL(fileURLWithPath: "\(cache)/gputrain/programs"))
  }
}

extension Compute {
  /// Says with --verbose how long kernels took to compile.
  func tellBuildTime() {
    Terminal.detail(
      String(
        format: "compiled or loaded %d files of kernels in %.2f s", programCount,
        buildTime / .seconds(1)))
  }
}

/// Which device, and how it multiplies matrices.
struct ComputeOptions: ParsableArguments {
  @OptionGroup var on: DeviceOption

  @Option(
    help: ArgumentHelp(
      "Matrix products; auto is opencl on CPU devices, else clblast.", valueName: "name"))
  var gemm: Compute.MultiplierChoice = .automatic

  /// What computes, as asked for.
  ///
  /// - Throws: `OpenCLError` where there is no such device.
  func compute() throws -> Compute { try on.compute(multiplier: gemm) }
}
