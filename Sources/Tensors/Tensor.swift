import OpenCL

/// Floats on a device with a leading replica axis: [replica, rows, columns], row-major.
///
/// One replica stands for all where an operation's other operands have more (broadcast).
/// Copies share memory; the last one gives it back for reuse.
public struct Tensor {
  /// Runs that share shapes and train together.
  public let replicas: Int
  /// Rows of one replica: a batch, or a weight's fan-out.
  public let rows: Int
  /// Columns of one replica: features, or a weight's fan-in.
  public let columns: Int
  private let storage: Storage

  /// The elements in device memory.
  public var buffer: Buffer<Float> { storage.buffer }
  /// Elements of one replica.
  public var stride: Int { rows * columns }
  /// Elements of all replicas.
  public var count: Int { replicas * stride }
  /// [replica, rows, columns], for messages.
  public var shape: [Int] { [replicas, rows, columns] }

  /// The same elements in rows and columns of other sizes; memory is shared.
  ///
  ///     let heads = queries.reshaped(rows: queries.rows * 4, columns: queries.columns / 4)
  ///
  /// - rows, columns: of as many elements a replica.
  public func reshaped(rows: Int, columns: Int) -> Tensor {
    precondition(
      rows > 0 && columns > 0 && rows * columns == stride, "\(shape) as rows of \(columns)")
    return Tensor(replicas: replicas, rows: rows, columns: columns, storage: storage)
  }

  /// Each replica's rows in so many parts, which are replicas of their own; memory is shared.
  ///
  ///     let heads = queryWeight.split(into: 4)  // [replica·4, rows/4, columns]
  ///
  /// - parts: a divisor of the rows.
  public func split(into parts: Int) -> Tensor {
    precondition(parts > 0 && rows.isMultiple(of: parts), "\(shape) in \(parts) parts")
    return Tensor(
      replicas: replicas * parts, rows: rows / parts, columns: columns, storage: storage)
  }

  /// What `split` took apart as it was; memory is shared.
  ///
  /// - parts: a divisor of the replicas.
  public func joined(from parts: Int) -> Tensor {
    precondition(parts > 0 && replicas.isMultiple(of: parts), "\(shape) from \(parts) parts")
    return Tensor(
      replicas: replicas / parts, rows: rows * parts, columns: columns, storage: storage)
  }

  private init(replicas: Int, rows: Int, columns: Int, storage: Storage) {
    (self.replicas, self.rows, self.columns) = (replicas, rows, columns)
    self.storage = storage
  }

  /// - guarded: elements beyond the last that the memory has, for tests.
  init(replicas: Int, rows: Int, columns: Int, guarded: Int = 0, pool: BufferPool) throws {
    precondition(
      replicas > 0 && rows > 0 && columns > 0, "no tensor of shape \([replicas, rows, columns])")
    self.replicas = replicas
    self.rows = rows
    self.columns = columns
    storage = Storage(try pool.take(count: replicas * rows * columns + guarded), pool: pool)
  }

  /// Elements between one replica and the next: 0 where the tensor stands for all of `count`.
  func replicaStride(in count: Int) -> Int {
    precondition(
      replicas == count || replicas == 1, "\(shape) does not broadcast to \(count) replicas")
    return replicas == 1 ? 0 : stride
  }
}

/// Memory on loan from a pool.
private final class Storage {
  let buffer: Buffer<Float>
  private let pool: BufferPool

  init(_ buffer: Buffer<Float>, pool: BufferPool) {
    self.buffer = buffer
    self.pool = pool
  }

  deinit { pool.give(buffer) }
}

/// Device memory kept for reuse by size, so that a repeated computation allocates nothing.
///
/// Commands run in order, so memory may be handed out again before those that used it are done.
final class BufferPool {
  private let context: Context
  private var free: [Int: [Buffer<Float>]] = [:]
  /// Buffers made so far.
  private(set) var allocations = 0
  /// Bytes of all buffers, in use and free.
  private(set) var bytes = 0
  /// Bytes of the largest buffer so far.
  private(set) var largestBytes = 0
  /// Counts buffers taken, given back and let go.
  private(set) var changes = 0

  init(context: Context) {
    self.context = context
  }

  func take(count: Int) throws -> Buffer<Float> {
    changes += 1
    if let buffer = free[count]?.popLast() { return buffer }
    let buffer = try Buffer<Float>(context: context, count: count)
    allocations += 1
    bytes += buffer.byteCount
    largestBytes = max(largestBytes, buffer.byteCount)
    return buffer
  }

  /// Lets go of what is not in use.
  func releaseUnused() {
    changes += 1
    bytes -= free.values.joined().reduce(0) { $0 + $1.byteCount }
    free.removeAll()
  }

  func give(_ buffer: Buffer<Float>) {
    changes += 1
    free[buffer.count, default: []].append(buffer)
  }

  /// Whether `memory` waits here for its next use.
  func isFree(_ memory: any DeviceMemory) -> Bool {
    guard let buffer = memory as? Buffer<Float> else { return false }
    return free[buffer.count]?.contains { $0 === buffer } ?? false
  }

  /// Whether all buffers of these serial numbers wait here for their next use.
  func areFree(_ serials: Set<UInt64>) -> Bool {
    free.values.joined().count { serials.contains($0.serial) } == serials.count
  }
}
