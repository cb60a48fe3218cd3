import Networks
import Tensors

/// One parameter's update as it was just made.
public struct ObservedUpdate {
  /// What was updated; its value is the new one.
  public let parameter: Parameter
  /// The loss's gradient, before it is clipped.
  public let gradient: ParameterGradient
  /// ΔW of the step, where the observer wanted it.
  public let change: Tensor?
  /// The rule's state after the update.
  public let state: [Tensor]
  /// The learning rate's factor in each replica.
  public let schedule: [Double]
  /// The step's number, from 1.
  public let step: Int
}

/// Looks at updates as they are made.
public protocol UpdateObserver: AnyObject {
  /// Whether the update's ΔW is to be kept for `observe`.
  func wantsChange(of parameter: Parameter) -> Bool
  /// Called after each parameter's update, in the order of the way back.
  ///
  /// - Throws: what keeps it from measuring.
  func observe(_ update: ObservedUpdate) throws
}
