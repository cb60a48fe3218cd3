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
  func compute(
    multiplier: Compute.MultiplierChoice = .automatic, precision: ProductPrecision = .fp32
  ) throws -> Compute {
    try Compute(
      device: .find(DeviceRequest(device)), multiplier: multiplier, precision: precision,
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
      "Matrix products; auto is opencl on CPU devices, else clblast, or tiled for a --precision "
        + "that needs it.", valueName: "name"))
  var gemm: Compute.MultiplierChoice = .automatic

  @Option(
    help: ArgumentHelp(
      "What matrix products round their operands to; all but fp32 need NVIDIA tensor cores. "
        + "tf32x3 is as exact as fp32.", valueName: "name"))
  var precision: ProductPrecision = .fp32

  /// What computes, as asked for.
  ///
  /// - Throws: `OpenCLError` where there is no such device; `InvalidOption` where it does not have
  ///   the precision.
  func compute() throws -> Compute {
    do {
      return try on.compute(multiplier: gemm, precision: precision)
    } catch let error as PrecisionError {
      throw InvalidOption("--\(error)")
    }
  }
}
