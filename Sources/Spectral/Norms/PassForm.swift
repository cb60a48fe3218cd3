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

  /// The form that goes with a computation's kernels.
  package init(_ variant: KernelVariant) {
    self = variant == .item ? .cpu : .gpu
  }

  /// The kernels that the iteration's other steps take.
  package var variant: KernelVariant { self == .cpu ? .item : .group }

  /// How the pass reads a matrix, by its number of columns alone.
  ///
  /// - mostItems: of a work-group on the device.
  func shape(columns: Int, mostItems: Int = 1024) -> PassShape {
    if self == .cpu { return .items }
    return switch columns {
    case ...1024: PassShape(items: 256, quads: 1)
    case ...2048: PassShape(items: 256, quads: 2)
    case ...4096 where mostItems >= 512: PassShape(items: 512, quads: 2)
    case ...8192 where mostItems >= 512: PassShape(items: 512, quads: 4)
    default: PassShape(items: 256, quads: 0)
    }
  }

  /// Work-groups for `units` blocks of unlike sizes: on a CPU at most two a core, each with its share of
  /// all, as drivers hand a core the blocks that lie together; on a GPU one a block.
  func groups(units: Int, device: Device) -> Int {
    self == .cpu ? WorkShares.items(units: units, cores: device.computeUnits) : units
  }

  /// Rows in a block: enough that the block's partial sums are few beside its elements, at most 16
  /// blocks on CPUs and, of which an H100 runs 132 or 264 at once, 256 on GPUs. It depends on nothing
  /// but the matrix's shape.
  func blockRows(rows: Int) -> Int {
    let (least, most) = self == .cpu ? (64, 16) : (16, 256)
    let even = (rows + most - 1) / most
    return max(least, (even + 7) / 8 * 8)
  }
}

/// What a kernel of the pass is compiled for: the work-items of a group and, where they keep their columns
/// in registers, four columns each `quads` times; see Kernels/spectral_group.cl.
struct PassShape: Hashable {
  let items: Int
  let quads: Int

  /// The item variant, which takes any number of columns.
  static let items = PassShape(items: 1, quads: 0)

  /// The kernel that takes `rows` vectors through a matrix, as many at a time as registers allow, and
  /// what it is compiled with. On CPUs 32 registers hold three vectors' sums over eight rows.
  func kernel(rows: Int) -> (name: String, definitions: [String: String]) {
    if self == .items {
      let count = [4, 3, 2].first { rows % $0 == 0 } ?? 1
      return ("spectral_pass_\(count)", KernelVariant.item.definitions)
    }
    let count = (quads == 4 ? [4, 3, 2] : [6, 4, 3, 2]).first { rows % $0 == 0 } ?? 1
    let own = ["ITEMS": "\(items)", "QUADS": "\(quads)", "COUNT": "\(count)"]
    return (
      "spectral_pass_group", KernelVariant.group.definitions.merging(own) { _, own in own }
    )
  }
}
