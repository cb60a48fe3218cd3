import Spectral

/// A part of a sweep's runs, for processes that know beforehand which of how many they are, as those of a
/// batch system's array do.
public struct Shard: Hashable, Sendable, Codable {
  /// Which part, from 1.
  public let index: Int
  /// How many parts there are.
  public let count: Int

  /// Part `index` of `count`; nil where there is no such part.
  public init?(_ index: Int, of count: Int) {
    guard count >= 1, (1...count).contains(index) else { return nil }
    (self.index, self.count) = (index, count)
  }

  /// The runs of this part: of any sweep each run is in one part, whatever is done already, and the parts
  /// cost about the same.
  ///
  /// - cost: of a run, in any unit.
  func cells(of cells: [RunCell], cost: (RunCell) -> Double) -> [RunCell] {
    // The dearest first, each to the part that has least; of equals to the first.
    let costs = cells.map(cost)
    var sums = [Double](repeating: 0, count: count)
    var parts = [Int](repeating: 0, count: cells.count)
    for cell in cells.indices.sorted(by: { (-costs[$0], $0) < (-costs[$1], $1) }) {
      let part = sums.indices.min { (sums[$0], $0) < (sums[$1], $1) } ?? 0
      parts[cell] = part
      sums[part] += costs[cell]
    }
    return cells.indices.filter { parts[$0] == index - 1 }.map { cells[$0] }
  }
}
