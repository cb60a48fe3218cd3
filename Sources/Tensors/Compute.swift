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
  private var programs: [ProgramKey: Program] = [:]
  private var kernels: [String: AnyObject] = [:]

  /// Which matrix multiplication to use.
  public enum MultiplierChoice: String, Sendable, CaseIterable {
    /// Our own kernels on CPUs, else CLBlast; tiled for precisions that only it has.
    case automatic = "auto"
    /// Our own kernels for CPUs; they run on any device.
    case opencl
    /// Our own kernels for GPUs; those of float32 run on any device.
    case tiled
    /// OpenBLAS, on devices that run native kernels.
    case openblas
    case clblast
  }

  /// Computation on `device`.
  ///
  /// - programCache: where compiled kernels are kept between processes, if anywhere; not used on
  ///   devices whose driver keeps them itself.
  /// - precision: of the products; beyond fp32, of `tiled` on NVIDIA's tensor cores, which are
  ///   tried before this returns.
  /// - Throws: `OpenCLError`; `unsupported` for OpenBLAS on a device without native kernels;
  ///   `PrecisionError` for a precision that the device or the multiplication does not have.
  public convenience init(
    device: Device, multiplier choice: MultiplierChoice = .automatic,
    precision: ProductPrecision = .fp32, programCache: ProgramCache? = nil
  ) throws {
    let programCache = device.keepsPrograms ? nil : programCache
    let width = Self.vectorWidth(of: device)
    guard precision.needsTensorCores else {
      try self.init(
        device: device, multiplier: choice, vectorWidth: width, programCache: programCache)
      return
    }
    guard choice == .automatic || choice == .tiled else {
      throw PrecisionError(
        precision: precision, reason: "products by \(choice.rawValue) do not use them, tiled does")
    }
    guard device.kind == .gpu, device.vendor.lowercased().contains("nvidia") else {
      throw PrecisionError(precision: precision, reason: "\(device.name) has none")
    }
    let multiplier = try GPUMultiplier(device: device, precision: precision)
    try self.init(
      device: device, multiplier: multiplier, vectorWidth: width, programCache: programCache)
    do {
      try multiplier.tryAll(compute: self)
    } catch {
      throw PrecisionError(precision: precision, reason: "\(device.name): \(error)")
    }
  }

  private static func vectorWidth(of device: Device) -> Int {
    [4, 8, 16].contains(device.nativeFloatWidth) ? device.nativeFloatWidth : 4
  }

  /// Computation with kernels of another vector width than the device's own, for tests.
  package convenience init(
    device: Device, multiplier choice: MultiplierChoice, vectorWidth: Int,
    programCache: ProgramCache? = nil
  ) throws {
    let multiplier: any MatrixMultiplier =
      switch choice {
      case .openblas where !device.supportsNativeKernels:
        throw OpenCLError.unsupported(operation: "OpenBLAS", device: device.name)
      case .openblas: OpenBLASMultiplier()
      case .automatic where device.kind != .cpu, .clblast: CLBlastMultiplier()
      case .tiled: try GPUMultiplier(device: device, precision: .fp32)
      case .opencl, .automatic: CPUMultiplier(device: device)
      }
    try self.init(
      device: device, multiplier: multiplier, vectorWidth: vectorWidth, programCache: programCache)
  }

  /// Computation with a multiplier of one's own, which serves no other.
  package init(
    device: Device, multiplier: any MatrixMultiplier, vectorWidth: Int,
    programCache: ProgramCache? = nil
  ) throws {
    self.vectorWidth = vectorWidth
    self.multiplier = multiplier
    queue = try CommandQueue(context: Context(device: device, programCache: programCache))
    pool = BufferPool(context: queue.context)
  }

  /// Buffers made so far; it stands still once a repeated computation has been through once.
  public var allocations: Int { pool.allocations }

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
    let kernel: Kernel<repeat each Argument> = try load(source, name)
    kernels[name] = kernel
    return kernel
  }

  /// A kernel of `source` compiled with `definitions`, checked; the caller keeps it.
  func load<each Argument: KernelArgument>(
    _ source: KernelSource, _ name: String, definitions: [String: String] = [:]
  ) throws -> Kernel<repeat each Argument> {
    let key = ProgramKey(source: source, definitions: definitions)
    let program =
      try programs[key]
      ?? Program(
        context: queue.context, file: source.file, source: source.text,
        definitions: definitions.merging(["WIDTH": "\(vectorWidth)"]) { own, _ in own })
    programs[key] = program
    return try Kernel<repeat each Argument>(program, name)
  }
}

/// What a program is made of.
private struct ProgramKey: Hashable {
  let source: KernelSource
  let definitions: [String: String]
}
