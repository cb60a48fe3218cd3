/// The processes that train one network together, each with a device of its own.
///
/// A message is words of 32 bits; every rank makes the same calls in the same order.
public protocol Ranks: AnyObject {
  /// This process among all, from 0.
  var rank: Int { get }
  /// How many there are, ≥ 1.
  var count: Int { get }
  /// Every rank's words, one rank's after the other's, in every rank.
  ///
  /// - counts: words of each rank; this one's of `own`.
  /// - Throws: what keeps the ranks from meeting.
  func gather(
    _ own: UnsafeRawPointer, into all: UnsafeMutableRawPointer, counts: [Int]) throws
  /// Piece j of this rank's words goes to rank j; what comes from the ranks lies one after the other.
  ///
  /// - sent: words of each piece, which follow one another. received: words from each rank.
  /// - Throws: what keeps the ranks from meeting.
  func exchange(
    _ own: UnsafeRawPointer, sent: [Int], into pieces: UnsafeMutableRawPointer, received: [Int]
  ) throws
}

/// How ranks put a weight's gradient together.
public enum GradientRoute: String, Codable, Hashable, Sendable, CaseIterable {
  /// Whichever is less work for each weight.
  case automatic = "auto"
  /// Every rank gets all ranks' factors, rows of Δ and H, and makes the product of all rows.
  case factors
  /// Every rank makes the product of its own rows; the results are added up in rank order.
  case sums

  /// Multiplications and additions of a device in the time that a number takes from one rank to another:
  /// 100 GFLOP/s beside 1 GB/s, and about as many of a GPU beside a fast network.
  static let operationsPerNumber = 400.0

  /// Whether the factors of a weight [outputs, inputs] are what is exchanged.
  ///
  ///     factors   (p − 1)/p·B·(m + n) numbers come to a rank, and it makes a product of B rows
  ///     sums      2·(p − 1)/p·m·n numbers, and a product of B/p rows
  ///
  /// - rows: B, of all ranks.
  package func takesFactors(outputs m: Int, inputs n: Int, rows: Int, ranks: Int) -> Bool {
    switch self {
    case .factors: return true
    case .sums: return false
    case .automatic:
      let (rows, m, n) = (Double(rows), Double(m), Double(n))
      let others = Double(ranks - 1) / Double(ranks)
      let product = 2 * rows * m * n / Self.operationsPerNumber
      return others * rows * (m + n) + product
        < 2 * others * m * n + product / Double(ranks)
    }
  }
}

/// What ranks exchange in a step.
public struct ExchangePlan: Hashable, Sendable {
  /// Names of the weights whose factors are exchanged.
  public var factors: [String] = []
  /// Names of the parameters whose gradients are added up.
  public var sums: [String] = []
  /// Bytes that come to this rank from others.
  public var receivedBytes = 0
}
