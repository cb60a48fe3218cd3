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
    gemm = compute.multiplier.name
    precision = compute.multiplier.precision.rawValue
    self.details = details
  }
}
