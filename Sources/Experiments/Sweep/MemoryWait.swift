import Foundation
import Tensors

/// What is done where the device's memory is short and less will not do: other programs may hold what
/// is needed, so it is tried again for a while, counted from the first time.
public struct MemoryWait {
  /// How long.
  private let limit: Duration
  /// Between two tries.
  private let pause: Duration
  /// When memory was short for the first time.
  private var start: ContinuousClock.Instant?

  /// A wait of `limit` in all.
  public init(limit: Duration = .seconds(30), pause: Duration = .milliseconds(500)) {
    (self.limit, self.pause) = (limit, pause)
  }

  /// Gives back what `compute` does not use, and pauses before the next try; false, and at once, where
  /// `error` does not say that memory is short, or the time is over.
  ///
  /// - Throws: `OpenCLError`.
  public mutating func pausesBeforeRetry(after error: any Error, _ compute: Compute) throws -> Bool
  {
    guard error.isOutOfDeviceMemory else { return false }
    let first = start ?? .now
    start = first
    guard ContinuousClock.now - first < limit else { return false }
    try compute.releaseUnusedMemory()
    Thread.sleep(forTimeInterval: pause / .seconds(1))
    return true
  }
}
