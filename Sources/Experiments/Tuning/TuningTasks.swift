import Tensors

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
