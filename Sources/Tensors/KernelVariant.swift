import OpenCL

/// Which variant of a kernel is compiled, where CPUs and GPUs want different work.
public enum KernelVariant: String, Sendable, CaseIterable {
  /// One work-item a work-group, wide vectors, no local memory and no barriers.
  case item
  /// Work-groups that share their task in local memory.
  case group

  /// The variant that suits `device`.
  package init(for device: Device) {
    self = device.kind == .cpu ? .item : .group
  }

  /// Work-items of a work-group, which Kernels/lanes.cl knows as GROUP_ITEMS.
  package var groupItems: Int { self == .item ? 1 : 128 }

  /// Work-items of the largest group that every device must have; larger ones are asked for.
  static let leastWorkGroup = 256

  /// What a program that holds this variant's kernels, and not the other's, is compiled with.
  package var definitions: [String: String] { ["GROUP_ITEMS": "\(groupItems)"] }

  /// What this variant of the kernel `name` is called, where each has a kernel of its own.
  package func name(of kernel: String) -> String { self == .group ? kernel + "_group" : kernel }
}

extension Compute {
  /// The macros that every program for devices of `kind` is compiled with.
  ///
  /// - `WIDTH`: floats that one work-item handles at a time. `GROUP_ITEMS`: see `KernelVariant`.
  /// - `PREFETCH`, `WIDE_STORES`: on CPUs alone, that `__builtin_prefetch` takes pointers to global
  ///   memory and that vectors may be stored anywhere; see Kernels/vector.cl.
  static func definitions(
    for kind: Device.Kind, vectorWidth: Int, variant: KernelVariant
  ) -> [String: String] {
    var definitions = variant.definitions
    definitions["WIDTH"] = "\(vectorWidth)"
    if kind == .cpu { definitions.merge(["PREFETCH": "1", "WIDE_STORES": "1"]) { _, new in new } }
    return definitions
  }
}
