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
  /// - isTuned: whether with the parameters that are kept for the device.
  /// - Throws: `OpenCLError` where there is none.
  func compute(
    multiplier: Compute.MultiplierChoice = .automatic, precision: ProductPrecision = .fp32,
    fallsBack: Bool = true, isTuned: Bool = true
  ) throws -> Compute {
    let device = try find()
    if self.device.isEmpty, let finding = DriverAdvice.findings(for: [device]).first {
      Terminal.note("\(finding.found); \(device.name) computes. `gputrain devices` says what to do")
    }
    let (cache, tunings) = (CacheFolder.programs, isTuned ? CacheFolder.tunings : nil)
    let compute = try Compute(
      device: device, multiplier: multiplier, precision: precision, fallsBack: fallsBack,
      programCache: cache, tuning: tunings?.usable(for: device))
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

  /// The device asked for.
  ///
  /// - Throws: `OpenCLError` where there is none.
  func find() throws -> Device { try .find(DeviceRequest(device)) }
}

/// What is kept in `gputrain` in the user's cache directory, as the XDG base directory specification
/// has it; nil where there is none.
enum CacheFolder {
  /// Compiled programs.
  static var programs: ProgramCache? { folder("programs").map(ProgramCache.init(directory:)) }

  /// Tuned kernel parameters.
  static var tunings: TuningStore? { folder("tunings").map(TuningStore.init(directory:)) }

  private static func folder(_ name: String) -> URL? {
    let environment = ProcessInfo.processInfo.environment
    let own = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    return (own ?? environment["HOME"].map { "\($0)/.cache" })
      .map { URL(fileURLWithPath: "\($0)/gputrain/\(name)") }
  }
}

extension TuningStore {
  /// What is kept for `device`; what is of no use is said on standard error and left alone.
  func usable(for device: Device) -> DeviceTuning? {
    switch entry(for: DeviceTuning.Key(device)) {
    case .none: return nil
    case .unusable(let file, let reason):
      Terminal.note("the tuning in \(file) is not used: \(reason)")
      return nil
    case .tuning(let tuning):
      for kernel in tuning.kernelsRefused(by: device) {
        Terminal.note("the tuning of \(kernel.family) is not used: \(device.name) cannot run it")
      }
      return tuning
    }
  }
}

extension Compute {
  /// Says with --verbose how long kernels took to compile.
  func tellBuildTime() {
    Terminal.detail(
      String(
        format: "compiled or loaded %d files of kernels in %.2f s", programCount,
        buildTime / .seconds(1)))
    for network in onChipNetworks {
      Terminal.detail("\(network): trained on chip, many steps a launch")
    }
  }
}

/// Which device, and how it multiplies matrices.
struct ComputeOptions: ParsableArguments {
  @OptionGroup var on: DeviceOption

  @Option(
    help: ArgumentHelp(
      "Matrix products; auto is opencl on CPU devices, else tiled.", valueName: "name"))
  var gemm: Compute.MultiplierChoice = .automatic

  @Option(
    help: ArgumentHelp(
      "What matrix products round their operands to; all but fp32 need NVIDIA tensor cores. "
        + "tf32x3 is as exact as fp32.", valueName: "name"))
  var precision: ProductPrecision = .fp32

  /// What computes, as asked for.
  ///
  /// - fallsBack: whether another GEMM backend may take the place of one that is wrong, which then is
  ///   noted; the backend has been tried when this returns.
  /// - isTuned: whether with the parameters that are kept for the device.
  /// - Throws: `OpenCLError` where there is no such device; `InvalidOption` where it does not have
  ///   the precision.
  func compute(fallsBack: Bool = true, isTuned: Bool = true) throws -> Compute {
    do {
      let compute = try on.compute(
        multiplier: gemm, precision: precision, fallsBack: fallsBack, isTuned: isTuned)
      let device = compute.queue.device.name
      compute.whenOnChipGivesWay = { network, reason in
        Terminal.note("\(network) is not trained on chip on \(device): \(reason)")
      }
      guard fallsBack else { return compute }
      compute.whenBackendGivesWay = { rejected, taken, reason in
        Terminal.note(
          "--gemm \(rejected) is not used on \(device), \(taken) takes its place: \(reason)")
      }
      try compute.settleMultiplier()
      return compute
    } catch let error as PrecisionError {
      throw InvalidOption("--\(error)")
    }
  }
}
