import Tensors

/// How long one thing takes, from repetitions in blocks with a wait for the device after each.
public struct BlockTiming: Sendable {
  /// Milliseconds a repetition, of each block, in order.
  public let milliseconds: [Double]
  /// Repetitions of a block.
  public let repetitions: Int
  /// Processor time that the calling thread takes to enqueue a repetition, as a share of the
  /// repetition's time: of each block's first, before which the queue is empty, as some drivers keep
  /// the processor busy while they wait.
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
    var enqueuing = 0.0
    func time(_ count: Int) throws -> Duration {
      try compute.queue.finish()
      let start = ContinuousClock.now
      let processor = ThreadClock.seconds()
      try body()
      enqueuing += ThreadClock.seconds() - processor
      for _ in 1..<count { try body() }
      try compute.queue.finish()
      return ContinuousClock.now - start
    }
    // The first time compiles and allocates.
    _ = try time(1)
    let once = max(try time(1), .nanoseconds(1))
    let repetitions = max(1, Int(Self.blockLength / once))
    let end = ContinuousClock.now + .seconds(seconds)
    enqueuing = 0
    var blocks: [Double] = []
    repeat {
      blocks.append(try time(repetitions) / .milliseconds(1) / Double(repetitions))
    } while blocks.count < Self.fewestBlocks || ContinuousClock.now < end
    hostShare = enqueuing / (blocks.reduce(0, +) / 1e3)
    (milliseconds, self.repetitions) = (blocks, repetitions)
  }

  /// The middle block's time.
  public var median: Double { milliseconds.sorted()[milliseconds.count / 2] }
  /// The fastest block's time: what other programs disturbed least.
  public var least: Double { milliseconds.min() ?? .nan }
  /// The slowest block's time.
  public var most: Double { milliseconds.max() ?? .nan }
}
