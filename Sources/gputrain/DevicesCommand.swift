import ArgumentParser
import OpenCL
import Tensors

/// `gputrain devices`: what OpenCL offers on this machine.
struct DevicesCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "List the OpenCL devices and mark the one that is used by default.")

  @OptionGroup var output: OutputOptions

  private struct Row: Encodable {
    let index: Int
    let name, kind, vendor, platform, version, driver: String
    let isDefault: Bool
    let memoryBytes, largestAllocationBytes, localMemoryBytes: UInt64
    let computeUnits, nativeFloatWidth, maximumWorkGroupSize: Int
    let maximumWorkItemSizes: [Int]
    let extensions: [String]
    let tuning: DeviceTuning?
  }

  /// What --json prints.
  private struct Listing: Encodable {
    let devices: [Row]
    let drivers: [DriverFinding]
  }

  func run() throws {
    if let moved = KernelCache.prepare() { Terminal.note(moved) }
    let devices: [Device]
    do {
      devices = try Device.all()
    } catch OpenCLError.noPlatform {
      // A driver without its OpenCL is what the caller of --json is to read as well.
      let drivers = DriverAdvice.findings(for: [])
      if output.json { Terminal.print(try jsonText(Listing(devices: [], drivers: drivers))) }
      throw OpenCLError.noPlatform
    }
    let preferred = devices.isEmpty ? nil : try Device.find(.best).index
    let drivers = DriverAdvice.findings(for: devices)
    for device in devices {
      Terminal.detail("\(device.index)  \(device.extensions.joined(separator: " "))")
    }
    if output.json {
      let rows = devices.map { row(of: $0, isDefault: $0.index == preferred) }
      Terminal.print(try jsonText(Listing(devices: rows, drivers: drivers)))
      return
    }
    for device in devices {
      let mark = device.index == preferred ? "  (default)" : ""
      Terminal.print(
        """
        \(device.index)  \(device.name)\(mark)
           kind            \(device.kind.rawValue), \(device.vendor)
           platform        \(device.platform), \(device.version)
           driver          \(device.driverVersion)
           memory          \(gibibytes(device.globalMemory)) GiB as reported, \
        largest buffer \(gibibytes(device.maximumAllocation)) GiB, \
        local \(device.localMemory / 1024) KiB
           compute units   \(device.computeUnits), native float vector \(device.nativeFloatWidth)
           work-group      at most \(device.maximumWorkGroupSize) work-items, \
        \(device.maximumWorkItemSizes.map(String.init).joined(separator: " × "))
           tuned           \(tuningText(of: device))
        """)
    }
    for driver in drivers { Terminal.print(driver.description) }
  }

  private func row(of device: Device, isDefault: Bool) -> Row {
    Row(
      index: device.index, name: device.name, kind: device.kind.rawValue, vendor: device.vendor,
      platform: device.platform, version: device.version, driver: device.driverVersion,
      isDefault: isDefault, memoryBytes: device.globalMemory,
      largestAllocationBytes: device.maximumAllocation, localMemoryBytes: device.localMemory,
      computeUnits: device.computeUnits, nativeFloatWidth: device.nativeFloatWidth,
      maximumWorkGroupSize: device.maximumWorkGroupSize,
      maximumWorkItemSizes: device.maximumWorkItemSizes,
      extensions: device.extensions, tuning: CacheFolder.tunings?.usable(for: device))
  }

  /// When and with what gain; how to, where not.
  private func tuningText(of device: Device) -> String {
    guard let tuning = CacheFolder.tunings?.usable(for: device) else {
      return "no (gputrain tune)"
    }
    let gains = tuning.kernels.map { "\($0.family) \(TuneDisplay.gain($0.gain))" }
    return ([tuning.day] + (gains.isEmpty ? ["nothing faster found"] : gains))
      .joined(separator: ", ")
  }

  /// `bytes` in GiB with one decimal.
  private func gibibytes(_ bytes: UInt64) -> String {
    let tenths = Int((Double(bytes) / 1_073_741_824 * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }
}
