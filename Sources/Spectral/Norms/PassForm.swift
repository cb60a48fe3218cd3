import OpenCL
import Tensors

/// How kernels that read whole matrices divide their work.
public enum PassForm: String, Sendable, CaseIterable {
  /// One work-item a block of rows, wide vectors, no barriers.
  case cpu
  /// One work-group a block of rows, sums in local memory.
  case gpu

  /// The form that suits `device`.
  public init(for device: Device) {
    self = device.kind == .cpu ? .cpu : .gpu
  }

  /// Work-items in a group; Kernels/spectral.cl and Kernels/gram.cl know it as ITEMS.
  var items: Int { self == .cpu ? 1 : 128 }

  /// The kernel that takes `rows` vectors through a matrix, as many at a time as registers allow: 32 hold
  /// three vectors' sums over eight rows.
  func passKernel(rows: Int) -> String {
    let counts = self == .cpu ? [4, 3, 2] : [6, 4, 3, 2]
    let count = counts.first { rows % $0 == 0 } ?? 1
    return (self == .cpu ? "spectral_pass_" : "spectral_group_pass_") + "\(count)"
  }

  /// Work-groups for `units` blocks of unlike sizes: on a CPU at most two a core, each with its share of
  /// all, as drivers hand a core the blocks that lie together; on a GPU one a block.
  func groups(units: Int, device: Device) -> Int {
    self == .cpu ? WorkShares.items(units: units, cores: device.computeUnits) : units
  }

  /// Rows in a block: enough that the block's partial sums are few beside its elements, at most 16
  /// blocks on CPUs and 512 on GPUs. It depends on nothing but the matrix's shape.
  func blockRows(rows: Int) -> Int {
    let (least, most) = self == .cpu ? (64, 16) : (16, 512)
    let even = (rows + most - 1) / most
    return max(least, (even + 7) / 8 * 8)
  }
}
