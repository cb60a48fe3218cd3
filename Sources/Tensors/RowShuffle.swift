import OpenCL

/// Random orders of rows, one for each replica, made on the device by Kernels/order.cl.
///
/// An order is a keyed permutation: it depends on the number of rows, the replica's seed and the
/// stream alone, and is the same on every device.
///
///     let shuffle = try RowShuffle(count: rows.count, seeds: [1, 2], compute: compute)
///     let batch = try rows.gather(
///       shuffle.order(stream: 7), offset: 0, rows: 64, labels: labels, compute: compute)
public final class RowShuffle {
  /// Number of rows.
  public let count: Int
  private let seeds: Buffer<UInt64>
  private let order: DeviceRows.Order
  private let compute: Compute

  /// Elements that one work-item makes, PIECE of the kernel.
  private var piece: Int { compute.kernelVariant == .item ? 1024 : compute.vectorWidth }

  /// Room for one order of `count` rows, from 1 up, for each of `seeds`.
  ///
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public init(count: Int, seeds: [UInt64], compute: Compute) throws {
    precondition(count > 0 && !seeds.isEmpty, "an order of \(count) rows for \(seeds.count) seeds")
    self.count = count
    self.compute = compute
    self.seeds = try Buffer(queue: compute.queue, seeds)
    order = try DeviceRows.Order(
      buffer: Buffer(context: compute.queue.context, count: count * seeds.count),
      replicas: seeds.count)
  }

  /// The order of `stream`, in place of the last one's memory; nothing waits for the device.
  ///
  /// - Throws: `OpenCLError`.
  public func order(stream: UInt64) throws -> DeviceRows.Order {
    let kernel = try compute.kernel(
      .order, "shuffle_rows", Buffer<UInt64>.self, Buffer<UInt32>.self, UInt64.self, UInt32.self)
    let items = compute.kernelVariant.groupItems
    let groups = (count + items * piece - 1) / (items * piece)
    try kernel(
      compute.queue, global: [groups * items, order.replicas], local: [items, 1], seeds,
      order.buffer, stream, UInt32(count))
    return order
  }
}
