/// How C of a product on CPUs is cut into units: rectangles, along its longer side.
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
    // As few of a replica as give each core the same.
    let even = (1...cores).first { ($0 * product.replicas).isMultiple(of: cores) }!
    let pieces = work / even >= Self.longWork ? 2 * even : even
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
