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

/// The values that a kernel's parameters may take, and which of them go together.
public struct ParameterSpace: Sendable {
  /// Values to try, by parameter.
  public let values: [String: [Int]]
  /// Whether the kernel is right and can run with these values.
  public let accepts: @Sendable ([String: Int]) -> Bool
  /// What is known to be good elsewhere, tried first.
  public let known: [[String: Int]]

  /// A space of these values.
  public init(
    values: [String: [Int]], known: [[String: Int]] = [],
    accepts: @escaping @Sendable ([String: Int]) -> Bool = { _ in true }
  ) {
    (self.values, self.known, self.accepts) = (values, known, accepts)
  }

  /// What differs from `parameters` in one value, then what differs in two.
  ///
  /// A parameter without values stays as it is.
  func neighbours(of parameters: [String: Int]) -> [[[String: Int]]] {
    let names = values.keys.sorted()
    func changed(_ base: [String: Int], from first: Int) -> [([String: Int], Int)] {
      names.indices.dropFirst(first).flatMap { index in
        values[names[index]]!.filter { $0 != base[names[index]] }.map { value in
          (base.merging([names[index]: value]) { $1 }, index + 1)
        }
      }
    }
    let ones = changed(parameters, from: 0)
    let twos = ones.flatMap { changed($0.0, from: $0.1) }
    return [ones, twos].map { $0.map(\.0).filter(accepts) }
  }
}
