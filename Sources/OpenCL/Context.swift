import COpenCL

/// An OpenCL context over one device.
public final class Context {
  /// The device that the context's programs and buffers are for.
  public let device: Device
  /// The handle that OpenCL calls take.
  public let handle: cl_context
  /// Where compiled programs are kept between processes, if anywhere.
  public let programCache: ProgramCache?

  /// A context over `device`.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public init(device: Device, programCache: ProgramCache? = nil) throws {
    self.device = device
    self.programCache = programCache
    var code: cl_int = 0
    var id: cl_device_id? = device.id
    let handle = clCreateContext(nil, 1, &id, nil, nil, &code)
    try check(code, "clCreateContext", device.name)
    self.handle = handle!
  }

  deinit { clReleaseContext(handle) }
}
