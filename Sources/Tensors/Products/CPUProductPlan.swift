/// How Kernels/tile.cl goes through a product: which operand is left and which right, what is packed,
/// and the blocks. It depends on mode, shape and vector width alone.
///
/// - NT, the forward product: where batch and fan-out are alike, X is left and W right. A wide W is
///   streamed as left, never packed, and only X is.
/// - NN: both are packed where B is wide and read more than once or twice: rows are then a power of
///   two apart as a rule, and would share a few lines of the first cache. Four panels of B at a time,
///   so that B is read in pieces of some length.
/// - TN: both are packed, for the same reason; small ones lie well as they are.
struct CPUProductPlan {
  /// The flags of Kernels/tile.cl.
  struct Order: OptionSet {
    let rawValue: UInt32
    static let packsLeftBlock = Order(rawValue: 1)
    static let packsLeftTile = Order(rawValue: 2)
    static let packsRightRows = Order(rawValue: 4)
    static let packsRightColumns = Order(rawValue: 8)
    static let swapped = Order(rawValue: 16)
    static let symmetric = Order(rawValue: 32)
  }

  let left, right: Tensor
  /// Of left and of right; C's own, or changed over where `order` is `swapped`.
  let rows, columns: Int
  /// Elements between left's neighbours by row and by k, and between right's rows in memory.
  let leftRow, leftStep, rightPitch: Int
  let order: Order
  let blockDepth, blockColumns: Int
  /// Whether every unit packs its columns of right.
  let packsRight: Bool
  /// Rows that a unit may have: what it packs of left must fit.
  let mostRows: Int
  /// Rows and columns of a tile of C.
  let tile: (rows: Int, columns: Int)

  /// Fewest tiles of rows that are worth packing all of right for.
  static let leastTiles = 3
  /// Widths from which rows, a power of two apart as a rule, push one another out of the first cache:
  /// measured, as the tiles of NN and TN differ in how often they come back to a row.
  private static let wideNN = 512
  private static let wideTN = 256

  /// The longest block of k where nothing else is said: of NN it is shorter, as a panel is to stay in
  /// the first cache, and longer where a small batch is packed.
  static let mostDepth = 512

  /// - isHalved: whether what lies below the diagonal is left out.
  init(_ product: MatrixProduct, isHalved: Bool = false, width: Int) {
    let (m, n, k) = (product.m, product.n, product.k)
    let tile = Self.tile(width: width)
    self.tile = tile
    let depth: Int
    var order: Order
    switch product.mode {
    case .nt:
      let streamsWeight =
        Self.work(rows: n, columns: m, tile) * k + m * (k + n)
        < Self.work(rows: m, columns: n, tile) * k + n * k
      (left, right) = streamsWeight ? (product.b, product.a) : (product.a, product.b)
      (rows, columns) = streamsWeight ? (n, m) : (m, n)
      (leftRow, leftStep, rightPitch) = (k, 1, k)
      order = streamsWeight ? [.packsRightColumns, .swapped] : .packsRightColumns
      depth = streamsWeight ? Self.depth(packing: m, tile) : Self.mostDepth
    case .nn:
      (left, right) = (product.a, product.b)
      (rows, columns) = (m, n)
      (leftRow, leftStep, rightPitch) = (k, 1, n)
      order =
        n >= Self.wideNN && m >= Self.leastTiles * tile.rows
        ? [.packsLeftBlock, .packsRightRows] : []
      depth = 256
    case .tn:
      (left, right) = (product.a, product.b)
      (rows, columns) = (m, n)
      (leftRow, leftStep, rightPitch) = (1, m, n)
      order = max(m, n) >= Self.wideTN ? [.packsLeftTile, .packsRightRows] : []
      depth = Self.mostDepth
    }
    if isHalved { order.insert(.symmetric) }
    self.order = order
    let blocks = (k + depth - 1) / depth
    blockDepth = (k + blocks - 1) / blocks
    let space = CPUBackend.scratchSize / blockDepth
    packsRight = !order.isDisjoint(with: [.packsRightRows, .packsRightColumns])
    if order.contains(.packsLeftBlock) {
      blockColumns = 4 * tile.columns
      mostRows = (space - blockColumns) / tile.rows * tile.rows
    } else {
      let left = order.contains(.packsLeftTile) ? tile.rows : 0
      blockColumns = packsRight ? (space - left) / tile.columns * tile.columns : tile.columns
      mostRows = rows
    }
  }

  /// HEIGHT and PANEL of Kernels/tile.cl.
  static func tile(width: Int) -> (rows: Int, columns: Int) {
    switch width {
    case 16: (12, 32)
    case 8: (6, 16)
    default: (4, 12)
    }
  }

  /// The longest block of k for which a batch of `columns` is packed at once: fewer blocks, fewer sums
  /// that go to memory and back.
  private static func depth(packing columns: Int, _ tile: (rows: Int, columns: Int)) -> Int {
    let padded = (columns + tile.columns - 1) / tile.columns * tile.columns
    return min(4 * mostDepth, max(mostDepth, CPUBackend.scratchSize / padded))
  }

  /// Multiply-adds a step of k that tiles take for rows × columns, those that are thrown away
  /// included; a single row takes as long as two.
  private static func work(rows: Int, columns: Int, _ tile: (rows: Int, columns: Int)) -> Int {
    let left = rows % tile.rows
    let rows = rows - left + left / 4 * 4 + left % 4 * 2
    return rows * ((columns + tile.columns - 1) / tile.columns * tile.columns)
  }
}

/// How C of a product on CPUs is cut into units: rectangles, along its longer side; of the half of a symmetric C
/// two blocks of columns each.
///
/// Each unit packs operands again, so they are few; but enough for every core to have its share, and a
/// second one where units are long, so that a core which is late can be helped out. How C is cut
/// decides who computes an element, not how.
struct CPUProductCut: Equatable {
  /// Rows and columns of a unit; those of the last may be fewer.
  let rowCut, columnCut: Int
  /// Of all replicas.
  let units: Int
  /// The cores' mean load over the greatest.
  let balance: Double

  /// Fewest multiply-adds that are worth a unit of their own: a few microseconds.
  private static let leastWork = 1 << 19
  /// Multiply-adds of a unit that is long: two milliseconds or so.
  private static let longWork = 1 << 27
  /// The balance that is good enough.
  private static let even = 0.9

  init(_ product: MatrixProduct, _ plan: CPUProductPlan, cores: Int) {
    if plan.order.contains(.symmetric) {
      self.init(halving: product, plan, cores: cores)
      return
    }
    let work = product.m * product.n * product.k
    let most = max(1, min(2 * cores, work / Self.leastWork))
    var best: CPUProductCut?
    for pieces in 1...most {
      let cut = CPUProductCut(plan, pieces: pieces, replicas: product.replicas, cores: cores)
      if cut.balance > best?.balance ?? 0 { best = cut }
      if cut.balance >= Self.even && (cut.units > cores || work / pieces < Self.longWork) {
        best = cut
        break
      }
    }
    self = best!
  }

  /// The half of a symmetric C on and above its diagonal: a unit has two blocks of columns, one as far from
  /// the beginning as the other from the end, so that all are alike.
  private init(halving product: MatrixProduct, _ plan: CPUProductPlan, cores: Int) {
    let tiles = (plan.columns + plan.tile.columns - 1) / plan.tile.columns
    let work = product.m * product.n / 2 * product.k
    // As few of a replica as give each core nearly the same.
    let fewest = (1...cores).first {
      let units = $0 * product.replicas
      return Double(units) >= Self.even * Double((units + cores - 1) / cores * cores)
    }!
    let pieces = work / fewest >= Self.longWork ? 2 * fewest : fewest
    let most = max(1, min(work / Self.leastWork, tiles / 2))
    let wanted = 2 * min(pieces, most)
    rowCut = (plan.rows + plan.tile.rows - 1) / plan.tile.rows * plan.tile.rows
    columnCut = (tiles + wanted - 1) / wanted * plan.tile.columns
    let blocks = (plan.columns + columnCut - 1) / columnCut
    units = (blocks + 1) / 2 * product.replicas
    let rounds = (units + cores - 1) / cores
    balance = Double(units) / Double(rounds * cores)
  }

  /// C in `pieces`, or in as many as its tiles and what a unit may pack let be.
  private init(_ plan: CPUProductPlan, pieces: Int, replicas: Int, cores: Int) {
    func parts(_ length: Int, _ size: Int) -> Int { (length + size - 1) / size }
    func cut(_ length: Int, _ step: Int, _ pieces: Int) -> Int {
      parts(parts(length, pieces), step) * step
    }
    // A square lies along its columns if these are transposed: each unit then transposes its own alone.
    let alongColumns =
      plan.columns > plan.rows
      || plan.columns == plan.rows && plan.order.contains(.packsRightColumns)
    let needed = parts(plan.rows, plan.mostRows)
    let worthPacking = max(1, plan.rows / (CPUProductPlan.leastTiles * plan.tile.rows))
    let alongRows = alongColumns ? 1 : plan.packsRight ? min(pieces, worthPacking) : pieces
    let rowPieces = max(needed, alongRows)
    rowCut = cut(plan.rows, plan.tile.rows, rowPieces)
    columnCut = cut(plan.columns, plan.tile.columns, parts(pieces, alongRows))
    units = parts(plan.rows, rowCut) * parts(plan.columns, columnCut) * replicas
    balance =
      Double(plan.rows * plan.columns * replicas)
      / Double(parts(units, cores) * cores * rowCut * columnCut)
  }
}

/// How units of work are dealt out to work-items that take them in turn, a work-item a work-group.
package enum WorkShares {
  /// Work-items for `units` on `cores`, at most two a core: as many as leave no core with more units than
  /// it must have.
  ///
  /// Drivers hand a core work-items that lie together. Two with two units each can still be helped out
  /// with; two with an odd number of units for a core could not share them evenly.
  package static func items(units: Int, cores: Int) -> Int {
    let rounds = (units + cores - 1) / cores
    let share = rounds.isMultiple(of: 2) ? rounds / 2 : rounds
    return (units + share - 1) / share
  }
}
