import Experiments
import Foundation
import OpenCL
import Tensors

/// Where and how to compute, as options.
typealias ComputeOptions = SettingOptions<Computing>
/// Where to compute, as an option.
typealias DeviceOption = SettingOptions<OneDevice>

extension SettingOptions where Selection.Group == ComputeSettings {
  /// As `ComputeSettings.compute`.
  func compute(fallsBack: Bool = true, isTuned: Bool = true) throws -> Compute {
    try settings.compute(fallsBack: fallsBack, isTuned: isTuned)
  }

  /// As `ComputeSettings.find`.
  func find() throws -> Device { try settings.find() }
}

extension ComputeSettings {
  /// Whether several devices are asked for.
  var isForAllDevices: Bool { device?.lowercased() == "all" }

  /// The same for each device of the kind that is taken where none is named, that with the most memory
  /// first.
  ///
  /// - Throws: `OpenCLError` where there is none.
  func forEachDevice() throws -> [ComputeSettings] {
    let best = try Device.find(.best)
    let alike = try Device.all().filter { $0.kind == best.kind && $0.index != best.index }
    return ([best] + alike).map {
      var settings = self
      settings.device = "\($0.index)"
      return settings
    }
  }

  /// The device asked for.
  ///
  /// - Throws: `OpenCLError` where there is none, `InvalidOption` where it is all of them.
  func find() throws -> Device {
    if isForAllDevices {
      throw InvalidOption("--device all is for sweep; other commands compute on one device")
    }
    let moved = KernelCache.prepare()
    let device = try Device.find(DeviceRequest(device ?? ""))
    if let moved, device.keepsPrograms { Terminal.note(moved) }
    return device
  }

  /// What computes, as asked for.
  ///
  /// - fallsBack: whether another GEMM backend may take the place of one that is wrong, which then is
  ///   noted; the backend has been tried when this returns.
  /// - isTuned: whether with the parameters that are kept for the device.
  /// - Throws: `OpenCLError` where there is no such device; `InvalidOption` where it does not have
  ///   the precision.
  func compute(fallsBack: Bool = true, isTuned: Bool = true) throws -> Compute {
    do {
      let compute = try onDevice(fallsBack: fallsBack, isTuned: isTuned)
      let device = compute.queue.device.name
      compute.whenOnChipGivesWay = { network, reason in
        Terminal.note("\(network) is not trained on chip on \(device): \(reason)")
      }
      guard fallsBack else { return compute }
      compute.whenBackendGivesWay = { rejected, taken, reason in
        Terminal.note(
          "--gemm \(rejected) is not used on \(device), \(taken) takes its place: \(reason)")
      }
      try settle(compute)
      return compute
    } catch let error as PrecisionError {
      throw InvalidOption("--\(error)")
    }
  }

  /// Settles on a backend; where other programs hold the memory of its trial, once they give it back.
  private func settle(_ compute: Compute) throws {
    var (wait, note) = (MemoryWait(), ShortMemoryNote())
    while true {
      do {
        return try compute.settleBackend()
      } catch {
        guard try wait.pausesBeforeRetry(after: error, compute) else { throw error }
        note.say(where: true)
      }
    }
  }

  private func onDevice(fallsBack: Bool, isTuned: Bool) throws -> Compute {
    let device = try find()
    if self.device == nil, let finding = DriverAdvice.findings(for: [device]).first {
      Terminal.note("\(finding.found); \(device.name) computes. `gputrain devices` says what to do")
    }
    let (cache, tunings) = (CacheFolder.programs, isTuned ? CacheFolder.tunings : nil)
    let compute = try Compute(
      device: device, backend: gemm, precision: precision, fallsBack: fallsBack,
      programCache: cache, tuning: tunings?.usable(for: device))
    Terminal.detail(
      "device \(device.index): \(device.name); \(device.platform), \(device.version), driver "
        + "\(device.driverVersion); \(device.computeUnits) compute units, float vectors of "
        + "\(compute.vectorWidth); \(compute.backend.name)")
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
