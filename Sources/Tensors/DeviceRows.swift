import OpenCL

/// Rows with their labels or targets resident on the device, gathered into batches with normalisation.
///
///     x = source·scale + shift
public final class DeviceRows {
  /// Values as stored: bytes stay bytes, a quarter of the memory.
  public enum Source {
    /// [count, inputs], 0…255.
    case bytes([UInt8])
    /// [count, inputs].
    case floats([Float])
  }

  enum Storage {
    case bytes(Buffer<UInt8>)
    case floats(Buffer<Float>)
  }

  /// Whether the values are stored as bytes.
  package var isBytes: Bool { if case .bytes = storage { true } else { false } }
  /// Number of rows.
  public let count: Int
  /// Values a row.
  public let inputs: Int
  let storage: Storage
  /// Class of each row; where there are targets, its number.
  let labels: Buffer<UInt32>
  /// What a network is to give for each row, [count, outputs]; nil: its label's class.
  package let targets: Buffer<Float>?
  let scale: Buffer<Float>
  let shift: Buffer<Float>

  /// Uploads rows with their labels and normalisation.
  ///
  /// - scale, shift: [inputs].
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public convenience init(
    _ source: Source, labels: [UInt32], scale: [Float], shift: [Float], compute: Compute
  ) throws {
    try self.init(
      source, labels: labels, targets: nil, scale: scale, shift: shift, compute: compute)
  }

  /// Uploads rows with the numbers that a network is to give for them, and their normalisation.
  ///
  /// - targets: [count, outputs]. scale, shift: [inputs].
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public convenience init(
    _ source: Source, targets: [Float], outputs: Int, scale: [Float], shift: [Float],
    compute: Compute
  ) throws {
    precondition(
      outputs >= 1 && targets.count.isMultiple(of: outputs),
      "\(targets.count) targets of \(outputs) outputs")
    try self.init(
      source, labels: (0..<UInt32(targets.count / outputs)).map { $0 }, targets: targets,
      scale: scale, shift: shift, compute: compute)
  }

  private init(
    _ source: Source, labels: [UInt32], targets: [Float]?, scale: [Float], shift: [Float],
    compute: Compute
  ) throws {
    count = labels.count
    inputs = scale.count
    let values =
      switch source {
      case .bytes(let values): values.count
      case .floats(let values): values.count
      }
    precondition(
      values == count * inputs && shift.count == inputs,
      "\(values) values for \(count) rows of \(inputs)")
    storage =
      switch source {
      case .bytes(let values): .bytes(try Buffer(queue: compute.queue, values))
      case .floats(let values): .floats(try Buffer(queue: compute.queue, values))
      }
    self.labels = try Buffer(queue: compute.queue, labels)
    self.targets = try targets.map { try Buffer(queue: compute.queue, $0) }
    self.scale = try Buffer(queue: compute.queue, scale)
    self.shift = try Buffer(queue: compute.queue, shift)
  }

  /// Which rows come when, for each replica: [replica, period] row numbers on the device.
  public struct Order {
    let buffer: Buffer<UInt32>
    let replicas: Int
    /// Rows of a replica's order.
    public let period: Int

    /// Uploads an order.
    ///
    /// - rows: for each replica the row numbers in order, all of one length.
    /// - Throws: `OpenCLError.callFailed`.
    public init(_ rows: [[UInt32]], compute: Compute) throws {
      let period = rows.first?.count ?? 0
      precondition(rows.allSatisfy { $0.count == period }, "orders of different lengths")
      replicas = rows.count
      self.period = period
      buffer = try Buffer(queue: compute.queue, rows.flatMap { $0 })
    }

    /// The order that `buffer` holds, or will.
    init(buffer: Buffer<UInt32>, replicas: Int) {
      (self.buffer, self.replicas) = (buffer, replicas)
      period = buffer.count / replicas
    }
  }

  /// The batch of rows `offset ..< offset + rows` of the order, normalised: [replica, rows, inputs].
  ///
  /// - labels: takes the rows' labels, [replica, rows]; their numbers where they have targets.
  /// - Throws: `OpenCLError`.
  public func gather(
    _ order: Order, offset: Int, rows: Int, labels batchLabels: Buffer<UInt32>, compute: Compute
  ) throws -> Tensor {
    try gather(
      order, offset: Varying(UInt32(offset)), rows: rows, labels: batchLabels, compute: compute)
  }

  /// The same, from an offset that may be another when the launch is recorded and made again.
  ///
  /// - Throws: `OpenCLError`.
  package func gather(
    _ order: Order, offset: Varying<UInt32>, rows: Int, labels batchLabels: Buffer<UInt32>,
    compute: Compute
  ) throws -> Tensor {
    let first = Int(offset.value)
    precondition(
      first + rows <= order.period && batchLabels.count == order.replicas * rows,
      "rows \(first)..<\(first + rows) of \(order.period), \(batchLabels.count) labels")
    let batch = try compute.tensor(replicas: order.replicas, rows: rows, columns: inputs)
    switch storage {
    case .bytes(let source):
      try gather(source, "gather_bytes", order, offset, into: batch, batchLabels, compute)
    case .floats(let source):
      try gather(source, "gather_floats", order, offset, into: batch, batchLabels, compute)
    }
    return batch
  }

  private func gather<Element>(
    _ source: Buffer<Element>, _ name: String, _ order: Order, _ offset: Varying<UInt32>,
    into batch: Tensor, _ batchLabels: Buffer<UInt32>, _ compute: Compute
  ) throws {
    let vectors = (inputs + compute.vectorWidth - 1) / compute.vectorWidth
    let kernel = try compute.kernel(
      .gather, name, Buffer<Element>.self, Buffer<UInt32>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<UInt32>.self, Buffer<Float>.self, Buffer<UInt32>.self,
      Varying<UInt32>.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      compute.queue, global: [compute.roundUp(batch.rows * vectors, 64), order.replicas],
      local: [64, 1], source, labels, scale, shift, order.buffer, batch.buffer, batchLabels,
      offset, UInt32(order.period), UInt32(inputs), UInt32(batch.rows), UInt32(vectors))
  }
}

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
