import COpenCL

/// An OpenCL context over one device.
public final class Context {
  /// The device that the context's programs and buffers are for.
  public let device: Device
  /// The handle that OpenCL calls take; nil of a recording context, as making one takes a GPU's driver
  /// a fifth of a second.
  public let handle: cl_context?
  /// Where compiled programs are kept between processes, if anywhere.
  public let programCache: ProgramCache?
  /// What counts commands in place of the device's running them; nil of ordinary contexts.
  public let recording: Recording?

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
    guard recording == nil else {
      handle = nil
      return
    }
    var code: cl_int = 0
    var id: cl_device_id? = device.id
    handle = clCreateContext(nil, 1, &id, nil, nil, &code)
    try check(code, "clCreateContext", device.name)
  }

  deinit {
    if let handle { clReleaseContext(handle) }
  }
}
