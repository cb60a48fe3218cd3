import Foundation
import Tensors

/// One kernel family to be tuned for one class of shapes, and how it is timed and checked.
///
/// Any family of kernels with integer parameters can be tuned by giving one of these.
public struct TuningTask {
  /// As `DeviceTuning.Kernel` has them.
  public let family, shapeClass: String
  /// The family's parameters without a tuning.
  public let start: [String: Int]
  /// What to try.
  public let space: ParameterSpace
  /// Milliseconds of each of the task's products with parameters; waits for the device.
  public let time: ([String: Int]) throws -> [Double]
  /// Whether products with parameters are those of `start` up to rounding.
  public let isRight: ([String: Int]) throws -> Bool

  /// A task of these.
  public init(
    family: String, shapeClass: String, start: [String: Int], space: ParameterSpace,
    time: @escaping ([String: Int]) throws -> [Double],
    isRight: @escaping ([String: Int]) throws -> Bool
  ) {
    (self.family, self.shapeClass, self.start, self.space) = (family, shapeClass, start, space)
    (self.time, self.isRight) = (time, isRight)
  }
}

/// Searches a task's parameters for faster ones within a time.
///
/// A candidate has to give the right products, then to be faster than the best so far in timings
/// taken in turn, beyond their noise. The best of all is timed against the start once more, since
/// the luckiest of many timings flatters: only what holds then is kept.
public struct KernelTuner {
  /// Where the search stands.
  public struct Progress: Sendable {
    /// Candidates tried, and how many of them did not compile or run, or gave wrong products.
    public var tried = 0, failed = 0, wrong = 0
    /// How many times as fast as the start the best is, as far as known.
    public var gain = 1.0
  }

  /// What came of a search.
  public struct Outcome: Sendable {
    /// Parameters that are faster than the task's own; nil where none are beyond noise.
    public let kernel: DeviceTuning.Kernel?
    /// The search's last state.
    public let progress: Progress
  }

  /// How long to search, seconds; the last candidate and the confirmation come on top.
  public let seconds: Double
  /// Seconds since any moment.
  let now: () -> Double
  /// Asked between timings; the best so far is then confirmed and kept.
  let isStopped: () -> Bool
  /// Called after each candidate.
  let report: (Progress) -> Void

  private static let pairs = 5
  private static let confirmingPairs = 7
  /// A candidate this much slower in its first pair is not timed again.
  private static let hopeless = 0.97
  private static let seed: UInt64 = 1

  /// A tuner that stops when asked to.
  public init(
    seconds: Double, isStopped: @escaping () -> Bool = { false },
    report: @escaping (Progress) -> Void = { _ in }
  ) {
    let begin = ContinuousClock.now
    self.init(
      seconds: seconds, now: { (ContinuousClock.now - begin) / .seconds(1) }, isStopped: isStopped,
      report: report)
  }

  init(
    seconds: Double, now: @escaping () -> Double, isStopped: @escaping () -> Bool = { false },
    report: @escaping (Progress) -> Void = { _ in }
  ) {
    (self.seconds, self.now, self.isStopped, self.report) = (seconds, now, isStopped, report)
  }

  /// Searches.
  ///
  /// - Throws: what timing the task's own start throws. A candidate's errors count as its failure.
  public func run(_ task: TuningTask) throws -> Outcome {
    var progress = Progress()
    var best = task.start
    var search = ParameterSearch(task.space, start: task.start, seed: Self.seed)
    // Compiles, which is no part of the search.
    _ = try task.time(task.start)
    let end = now() + seconds
    while now() < end, !isStopped(), let candidate = search.next(best: best) {
      progress.tried += 1
      do {
        if try task.isRight(candidate) {
          let ratio = try compare(best, candidate, task, pairs: Self.pairs)
          if ratio.isFaster {
            best = candidate
            progress.gain *= ratio.ratio
          }
        } else {
          progress.wrong += 1
        }
      } catch {
        // Not every combination compiles or can be launched; a device that no longer answers shows
        // at the next timing of the best.
        progress.failed += 1
        _ = try task.time(best)
      }
      report(progress)
    }
    guard best != task.start else { return Outcome(kernel: nil, progress: progress) }
    let ratio = try confirm(best, task)
    progress.gain = ratio.isFaster ? ratio.ratio : 1
    guard ratio.isFaster else { return Outcome(kernel: nil, progress: progress) }
    let (before, after) = ratio.milliseconds
    return Outcome(
      kernel: DeviceTuning.Kernel(
        family: task.family, shapeClass: task.shapeClass, parameters: best, before: before,
        after: after),
      progress: progress)
  }

  private func confirm(_ best: [String: Int], _ task: TuningTask) throws -> SpeedRatio {
    var ratio = SpeedRatio()
    for pair in 0..<Self.confirmingPairs { try add(pair, task.start, best, task, to: &ratio) }
    return ratio
  }

  /// Times two in turn, until the second is clearly slower or both have been timed enough.
  private func compare(
    _ first: [String: Int], _ second: [String: Int], _ task: TuningTask, pairs: Int
  ) throws -> SpeedRatio {
    var ratio = SpeedRatio()
    for pair in 0..<pairs {
      try add(pair, first, second, task, to: &ratio)
      if pair == 0 && ratio.ratio < Self.hopeless || isStopped() { break }
    }
    return ratio
  }

  /// One pair; which comes first changes from pair to pair.
  private func add(
    _ pair: Int, _ first: [String: Int], _ second: [String: Int], _ task: TuningTask,
    to ratio: inout SpeedRatio
  ) throws {
    if pair.isMultiple(of: 2) {
      let before = try task.time(first)
      ratio.add(before: before, after: try task.time(second))
    } else {
      let after = try task.time(second)
      ratio.add(before: try task.time(first), after: after)
    }
  }
}

/// The tuning tasks of one way to multiply matrices, step by step.
public protocol TuningTasks {
  /// Families and classes in the order in which they are tuned.
  var steps: [(family: String, shapeClass: String)] { get }
  /// The share of a class's time that a step gets.
  func share(of step: Int) -> Double
  /// The task of one step; `found` is what the steps before it, or an earlier tuning, found.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func task(of step: Int, found: [DeviceTuning.Kernel]) throws -> TuningTask
}

/// How many times as fast one thing is as another, from timings taken in turn.
///
/// The mean of log(before/after) over pairs, with its 95 % interval by Student's t: what disturbs a
/// machine for longer than a pair disturbs both sides.
struct SpeedRatio {
  /// ln(before/after) of each pair.
  private var logs: [Double] = []
  private var beforeLogs: [Double] = []

  /// Faster by less than this is not worth a difference in rounding.
  static let leastGain = 1.01

  /// Adds a pair: milliseconds of each product before and after, the same products in both.
  mutating func add(before: [Double], after: [Double]) {
    precondition(before.count == after.count && !before.isEmpty, "timings of other products")
    func mean(_ values: [Double]) -> Double {
      values.reduce(0) { $0 + log($1) } / Double(values.count)
    }
    logs.append(mean(before) - mean(after))
    beforeLogs.append(mean(before))
  }

  /// Pairs so far.
  var count: Int { logs.count }

  /// Geometric mean over pairs and products of before/after; 1 without pairs.
  var ratio: Double { count == 0 ? 1 : exp(Self.mean(logs)) }

  /// Geometric means, ms.
  var milliseconds: (before: Double, after: Double) {
    let before = exp(Self.mean(beforeLogs))
    return (before, before / ratio)
  }

  /// Whether the interval lies wholly above `leastGain`; never with fewer than three pairs.
  var isFaster: Bool {
    guard count >= 3 else { return false }
    let mean = Self.mean(logs)
    let variance = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)
    let half =
      StudentT.quantile(0.975, degreesOfFreedom: count - 1)
      * (variance / Double(count)).squareRoot()
    return mean - half > log(Self.leastGain)
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }
}
