import COpenCL
import Foundation
import Synchronization

/// Memory on a device, of whatever element type.
public protocol DeviceMemory: AnyObject {
  /// The handle that OpenCL calls take; nil in a recording context.
  var handle: cl_mem? { get }
  /// Greater than that of all memory made before it in this process.
  var serial: UInt64 { get }
  /// Size in bytes.
  var byteCount: Int { get }
}

/// A type that a kernel's buffers may hold.
public protocol KernelScalar: BitwiseCopyable {
  /// The type's name in OpenCL C.
  static var openCLName: String { get }
}

extension Float: KernelScalar {
  /// The type's name in OpenCL C.
  public static var openCLName: String { "float" }
}
extension UInt32: KernelScalar {
  /// The type's name in OpenCL C.
  public static var openCLName: String { "uint" }
}
extension UInt64: KernelScalar {
  /// The type's name in OpenCL C.
  public static var openCLName: String { "ulong" }
}
extension UInt8: KernelScalar {
  /// The type's name in OpenCL C.
  public static var openCLName: String { "uchar" }
}
extension UInt16: KernelScalar {
  /// The type's name in OpenCL C.
  public static var openCLName: String { "ushort" }
}
extension SIMD4<Float>: KernelScalar {
  /// The type's name in OpenCL C.
  public static var openCLName: String { "float4" }
}

private let nextSerial = Atomic<UInt64>(0)

/// `count` elements in device memory; contents are undefined until written.
public final class Buffer<Element: KernelScalar>: DeviceMemory {
  /// The handle that OpenCL calls take; nil in a recording context.
  public let handle: cl_mem?
  /// Greater than that of all memory made before it in this process.
  public let serial: UInt64
  /// Number of elements.
  public let count: Int
  /// Size in bytes.
  public var byteCount: Int { count * MemoryLayout<Element>.stride }
  /// Of a recording context, whose buffers have no memory.
  private let recording: Recording?
  private let total: BufferBytes

  /// Room for `count` elements.
  ///
  /// - Throws: `OpenCLError.callFailed` where memory is short or `count` is 0.
  public init(context: Context, count: Int) throws {
    let bytes = count * MemoryLayout<Element>.stride
    recording = context.recording
    if recording != nil {
      handle = nil
    } else if let handle = LargePages.buffer(context: context, bytes: bytes) {
      self.handle = handle
    } else {
      var code: cl_int = 0
      handle = clCreateBuffer(
        context.handle, cl_mem_flags(CL_MEM_READ_WRITE), bytes, nil, &code)
      try check(code, "clCreateBuffer", "\(count) \(Element.openCLName), \(bytes) bytes")
    }
    serial = nextSerial.add(1, ordering: .relaxed).newValue
    self.count = count
    total = context.bufferBytes
    total.allocated(bytes)
  }

  /// A buffer that holds `elements`.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public convenience init(queue: CommandQueue, _ elements: [Element]) throws {
    try self.init(context: queue.context, count: elements.count)
    try write(elements, queue: queue)
  }

  deinit {
    total.released(byteCount)
    if let handle { clReleaseMemObject(handle) }
  }

  /// Copies `elements` to the device, starting at element `offset`; returns when they are there.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func write(_ elements: [Element], at offset: Int = 0, queue: CommandQueue) throws {
    precondition(
      offset >= 0 && offset + elements.count <= count,
      "write of \(elements.count) elements at \(offset) into a buffer of \(count)")
    queue.interruptRecording()
    if recording != nil { return }
    let stride = MemoryLayout<Element>.stride
    try elements.withUnsafeBytes { bytes in
      try check(
        clEnqueueWriteBuffer(
          queue.handle, handle, cl_bool(CL_TRUE), offset * stride, bytes.count,
          bytes.baseAddress, 0, nil, nil), "clEnqueueWriteBuffer", "\(bytes.count) bytes")
    }
  }

  /// Enqueues a copy of as many elements of `other` as there are here, from `offset` on.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func copy(from other: Buffer<Element>, at offset: Int = 0, queue: CommandQueue) throws {
    precondition(
      offset >= 0 && offset + count <= other.count,
      "copy of \(count) elements at \(offset) of \(other.count)")
    // Recorded copies begin at the beginning.
    if offset != 0 { queue.interruptRecording() }
    if recording != nil { return }
    let start = offset * MemoryLayout<Element>.stride
    try check(
      clEnqueueCopyBuffer(queue.handle, other.handle, handle, start, 0, byteCount, 0, nil, nil),
      "clEnqueueCopyBuffer", "\(byteCount) bytes")
    queue.recorder?.noteCopy(from: other, to: self)
  }

  /// The elements of `range`, all where nil, after every command before is done; zeros of a recording
  /// context's.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func read(_ range: Range<Int>? = nil, queue: CommandQueue) throws -> [Element] {
    let range = range ?? 0..<count
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count,
      "read of \(range) from a buffer of \(count)")
    queue.interruptRecording()
    let stride = MemoryLayout<Element>.stride
    return try [Element](unsafeUninitializedCapacity: range.count) { memory, initialized in
      if range.isEmpty { return }
      if recording != nil {
        memset(memory.baseAddress!, 0, range.count * stride)
        initialized = range.count
        return
      }
      try check(
        clEnqueueReadBuffer(
          queue.handle, handle, cl_bool(CL_TRUE), range.lowerBound * stride,
          range.count * stride, memory.baseAddress, 0, nil, nil), "clEnqueueReadBuffer",
        "\(range.count * stride) bytes")
      initialized = range.count
    }
  }
}

/// Memory for the large buffers of CPU devices, in pages of 2 MiB where the system gives them.
///
/// Drivers ask for memory as it comes, in pages of 4 KiB: a matrix's rows are then in as many pages as
/// there are rows, more than a processor's table of pages holds. On two Cascade Lake cores a
/// training step of width 1024 to 2048 takes 1.03 to 1.11 times as long that way.
enum LargePages {
  private static let pageSize = 2 << 20
  /// Buffers below that would waste much of a page, or gain little from two.
  private static let leastBytes = 2 * pageSize

  /// A buffer of `bytes` in such memory, which lives as long as the driver needs it; nil where it
  /// would not help, or there is none.
  static func buffer(context: Context, bytes: Int) -> cl_mem? {
    guard context.device.kind == .cpu, bytes >= leastBytes else { return nil }
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, pageSize, bytes) == 0, let memory else { return nil }
    // Advice, for whole pages: what is left over stays as small as it is, and without large pages the
    // memory is as good as any other.
    _ = madvise(memory, bytes / pageSize * pageSize, MADV_HUGEPAGE)
    var code: cl_int = 0
    let handle = clCreateBuffer(
      context.handle, cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR), bytes, memory, &code)
    guard let handle, code == CL_SUCCESS,
      clSetMemObjectDestructorCallback(handle, { _, memory in free(memory) }, memory)
        == CL_SUCCESS
    else {
      if let handle { clReleaseMemObject(handle) }
      free(memory)
      return nil
    }
    return handle
  }
}
