/// What stops a sweep before it trains.
public enum SweepError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Not even one run fits; bytes.
  case notEnoughMemory(width: Int, needed: Int, budget: Int)

  /// One line: what was needed and what there is.
  public var description: String {
    switch self {
    case .notEnoughMemory(let width, let needed, let budget):
      """
      not enough memory for one run of width \(width): \(Self.mebibytes(needed)) needed, \
      \(Self.mebibytes(budget)) allowed (see --memory)
      """
    }
  }

  private static func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
}
