import OpenCL

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

  init(context: Context) {
    self.context = context
  }

  func take(count: Int) throws -> Buffer<Float> {
    if let buffer = free[count]?.popLast() { return buffer }
    let buffer = try Buffer<Float>(context: context, count: count)
    allocations += 1
    bytes += buffer.byteCount
    largestBytes = max(largestBytes, buffer.byteCount)
    return buffer
  }

  /// Lets go of what is not in use.
  func releaseUnused() {
    bytes -= free.values.joined().reduce(0) { $0 + $1.byteCount }
    free.removeAll()
  }

  func give(_ buffer: Buffer<Float>) {
    free[buffer.count, default: []].append(buffer)
  }
}
