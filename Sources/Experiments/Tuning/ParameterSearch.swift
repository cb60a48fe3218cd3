import Tensors

/// The order in which a space's parameters are tried: what is known to be good, then the neighbours of
/// the best so far, nearest first. None comes twice; the same outcomes give the same order.
struct ParameterSearch {
  private let space: ParameterSpace
  private var tried: Set<[String: Int]>
  private var queue: [[String: Int]]
  private var centre: [String: Int]
  private var generator: Philox

  /// A search that begins beside `start`, which itself is not tried.
  init(_ space: ParameterSpace, start: [String: Int], seed: UInt64) {
    (self.space, centre) = (space, start)
    tried = [start]
    generator = Philox(seed: seed, stream: 0)
    queue = space.known.filter(space.accepts)
    queue += around(start)
  }

  /// What to try next, `best` being the best so far; nil where nothing new is left near it.
  mutating func next(best: [String: Int]) -> [String: Int]? {
    if best != centre {
      centre = best
      let rest = queue.filter(space.known.contains)
      queue = rest + around(best)
    }
    while !queue.isEmpty {
      let candidate = queue.removeFirst()
      if tried.insert(candidate).inserted { return candidate }
    }
    return nil
  }

  private mutating func around(_ parameters: [String: Int]) -> [[String: Int]] {
    space.neighbours(of: parameters).flatMap { $0.shuffled(using: &generator) }
  }
}
