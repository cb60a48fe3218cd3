import OpenCL

/// What bounds the kernels that a device can run.
package struct KernelLimits: Sendable {
  /// Most work-items of a group, and bytes of its local memory.
  let workGroup, localMemory: Int
  /// Whether it may have tensor cores: those are NVIDIA's.
  let mayHaveTensorCores: Bool

  /// The limits that `device` reports.
  package init(_ device: Device) {
    self.init(
      workGroup: min(device.maximumWorkGroupSize, device.maximumWorkItemSizes[0]),
      localMemory: Int(device.localMemory),
      mayHaveTensorCores: device.kind == .gpu && device.vendor.lowercased().contains("nvidia"))
  }

  /// The limits of tiles that a tuning may have on `device`: they may take as much local memory as
  /// the architecture's processors give one work-group, whatever the driver reports.
  ///
  /// A tile that the driver refuses after all fails its trial and is not used.
  package init(tuningTilesOn device: Device) {
    let reported = KernelLimits(device)
    self.init(
      workGroup: reported.workGroup,
      localMemory: max(
        reported.localMemory, Self.localMemory(computeCapability: device.computeCapability) ?? 0),
      mayHaveTensorCores: reported.mayHaveTensorCores)
  }

  /// Bytes of local memory that a work-group can have on NVIDIA's architectures from 7.0 on, whose
  /// OpenCL driver reports 48 KiB of them all; nil where that is not known.
  ///
  /// Source: CUDA C++ Programming Guide, Technical Specifications per Compute Capability, "Maximum
  /// amount of shared memory per thread block".
  static func localMemory(computeCapability version: (major: Int, minor: Int)?) -> Int? {
    guard let version else { return nil }
    let kibibytes: Int? =
      switch (version.major, version.minor) {
      case (7, 5): 64
      case (7, _): 96
      case (8, 0), (8, 7): 163
      case (8, _), (12, _): 99
      case (9, _), (10, _): 227
      default: nil
      }
    return kibibytes.map { $0 << 10 }
  }

  /// These limits, for tests.
  package init(workGroup: Int, localMemory: Int, mayHaveTensorCores: Bool = false) {
    (self.workGroup, self.localMemory) = (workGroup, localMemory)
    self.mayHaveTensorCores = mayHaveTensorCores
  }

  /// Whether products of `precision` can be had at all.
  package func allow(_ precision: ProductPrecision) -> Bool {
    mayHaveTensorCores || !precision.needsTensorCores
  }
}
