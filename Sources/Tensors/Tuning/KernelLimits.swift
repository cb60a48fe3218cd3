import OpenCL

/// What bounds the kernels that a device can run.
package struct KernelLimits: Sendable {
  /// Most work-items of a group, and bytes of its local memory.
  let workGroup, localMemory: Int
  /// Whether it may have tensor cores: those are NVIDIA's.
  let mayHaveTensorCores: Bool

  /// The limits of `device`.
  package init(_ device: Device) {
    self.init(
      workGroup: min(device.maximumWorkGroupSize, device.maximumWorkItemSizes[0]),
      localMemory: Int(device.localMemory),
      mayHaveTensorCores: device.kind == .gpu && device.vendor.lowercased().contains("nvidia"))
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
