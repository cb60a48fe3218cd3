import OpenCL

/// Sums that accumulate on the device, one slot a step and replica, and are read back rarely.
public final class SumHistory {
  /// Slots that can be filled before a read.
  public let capacity: Int
  private let replicas: Int
  private let buffer: Buffer<Float>
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
    let active = active ?? unused
    precondition(
      (0..<capacity).contains(slot) && x.replicas == replicas && active.count == replicas,
      "slot \(slot) of \(capacity), \(x.shape) for \(replicas) replicas")
    let kernel = try compute.kernel(
      .reduction, "record_sum", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      compute.queue, global: [compute.roundUp(replicas, 64)], local: [64], x.buffer, buffer,
      active.buffer, UInt32(slot), UInt32(x.stride), UInt32(replicas))
  }

  /// The first `slots` slots, [slot][replica]; waits for the commands before.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func read(slots: Int) throws -> [[Float]] {
    let values = try buffer.read(0..<slots * replicas, queue: compute.queue)
    return (0..<slots).map { Array(values[$0 * replicas..<($0 + 1) * replicas]) }
  }
}
