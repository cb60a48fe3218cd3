import OpenCL

/// Which variant of a kernel is compiled, where CPUs and GPUs want different work.
package enum KernelVariant: String, Sendable, CaseIterable {
  /// One work-item a work-group, wide vectors, no local memory and no barriers.
  case item
  /// Work-groups that share their task in local memory.
  case group

  /// The variant that suits `device`.
  package init(for device: Device) {
    self = device.kind == .cpu ? .item : .group
  }

  /// Work-items of a work-group, which Kernels/group.cl knows as GROUP_ITEMS.
  package var groupItems: Int { self == .item ? 1 : 128 }
}
