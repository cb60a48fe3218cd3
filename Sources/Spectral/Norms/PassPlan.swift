import OpenCL
import Tensors

/// Where the matrices of a fixed list of shapes have their place in the tables and buffers that
/// Kernels/spectral.cl and Kernels/ritz.cl share.
struct PassPlan {
  /// Numbers for each problem, FIELDS of the kernels.
  static let fields = 12
  /// Floats that a vector's length is rounded up to.
  static let padding = 16
  /// Columns of a chunk of a dot product, CHUNK of the kernels.
  static let chunk = 512
  /// Matrices that one launch can take.
  static let slots = 8

  /// A launch of the pass: matrices that are read in one way, and their units.
  struct Launch {
    let shape: PassShape
    let matrices: [Int]
    let units: Range<Int>

    /// The matrices of the kernels' arguments, which are as many as there are slots.
    var slots: [Int] { (0..<PassPlan.slots).map { matrices[$0 % matrices.count] } }
  }

  /// A matrix's first problem, one for each of its replicas.
  private(set) var firstProblem: [Int] = []
  private(set) var problems = 0
  private(set) var launches: [Launch] = []
  /// Sizes of the buffers, in elements.
  private(set) var vectorCount = 0
  private(set) var partialCount = 0
  private(set) var gramCount = 0
  /// Of vectors, partial sums and Gram matrices.
  var bufferCounts: [Int] { [vectorCount, partialCount, gramCount] }
  /// Floats of the longest vector.
  private(set) var widestPitch = 0
  /// The kernels' tables.
  private(set) var problemTable: [UInt32] = []
  private(set) var unitTable: [UInt32] = []

  /// Dot products of a step: three lower triangles of 3k rows.
  let pairs: Int
  /// Floats of a problem's state.
  let stateStride: Int

  /// - mostItems: of a work-group on the device.
  init(
    shapes: [PowerIteration.Shape], vectors k: Int, variant: KernelVariant, mostItems: Int = 1024
  ) {
    pairs = 9 * k * (3 * k + 1) / 2
    stateStride = 5 + k + 6 * k * k
    // Those that are read in one way together, in the order in which the first of each kind comes.
    var kinds: [(shape: PassShape, matrices: [Int])] = []
    for (matrix, shape) in shapes.enumerated() {
      firstProblem.append(problems)
      problems += shape.replicas
      let read = variant.shape(columns: shape.columns, mostItems: mostItems)
      if let kind = kinds.firstIndex(where: { $0.shape == read }) {
        kinds[kind].matrices.append(matrix)
      } else {
        kinds.append((read, [matrix]))
      }
    }
    problemTable = [UInt32](repeating: 0, count: problems * Self.fields)
    for kind in kinds {
      for start in stride(from: 0, to: kind.matrices.count, by: Self.slots) {
        let matrices = Array(kind.matrices[start..<min(start + Self.slots, kind.matrices.count)])
        let units = unitTable.count / 2
        for (slot, matrix) in matrices.enumerated() {
          for replica in 0..<shapes[matrix].replicas {
            add(
              firstProblem[matrix] + replica, shapes[matrix], slot: slot, replica: replica,
              vectors: k, variant: variant)
          }
        }
        launches.append(
          Launch(shape: kind.shape, matrices: matrices, units: units..<unitTable.count / 2))
      }
    }
  }

  private mutating func add(
    _ problem: Int, _ shape: PowerIteration.Shape, slot: Int, replica: Int, vectors k: Int,
    variant: KernelVariant
  ) {
    let pitch = (shape.columns + Self.padding - 1) / Self.padding * Self.padding
    let blockRows = variant.blockRows(rows: shape.rows)
    let blocks = (shape.rows + blockRows - 1) / blockRows
    let offset = UInt64(replica) * UInt64(shape.rows * shape.columns)
    let fields: [UInt32] = [
      UInt32(slot), UInt32(truncatingIfNeeded: offset), UInt32(offset >> 32), UInt32(shape.rows),
      UInt32(shape.columns), UInt32(pitch), UInt32(blockRows), UInt32(blocks),
      UInt32(truncatingIfNeeded: vectorCount), UInt32(truncatingIfNeeded: partialCount),
      UInt32(truncatingIfNeeded: gramCount), UInt32(unitTable.count / 2),
    ]
    problemTable.replaceSubrange(problem * Self.fields..<(problem + 1) * Self.fields, with: fields)
    for block in 0..<blocks { unitTable += [UInt32(problem), UInt32(block)] }
    vectorCount += 6 * k * pitch
    partialCount += blocks * 3 * k * pitch
    gramCount += (pitch + Self.chunk - 1) / Self.chunk * pairs
    widestPitch = max(widestPitch, pitch)
  }
}

/// How kernels that read whole matrices divide their work.
extension KernelVariant {
  /// How the pass reads a matrix, by its number of columns alone.
  ///
  /// - mostItems: of a work-group on the device.
  func shape(columns: Int, mostItems: Int = 1024) -> PassShape {
    if self == .item { return .items }
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
    self == .item ? WorkShares.items(units: units, cores: device.computeUnits) : units
  }

  /// Rows in a block: enough that the block's partial sums are few beside its elements, at most 16
  /// blocks on CPUs and, of which an H100 runs 132 or 264 at once, 256 on GPUs. It depends on nothing
  /// but the matrix's shape.
  func blockRows(rows: Int) -> Int {
    let (least, most) = self == .item ? (64, 16) : (16, 256)
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
