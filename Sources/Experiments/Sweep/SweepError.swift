/// What stops a sweep before it trains.
public enum SweepError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Not even one run fits the budget; bytes.
  case notEnoughMemory(width: Int, needed: Double, budget: Double)
  /// A tensor of one run is larger than the device, or a kernel's count, allows; bytes.
  case tensorTooLarge(width: Int, bytes: Double, limit: Double)

  /// One line: what was needed and what there is.
  public var description: String {
    switch self {
    case .notEnoughMemory(let width, let needed, let budget):
      """
      not enough memory for one run of width \(width): \(Self.mebibytes(needed)) needed, \
      \(Self.mebibytes(budget)) allowed (see --memory)
      """
    case .tensorTooLarge(let width, let bytes, let limit):
      """
      width \(width) needs a buffer of \(Self.mebibytes(bytes)), and the device allows \
      \(Self.mebibytes(limit))
      """
    }
  }

  private static func mebibytes(_ bytes: Double) -> String {
    let count = (bytes / 0x1p20).rounded(.up)
    return count < 1e15 ? "\(Int(count)) MiB" : "far too many MiB"
  }
}
