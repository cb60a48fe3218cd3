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
