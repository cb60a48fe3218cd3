import Foundation

/// The learning rate over training, as a factor in [0, 1] of its peak.
public struct Schedule: Codable, Hashable, Sendable {
  /// The form after warm-up.
  public enum Shape: String, Codable, Hashable, Sendable, CaseIterable {
    case constant, cosine, linear
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
