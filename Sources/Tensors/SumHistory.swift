import OpenCL

/// Sums that accumulate on the device, one slot a step and replica, and are read back rarely.
public final class SumHistory {
  /// Slots that can be filled before a read.
  public let capacity: Int
  private let replicas: Int
  let buffer: Buffer<Float>
  /// Takes the marks that nobody asked for.
  private let unused: Tensor
  private let compute: Compute

  /// A history of `capacity` slots.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public init(capacity: Int, replicas: Int, compute: Compute) throws {
    self.capacity = capacity
    self.replicas = replicas
    self.compute = compute
    unused = try compute.filled(1, replicas: replicas, rows: 1, columns: 1)
    buffer = try Buffer(context: compute.queue.context, count: capacity * replicas)
  }

  /// Slot ← Σ x [replica, 1, rows] of each replica.
  ///
  /// - active: where given, [replica, 1, 1]: a replica whose sum is not finite gets 0.
  ///
  /// - Throws: `OpenCLError`.
  public func record(_ x: Tensor, slot: Int, active: Tensor? = nil) throws {
    try record(x, slot: Varying(UInt32(slot)), active: active)
  }

  /// The same, to a slot that may be another when the launch is recorded and made again.
  ///
  /// - Throws: `OpenCLError`.
  package func record(_ x: Tensor, slot: Varying<UInt32>, active: Tensor? = nil) throws {
    let active = active ?? unused
    check(Int(slot.value), x, active)
    let kernel = try compute.kernel(
      .record, "record_sum", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Varying<UInt32>.self, UInt32.self)
    let items = compute.kernelVariant.groupItems
    try kernel(
      compute.queue, global: [items * replicas], local: [items], x.buffer, buffer, active.buffer,
      slot, UInt32(x.stride))
  }

  /// Traps unless `slot` is there for `x` and `active`, which are of the history's replicas.
  func check(_ slot: Int, _ x: Tensor, _ active: Tensor) {
    precondition(
      (0..<capacity).contains(slot) && x.replicas == replicas && active.count == replicas,
      "slot \(slot) of \(capacity), \(x.shape) for \(replicas) replicas")
  }

  /// The first `slots` slots, [slot][replica]; waits for the commands before.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func read(slots: Int) throws -> [[Float]] {
    let values = try buffer.read(0..<slots * replicas, queue: compute.queue)
    return (0..<slots).map { Array(values[$0 * replicas..<($0 + 1) * replicas]) }
  }
}
