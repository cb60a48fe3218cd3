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
    shapes: [PowerIteration.Shape], vectors k: Int, form: PassForm, mostItems: Int = 1024
  ) {
    pairs = 9 * k * (3 * k + 1) / 2
    stateStride = 5 + k + 6 * k * k
    // Those that are read in one way together, in the order in which the first of each kind comes.
    var kinds: [(shape: PassShape, matrices: [Int])] = []
    for (matrix, shape) in shapes.enumerated() {
      firstProblem.append(problems)
      problems += shape.replicas
      let read = form.shape(columns: shape.columns, mostItems: mostItems)
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
              vectors: k, form: form)
          }
        }
        launches.append(
          Launch(shape: kind.shape, matrices: matrices, units: units..<unitTable.count / 2))
      }
    }
  }

  private mutating func add(
    _ problem: Int, _ shape: PowerIteration.Shape, slot: Int, replica: Int, vectors k: Int,
    form: PassForm
  ) {
    let pitch = (shape.columns + Self.padding - 1) / Self.padding * Self.padding
    let blockRows = form.blockRows(rows: shape.rows)
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
