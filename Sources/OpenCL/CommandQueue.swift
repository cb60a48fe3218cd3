import COpenCL

/// An in-order queue of commands: each sees what those before it wrote.
public final class CommandQueue {
  /// The context whose device runs the commands.
  public let context: Context
  /// The handle that OpenCL calls take.
  public let handle: cl_command_queue
  /// The device that runs the commands.
  public var device: Device { context.device }

  /// An empty queue.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public init(context: Context) throws {
    self.context = context
    var code: cl_int = 0
    let handle = clCreateCommandQueue(context.handle, context.device.id, 0, &code)
    try check(code, "clCreateCommandQueue", context.device.name)
    self.handle = handle!
  }

  deinit {
    clFinish(handle)
    clReleaseCommandQueue(handle)
  }

  /// Waits until every command is done.
  ///
  /// - Throws: `OpenCLError.callFailed`, for faults of earlier commands too.
  public func finish() throws {
    try check(clFinish(handle), "clFinish")
  }

  /// Hands the commands so far to the device without waiting for them.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func flush() throws {
    try check(clFlush(handle), "clFlush")
  }

  /// Runs a host function as a command of the queue, on the memory of `buffers`.
  ///
  /// Only devices with `supportsNativeKernels` have it: CPUs. `body` runs once, on a thread of the
  /// driver, with one pointer for each buffer.
  /// - Throws: `OpenCLError.unsupported`, `callFailed`.
  public func enqueueNative(
    _ buffers: [any DeviceMemory],
    body: @escaping @Sendable ([UnsafeMutableRawPointer]) -> Void
  ) throws {
    guard device.supportsNativeKernels else {
      throw OpenCLError.unsupported(operation: "a native kernel", device: device.name)
    }
    // The driver copies this block and replaces each memory object in it by its address.
    let call = Unmanaged.passRetained(NativeCall(body: body, count: buffers.count))
    let slots = buffers.count + 1
    let block = UnsafeMutablePointer<UnsafeRawPointer?>.allocate(capacity: slots)
    defer { block.deallocate() }
    block.initialize(repeating: nil, count: slots)
    block[0] = UnsafeRawPointer(call.toOpaque())
    var objects: [cl_mem?] = buffers.map(\.handle)
    var places: [UnsafeRawPointer?] = buffers.indices.map { UnsafeRawPointer(block + $0 + 1) }
    let code = clEnqueueNativeKernel(
      handle, runNativeCall, block, slots * MemoryLayout<UnsafeRawPointer?>.stride,
      cl_uint(objects.count), &objects, &places, 0, nil, nil)
    if code != CL_SUCCESS { call.release() }
    try check(code, "clEnqueueNativeKernel")
  }
}

/// What a native kernel's argument block refers to: the function and how many pointers follow.
private final class NativeCall: Sendable {
  let body: @Sendable ([UnsafeMutableRawPointer]) -> Void
  let count: Int

  init(body: @escaping @Sendable ([UnsafeMutableRawPointer]) -> Void, count: Int) {
    self.body = body
    self.count = count
  }
}

private let runNativeCall: @convention(c) (UnsafeMutableRawPointer?) -> Void = { argument in
  let block = argument!.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
  let call = Unmanaged<NativeCall>.fromOpaque(block[0]!).takeRetainedValue()
  call.body((1...call.count).map { block[$0]! })
}
