import COpenCL

/// Memory of the host that devices copy to and from while other commands run: page-locked, where the driver has
/// such.
///
///     let memory = try PinnedMemory(queue: queue, byteCount: 4 * buffer.count)
///     let copy = try buffer.beginRead(into: memory, queue: queue)
///     // … enqueue other work …
///     try copy.wait()
public final class PinnedMemory {
  /// The first byte.
  public let pointer: UnsafeMutableRawPointer
  /// Size in bytes.
  public let byteCount: Int
  private let queue: CommandQueue
  private let handle: cl_mem

  /// Memory of this size, ≥ 1; contents are undefined.
  ///
  /// - queue: not of a recording context.
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public init(queue: CommandQueue, byteCount: Int) throws {
    (self.queue, self.byteCount) = (queue, byteCount)
    var code: cl_int = 0
    let flags = cl_mem_flags(CL_MEM_READ_WRITE) | cl_mem_flags(CL_MEM_ALLOC_HOST_PTR)
    let handle = clCreateBuffer(queue.context.handle, flags, byteCount, nil, &code)
    try check(code, "clCreateBuffer", "\(byteCount) bytes of host memory")
    let pointer = clEnqueueMapBuffer(
      queue.handle, handle, cl_bool(CL_TRUE), cl_map_flags(CL_MAP_READ | CL_MAP_WRITE), 0,
      byteCount, 0, nil, nil, &code)
    if code != CL_SUCCESS { clReleaseMemObject(handle) }
    try check(code, "clEnqueueMapBuffer", "\(byteCount) bytes of host memory")
    (self.handle, self.pointer) = (handle!, pointer!)
  }

  deinit {
    clEnqueueUnmapMemObject(queue.handle, handle, pointer, 0, nil, nil)
    clReleaseMemObject(handle)
  }
}

/// A command that has been enqueued, and can be waited for alone.
public final class PendingCommand {
  private let event: cl_event

  fileprivate init(_ event: cl_event) { self.event = event }

  deinit { clReleaseEvent(event) }

  /// Waits until it is done.
  ///
  /// - Throws: `OpenCLError.callFailed`, for faults of the commands before it too.
  public func wait() throws {
    var event: cl_event? = event
    try check(clWaitForEvents(1, &event), "clWaitForEvents")
  }
}

extension Buffer {
  /// Enqueues a copy of all elements to `memory` from byte `offset` on, and has the device begin what is
  /// enqueued.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func beginRead(
    into memory: PinnedMemory, at offset: Int = 0, queue: CommandQueue
  ) throws -> PendingCommand {
    precondition(
      offset >= 0 && offset + byteCount <= memory.byteCount,
      "\(byteCount) bytes at \(offset) of \(memory.byteCount)")
    queue.interruptRecording()
    var event: cl_event?
    try check(
      clEnqueueReadBuffer(
        queue.handle, handle, cl_bool(CL_FALSE), 0, byteCount, memory.pointer + offset, 0, nil,
        &event), "clEnqueueReadBuffer", "\(byteCount) bytes")
    try check(clFlush(queue.handle), "clFlush")
    return PendingCommand(event!)
  }

  /// Enqueues a copy of all elements from `memory`, from byte `offset` on, which stays as it is until the copy
  /// is done: commands that are waited for later come after it.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func beginWrite(
    from memory: PinnedMemory, at offset: Int = 0, queue: CommandQueue
  ) throws {
    precondition(
      offset >= 0 && offset + byteCount <= memory.byteCount,
      "\(byteCount) bytes at \(offset) of \(memory.byteCount)")
    queue.interruptRecording()
    try check(
      clEnqueueWriteBuffer(
        queue.handle, handle, cl_bool(CL_FALSE), 0, byteCount, memory.pointer + offset, 0, nil, nil),
      "clEnqueueWriteBuffer", "\(byteCount) bytes")
  }
}
