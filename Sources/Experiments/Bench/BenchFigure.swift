import Foundation
import Tensors

/// One measurement of `gputrain bench`.
public struct BenchFigure: Encodable, Sendable {
  /// What was timed, with its sizes.
  public let what: String
  /// Median, least and most over the blocks, of one repetition.
  public let milliseconds, leastMilliseconds, mostMilliseconds: Double
  /// Blocks timed, and repetitions in each.
  public let blocks, repetitions: Int
  /// Floating-point operations over the median time, 10⁹ a second: two a multiply-add of the
  /// matrix products, nothing else counted.
  public let gflops: Double
  /// Bytes that have to be read and written at least over the median time, 10⁹ a second.
  public let gigabytesPerSecond: Double
  /// The device's name.
  public let device: String
  /// How matrices were multiplied.
  public let gemm: String
  /// What products round their operands to; all else is fp32.
  public let precision: String
  /// What else there is to say of it, by name.
  public let details: [String: Double]

  private enum CodingKeys: String, CodingKey {
    case what, milliseconds
    case leastMilliseconds = "least_milliseconds"
    case mostMilliseconds = "most_milliseconds"
    case blocks, repetitions, gflops
    case gigabytesPerSecond = "gigabytes_per_second"
    case device, gemm, precision, details
  }

  /// A figure of `timing`, whose repetition is `units` of the thing.
  ///
  /// - operations, bytes: of one unit.
  init(
    _ what: String, _ timing: BlockTiming, units: Double = 1, operations: Double, bytes: Double,
    details: [String: Double] = [:], compute: Compute
  ) {
    self.what = what
    milliseconds = timing.median / units
    leastMilliseconds = timing.least / units
    mostMilliseconds = timing.most / units
    (blocks, repetitions) = (timing.milliseconds.count, timing.repetitions)
    gflops = operations / milliseconds / 1e6
    gigabytesPerSecond = bytes / milliseconds / 1e6
    device = compute.deviceDescription
    gemm = compute.backend.name
    precision = compute.backend.precision.rawValue
    self.details = details
  }
}

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

/// The processor time of the calling thread: what enqueuing costs, as other threads and the device do
/// the rest.
enum ThreadClock {
  /// Seconds of processor time since the thread began.
  static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
