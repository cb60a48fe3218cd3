import COpenCL

/// An OpenCL context over one device.
public final class Context {
  /// The device that the context's programs and buffers are for.
  public let device: Device
  /// The handle that OpenCL calls take.
  public let handle: cl_context
  /// Where compiled programs are kept between processes, if anywhere.
  public let programCache: ProgramCache?
  /// What counts commands in place of the device's running them; nil of ordinary contexts.
  public let recording: Recording?
  /// Stands for every buffer of a recording context.
  let placeholder: cl_mem?

  /// A context over `device`.
  ///
  /// - recording: has commands counted in place of running them.
  /// - Throws: `OpenCLError.callFailed`.
  public init(
    device: Device, programCache: ProgramCache? = nil, recording: Recording? = nil
  ) throws {
    self.device = device
    self.programCache = programCache
    self.recording = recording
    var code: cl_int = 0
    var id: cl_device_id? = device.id
    let handle = clCreateContext(nil, 1, &id, nil, nil, &code)
    try check(code, "clCreateContext", device.name)
    self.handle = handle!
    placeholder =
      recording == nil
      ? nil : clCreateBuffer(handle, cl_mem_flags(CL_MEM_READ_WRITE), 4, nil, &code)
    try check(code, "clCreateBuffer", device.name)
  }

  deinit {
    if let placeholder { clReleaseMemObject(placeholder) }
    clReleaseContext(handle)
  }
}
