import ArgumentParser
import Foundation
import OpenCL
import Tensors

/// Which device.
struct DeviceOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "gpu, cpu, an index of `gputrain devices` or part of a name. (default: the GPU with the "
        + "most memory, else the CPU)", valueName: "device"))
  var device = ""

  /// The device asked for, with what computes on it.
  ///
  /// - Throws: `OpenCLError` where there is none.
  func compute(multiplier: Compute.MultiplierChoice = .automatic) throws -> Compute {
    try Compute(
      device: .find(DeviceRequest(device)), multiplier: multiplier,
      programCache: Self.programCache())
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
