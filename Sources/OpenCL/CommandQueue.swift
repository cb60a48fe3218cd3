import COpenCL

/// An in-order queue of commands: each sees what those before it wrote.
public final class CommandQueue {
  /// The context whose device runs the commands.
  public let context: Context
  /// The handle that OpenCL calls take; nil in a recording context.
  public let handle: cl_command_queue?
  /// The device that runs the commands.
  public var device: Device { context.device }
  /// Notes what is enqueued, while something is recorded.
  var recorder: LaunchRecorder?

  /// An empty queue.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public init(context: Context) throws {
    self.context = context
    guard context.recording == nil else {
      handle = nil
      return
    }
    var code: cl_int = 0
    handle = clCreateCommandQueue(context.handle, context.device.id, 0, &code)
    try check(code, "clCreateCommandQueue", context.device.name)
  }

  deinit {
    if let handle {
      clFinish(handle)
      clReleaseCommandQueue(handle)
    }
  }

  /// Waits until every command is done.
  ///
  /// - Throws: `OpenCLError.callFailed`, for faults of earlier commands too.
  public func finish() throws {
    interruptRecording()
    guard let handle else { return }
    try check(clFinish(handle), "clFinish")
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
    interruptRecording()
    if let recording = context.recording {
      recording.launched(accessing: buffers.reduce(0) { $0 + $1.byteCount })
      return
    }
    // PoCL 3.1 orders the memory objects by age and drops repeated ones before it puts their
    // addresses in place, so they are handed over in that order, each once.
    var distinct: [any DeviceMemory] = []
    for buffer in buffers.sorted(by: { $0.serial < $1.serial })
    where distinct.last?.serial != buffer.serial {
      distinct.append(buffer)
    }
    let slots = buffers.map { buffer in
      distinct.firstIndex { $0.serial == buffer.serial }!
    }
    let call = Unmanaged.passRetained(NativeCall(body: body, slots: slots))
    // The driver copies this block and replaces each memory object in it by its address.
    let size = distinct.count + 1
    let block = UnsafeMutablePointer<UnsafeRawPointer?>.allocate(capacity: size)
    defer { block.deallocate() }
    block.initialize(repeating: nil, count: size)
    block[0] = UnsafeRawPointer(call.toOpaque())
    var objects: [cl_mem?] = distinct.map(\.handle)
    var places: [UnsafeRawPointer?] = distinct.indices.map { UnsafeRawPointer(block + $0 + 1) }
    let code = clEnqueueNativeKernel(
      handle, runNativeCall, block, size * MemoryLayout<UnsafeRawPointer?>.stride,
      cl_uint(objects.count), &objects, &places, 0, nil, nil)
    if code != CL_SUCCESS { call.release() }
    try check(code, "clEnqueueNativeKernel")
  }
}

/// What a native kernel's argument block refers to: the function, and where in the block the address
/// of each of its buffers is.
private final class NativeCall: Sendable {
  let body: @Sendable ([UnsafeMutableRawPointer]) -> Void
  let slots: [Int]

  init(body: @escaping @Sendable ([UnsafeMutableRawPointer]) -> Void, slots: [Int]) {
    self.body = body
    self.slots = slots
  }
}

private let runNativeCall: @convention(c) (UnsafeMutableRawPointer?) -> Void = { argument in
  let block = argument!.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
  let call = Unmanaged<NativeCall>.fromOpaque(block[0]!).takeRetainedValue()
  call.body(call.slots.map { block[$0 + 1]! })
}
