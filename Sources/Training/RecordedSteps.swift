import OpenCL
import Tensors

/// Training steps whose launches are made again in place of being worked out.
///
/// The first step of a batch size compiles and tries kernels; the second and the third are recorded. If both
/// launched the same, so do all to come, but for what is a `Varying`: the batch's place in the order, the
/// loss's slot, and what the optimizer takes from step and schedule.
final class RecordedSteps {
  /// The batch's first row in the epoch's order.
  let offset = Varying<UInt32>(0)
  /// Where the loss goes.
  let slot = Varying<UInt32>(0)
  private var rows: DeviceRows?
  /// By batch size.
  private var states: [Int: State] = [:]
  /// Whether steps of some batch size are made again.
  var areThere: Bool {
    states.values.contains { if case .recorded = $0 { true } else { false } }
  }

  private enum State {
    case workedOut
    case recordedOnce(RecordedComputation)
    case recorded(RecordedComputation)
    /// Something other than launches is part of it, or it differs from step to step.
    case notRepeated
  }

  /// What makes a step on batches of `size` of `rows` again; nil where it is to be worked out.
  func step(of size: Int, on rows: DeviceRows) -> RecordedComputation? {
    if rows !== self.rows { (self.rows, states) = (rows, [:]) }
    guard case .recorded(let step) = states[size] else { return nil }
    if step.isReady { return step }
    // Someone keeps a tensor in its memory.
    states[size] = .workedOut
    return nil
  }

  /// Makes a step on batches of `size` by `workOut`, and records it when the time has come.
  func record(_ size: Int, compute: Compute, _ workOut: () throws -> Void) throws {
    switch states[size] {
    case nil:
      try workOut()
      states[size] = .workedOut
    case .workedOut:
      states[size] = try compute.record(workOut).map { .recordedOnce($0) } ?? .notRepeated
    case .recordedOnce(let before):
      let step = try compute.record(workOut)
      states[size] = step.flatMap { $0.isLike(before) ? .recorded($0) : nil } ?? .notRepeated
    case .recorded, .notRepeated:
      try workOut()
    }
  }
}
