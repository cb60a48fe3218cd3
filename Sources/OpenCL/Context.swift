import COpenCL
import Synchronization

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
  /// What the context's buffers take.
  public let bufferBytes = BufferBytes()

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

/// Bytes of a context's buffers.
///
///     let before = context.bufferBytes.now
public final class BufferBytes: Sendable {
  private let current = Atomic<Int>(0)
  private let highest = Atomic<Int>(0)

  /// Of those that are there.
  public var now: Int { current.load(ordering: .relaxed) }
  /// At their most so far.
  public var most: Int { highest.load(ordering: .relaxed) }

  func allocated(_ bytes: Int) {
    highest.max(current.add(bytes, ordering: .relaxed).newValue, ordering: .relaxed)
  }

  func released(_ bytes: Int) { current.subtract(bytes, ordering: .relaxed) }
}

/// What the commands of a recording context would take.
///
/// In a recording context nothing is allocated, compiled, transferred or run: buffers have sizes alone,
/// reading one gives zeros, and every launch is counted (bytes of buffers by `Context.bufferBytes`). The same code that computes on a device so says
/// what it would need there.
public final class Recording {
  /// Kernels launched, native ones among them.
  public private(set) var launches = 0
  /// Bytes of the buffers that each launch was given, each buffer once a launch: what a launch reads and
  /// writes where it touches all of a buffer once.
  public private(set) var accessedBytes = 0
  /// The most that a library takes beside them for one command.
  public private(set) var mostTemporaryBytes = 0
  /// Floating-point operations of matrix products.
  public private(set) var productOperations = 0.0

  /// Nothing counted yet.
  public init() {}

  /// Counts a launch that is given these bytes of buffers.
  public func launched(accessing bytes: Int) {
    launches += 1
    accessedBytes += bytes
  }

  /// Counts a product's operations.
  public func multiplied(_ operations: Double) { productOperations += operations }

  /// Counts what a library takes for a command and gives back.
  public func needed(temporarily bytes: Int) {
    mostTemporaryBytes = max(mostTemporaryBytes, bytes)
  }
}
