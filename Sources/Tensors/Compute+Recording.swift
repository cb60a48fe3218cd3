import OpenCL

/// A computation whose launches can be made again, on the tensors that it was recorded with.
///
/// Tensors that the computation made and gave back are not held for it: their memory serves others in
/// between. As commands run in order, all that a replay asks of it is that nobody has it at the time.
package final class RecordedComputation {
  private let launches: RecordedLaunches
  private let compute: Compute
  /// Serial numbers of the memory that was given back.
  private let passing: Set<UInt64>
  /// The pool's changes when that memory was last seen to be free.
  private var checked = -1

  fileprivate init(_ launches: RecordedLaunches, _ compute: Compute) {
    (self.launches, self.compute) = (launches, compute)
    passing = launches.release(where: compute.pool.isFree)
  }

  /// Whether the same was launched, but for the memory of tensors that were given back.
  package func isLike(_ other: RecordedComputation) -> Bool { launches.isLike(other.launches) }

  /// Whether the memory that was given back is free, so that `replay` may use it.
  package var isReady: Bool {
    if checked == compute.pool.changes { return true }
    guard compute.pool.areFree(passing) else { return false }
    checked = compute.pool.changes
    return true
  }

  /// Makes the computation's launches again, with the values that its `Varying` scalars have now.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  package func replay() throws {
    precondition(isReady, "a replay in memory that others have")
    try launches.replay(on: compute.queue)
  }
}

extension Compute {
  /// Makes a computation, and records it where it can be made again.
  ///
  ///     let recorded = try compute.record { try step() }
  ///     if let recorded, recorded.isReady { try recorded.replay() }
  ///
  /// - Returns: nil where something other than launches and copies was enqueued.
  /// - Throws: what `body` throws.
  package func record(_ body: () throws -> Void) throws -> RecordedComputation? {
    try queue.record(body).map { RecordedComputation($0, self) }
  }
}
