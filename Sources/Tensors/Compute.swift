import OpenCL

/// What tensors are computed with: a device, its queue, memory, kernels and matrix products.
///
/// Kernels are compiled when first used. Nothing waits for the device but `read`.
public final class Compute {
  /// Where commands run, in order.
  public let queue: CommandQueue
  /// How matrices are multiplied.
  public let multiplier: any MatrixMultiplier
  let pool: BufferPool
  private var programs: [KernelSource: Program] = [:]
  private var kernels: [String: AnyObject] = [:]

  /// Which matrix multiplication to use.
  public enum MultiplierChoice: String, Sendable, CaseIterable {
    /// Our own kernels on CPUs, else CLBlast.
    case automatic = "auto"
    /// Our own kernels for CPUs; they run on any device.
    case opencl
    /// OpenBLAS, on devices that run native kernels.
    case openblas
    case clblast
  }

  /// Computation on `device`.
  ///
  /// - programCache: where compiled kernels are kept between processes, if anywhere; not used on
  ///   devices whose driver keeps them itself.
  /// - Throws: `OpenCLError`; `unsupported` for OpenBLAS on a device without native kernels.
  public convenience init(
    device: Device, multiplier choice: MultiplierChoice = .automatic,
    programCache: ProgramCache? = nil
  ) throws {
    let native = device.nativeFloatWidth
    try self.init(
      device: device, multiplier: choice, vectorWidth: [4, 8, 16].contains(native) ? native : 4,
      programCache: device.keepsPrograms ? nil : programCache)
  }

  /// Computation with kernels of another vector width than the device's own, for tests.
  package init(
    device: Device, multiplier choice: MultiplierChoice, vectorWidth: Int,
    programCache: ProgramCache? = nil
  ) throws {
    self.vectorWidth = vectorWidth
    queue = try CommandQueue(context: Context(device: device, programCache: programCache))
    pool = BufferPool(context: queue.context)
    switch choice {
    case .openblas where !device.supportsNativeKernels:
      throw OpenCLError.unsupported(operation: "OpenBLAS", device: device.name)
    case .openblas: multiplier = OpenBLASMultiplier()
    case .automatic where device.kind != .cpu, .clblast: multiplier = CLBlastMultiplier()
    case .opencl, .automatic: multiplier = CPUMultiplier(device: device)
    }
  }

  /// Buffers made so far; it stands still once a repeated computation has been through once.
  public var allocations: Int { pool.allocations }

  /// Files of kernels compiled, or taken from where they are kept, so far.
  public var programCount: Int { programs.count }

  /// How long that took; PoCL compiles each kernel further when it runs first.
  public private(set) var buildTime = Duration.zero

  /// Bytes of all tensors, those kept for reuse among them.
  public var tensorBytes: Int { pool.bytes }

  /// Gives memory kept for reuse back to the device, once the commands before are done.
  ///
  /// - Throws: `OpenCLError.callFailed`, for faults of earlier commands too.
  public func releaseUnusedMemory() throws {
    pool.releaseUnused()
    try queue.finish()
  }

  /// Floats that one work-item of an elementwise kernel handles at a time: a CPU's native vector,
  /// and four on GPUs, whose wide loads are of 16 bytes.
  package let vectorWidth: Int

  /// A tensor with undefined contents.
  ///
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public func tensor(replicas: Int = 1, rows: Int, columns: Int) throws -> Tensor {
    try Tensor(replicas: replicas, rows: rows, columns: columns, pool: pool)
  }

  /// A tensor that holds `values`, [replica, rows, columns] in row-major order.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func tensor(_ values: [Float], replicas: Int = 1, rows: Int, columns: Int) throws
    -> Tensor
  {
    precondition(
      values.count == replicas * rows * columns,
      "\(values.count) values for shape \([replicas, rows, columns])")
    let result = try tensor(replicas: replicas, rows: rows, columns: columns)
    try result.buffer.write(values, queue: queue)
    return result
  }

  /// The elements of `tensor`; waits for the commands before.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func read(_ tensor: Tensor) throws -> [Float] {
    try tensor.buffer.read(queue: queue)
  }

  /// The kernel `name` of `source`, compiled and checked at first use.
  package func kernel<each Argument: KernelArgument>(
    _ source: KernelSource, _ name: String, _: repeat (each Argument).Type
  ) throws -> Kernel<repeat each Argument> {
    if let kernel = kernels[name] as? Kernel<repeat each Argument> { return kernel }
    let program: Program
    if let known = programs[source] {
      program = known
    } else {
      let start = ContinuousClock.now
      program = try Program(
        context: queue.context, file: source.file, source: source.text,
        definitions: ["WIDTH": "\(vectorWidth)"])
      buildTime += ContinuousClock.now - start
      programs[source] = program
    }
    let kernel = try Kernel<repeat each Argument>(program, name)
    kernels[name] = kernel
    return kernel
  }
}
