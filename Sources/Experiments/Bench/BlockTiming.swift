import Tensors

/// How long one thing takes, from repetitions in blocks with a wait for the device after each.
public struct BlockTiming: Sendable {
  /// Milliseconds a repetition, of each block, in order.
  public let milliseconds: [Double]
  /// Repetitions of a block.
  public let repetitions: Int
  /// Share of the blocks' time in which the calling thread was at work: what enqueuing costs.
  public let hostShare: Double

  /// Blocks of about a twentieth of a second are long against the wait, and short enough that a
  /// few fit between disturbances.
  private static let blockLength = Duration.milliseconds(50)
  private static let fewestBlocks = 5

  /// Times `body` for about `seconds`, after a block that warms up and sets the blocks' length.
  ///
  /// - body: enqueues the thing once.
  /// - Throws: `OpenCLError`, what `body` throws.
  public init(seconds: Double, compute: Compute, _ body: () throws -> Void) throws {
    func time(_ count: Int) throws -> Duration {
      try compute.queue.finish()
      let start = ContinuousClock.now
      for _ in 0..<count { try body() }
      try compute.queue.finish()
      return ContinuousClock.now - start
    }
    // The first time compiles and allocates.
    _ = try time(1)
    let once = max(try time(1), .nanoseconds(1))
    let repetitions = max(1, Int(Self.blockLength / once))
    let end = ContinuousClock.now + .seconds(seconds)
    let host = HostClock()
    var blocks: [Double] = []
    repeat {
      blocks.append(try time(repetitions) / .milliseconds(1) / Double(repetitions))
    } while blocks.count < Self.fewestBlocks || ContinuousClock.now < end
    hostShare = host.share()
    (milliseconds, self.repetitions) = (blocks, repetitions)
  }

  /// The middle block's time.
  public var median: Double { milliseconds.sorted()[milliseconds.count / 2] }
  /// The fastest block's time: what other programs disturbed least.
  public var least: Double { milliseconds.min() ?? .nan }
  /// The slowest block's time.
  public var most: Double { milliseconds.max() ?? .nan }
}
