import Foundation

/// The learning rate over training, as a factor in [0, 1] of its peak.
public struct Schedule: Codable, Hashable, Sendable {
  /// The form after warm-up.
  public enum Shape: String, Codable, Hashable, Sendable, CaseIterable {
    /// The peak until the end.
    case constant
    /// Half a cosine from the peak to 0.
    case cosine
    /// A straight line from the peak to 0.
    case linear
    /// Constant, then linear to 0 over the last fifth (warm-up–stable–decay).
    case warmupStableDecay = "wsd"
  }

  /// The form after warm-up.
  public var shape: Shape
  /// Share of all steps, in [0, 1), over which the factor rises linearly to 1.
  public var warmup: Double

  /// A schedule that warms up over `warmup` of all steps and then follows `shape`.
  public init(_ shape: Shape = .constant, warmup: Double = 0) {
    precondition((0..<1).contains(warmup), "warmup must be in [0, 1), got \(warmup)")
    self.shape = shape
    self.warmup = warmup
  }
}

extension Schedule {
  /// The factor of step `step` of `total`, 0 ≤ step < total.
  ///
  ///     warm-up   (step + 1)/w,  w = warmup·total rounded
  ///     then, with t = (step − w)/(total − w):
  ///     cosine    (1 + cos πt)/2
  ///     linear    1 − t
  ///     wsd       1 until the last fifth of all steps, then linear to 0
  public func factor(step: Int, of total: Int) -> Double {
    precondition((0..<total).contains(step), "step \(step) of \(total)")
    let warmupSteps = Int((warmup * Double(total)).rounded())
    if step < warmupSteps { return Double(step + 1) / Double(warmupSteps) }
    let progress = Double(step - warmupSteps) / Double(total - warmupSteps)
    switch shape {
    case .constant: return 1
    case .cosine: return (1 + cos(.pi * progress)) / 2
    case .linear: return 1 - progress
    case .warmupStableDecay:
      let decaySteps = min(max(total / 5, 1), total - warmupSteps)
      return min(1, Double(total - step) / Double(decaySteps))
    }
  }
}
