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

  /// A launch of the pass: matrices `matrices`, units `units`.
  struct Launch {
    let matrices: Range<Int>
    var units: Range<Int>
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

  init(shapes: [PowerIteration.Shape], vectors k: Int, form: PassForm) {
    pairs = 9 * k * (3 * k + 1) / 2
    stateStride = 5 + k + 6 * k * k
    for (matrix, shape) in shapes.enumerated() {
      let slot = matrix % Self.slots
      if slot == 0 {
        let units = unitTable.count / 2
        let end = min(matrix + Self.slots, shapes.count)
        launches.append(Launch(matrices: matrix..<end, units: units..<units))
      }
      firstProblem.append(problems)
      for replica in 0..<shape.replicas {
        add(shape, slot: slot, replica: replica, vectors: k, form: form)
      }
      let start = launches[launches.count - 1].units.lowerBound
      launches[launches.count - 1].units = start..<unitTable.count / 2
    }
  }

  private mutating func add(
    _ shape: PowerIteration.Shape, slot: Int, replica: Int, vectors k: Int, form: PassForm
  ) {
    let pitch = (shape.columns + Self.padding - 1) / Self.padding * Self.padding
    let blockRows = form.blockRows(rows: shape.rows)
    let blocks = (shape.rows + blockRows - 1) / blockRows
    let offset = UInt64(replica) * UInt64(shape.rows * shape.columns)
    problemTable += [
      UInt32(slot), UInt32(truncatingIfNeeded: offset), UInt32(offset >> 32), UInt32(shape.rows),
      UInt32(shape.columns), UInt32(pitch), UInt32(blockRows), UInt32(blocks),
      UInt32(truncatingIfNeeded: vectorCount), UInt32(truncatingIfNeeded: partialCount),
      UInt32(truncatingIfNeeded: gramCount), UInt32(unitTable.count / 2),
    ]
    for block in 0..<blocks { unitTable += [UInt32(problems), UInt32(block)] }
    vectorCount += 6 * k * pitch
    partialCount += blocks * 3 * k * pitch
    gramCount += (pitch + Self.chunk - 1) / Self.chunk * pairs
    widestPitch = max(widestPitch, pitch)
    problems += 1
  }
}
