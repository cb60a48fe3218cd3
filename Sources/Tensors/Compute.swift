import OpenCL

/// What tensors are computed with: a device, its queue, memory, kernels and matrix products.
///
/// Kernels are compiled when first used. Nothing waits for the device but `read`, and the trial of a
/// product's kernel before its first.
public final class Compute {
  /// Where commands run, in order.
  public let queue: CommandQueue
  /// How matrices are multiplied: what was asked for, or what took its place.
  public var backend: any GEMMBackend { backends.current }
  /// Kernel parameters measured on this device, if any; backends that have some take theirs.
  public let tuning: DeviceTuning?
  /// Macros that every program is compiled with.
  let commonDefinitions: [String: String]
  let pool: BufferPool
  let backends: BackendFallback
  var programs: [ProgramKey: Program] = [:]
  /// Whether small networks are trained by on-chip steps.
  package var onChipUse = OnChipUse.automatic
  /// Whether steps that repeat are recorded and their launches made again.
  package var recordsSteps = true
  /// The networks whose on-chip steps have been tried; with why they are not taken, where they are not.
  package var onChipTrials: [OnChipPlan: (any Error)?] = [:]
  /// Is called where a network's on-chip steps are wrong, or do not work: with the network's sizes, and
  /// why. Ordinary steps take their place.
  public var whenOnChipGivesWay: ((_ network: String, any Error) -> Void)?
  /// Tables of rotary positions that have been asked for.
  var rotations: [RotationTable.Key: RotationTable] = [:]
  private var ownPrograms: [KernelFile: Program] = [:]
  private var kernels: [KernelKey: AnyObject] = [:]

  /// Which matrix multiplication to use.
  public enum BackendChoice: String, Sendable, CaseIterable {
    /// Our own kernels: `opencl` on CPUs, else `tiled`.
    case automatic = "auto"
    /// Our own kernels for CPUs; they run on any device.
    case opencl
    /// Our own kernels for GPUs; those of float32 run on any device.
    case tiled
    /// OpenBLAS, on devices that run native kernels.
    case openblas
    /// CLBlast, on any device.
    case clblast
  }

  /// Computation on `device`.
  ///
  /// The GEMM backend is tried on small products before its first; one that is wrong gives way to the
  /// next, which `rejectedBackends` tells.
  /// - fallsBack: whether another backend may take the place of the one asked for; else its error is
  ///   thrown with its first product.
  /// - programCache: where compiled kernels are kept between processes, if anywhere; not used on
  ///   devices whose driver keeps them itself.
  /// - precision: of the products; beyond fp32, of `tiled` on NVIDIA's tensor cores, which are
  ///   tried before this returns, and for which nothing takes their place.
  /// - tuning: kernel parameters for this very device; they may change how results are rounded.
  /// - Throws: `OpenCLError`; `unsupported` for OpenBLAS on a device without native kernels;
  ///   `PrecisionError` for a precision that the device or the multiplication does not have.
  public convenience init(
    device: Device, backend choice: BackendChoice = .automatic,
    precision: ProductPrecision = .fp32, fallsBack: Bool = true,
    programCache: ProgramCache? = nil, tuning: DeviceTuning? = nil
  ) throws {
    let programCache = device.keepsPrograms ? nil : programCache
    let width = Self.vectorWidth(of: device)
    guard precision.needsTensorCores else {
      let backends = try BackendFallback(
        choice, fallsBack: fallsBack, device: device, tuning: tuning)
      try self.init(
        device: device, backends: backends, vectorWidth: width, programCache: programCache,
        tuning: tuning)
      return
    }
    guard choice == .automatic || choice == .tiled else {
      throw PrecisionError(
        precision: precision, reason: "products by \(choice.rawValue) do not use them, tiled does")
    }
    guard KernelLimits(device).allow(precision) else {
      throw PrecisionError(precision: precision, reason: "\(device.name) has none")
    }
    let backend = try GPUBackend(device: device, precision: precision, tuning: tuning)
    try self.init(
      device: device, backend: backend, vectorWidth: width, programCache: programCache,
      tuning: tuning)
    do {
      try settleBackend()
    } catch let error where TrialError.speaksOfTheKernel(error) {
      throw PrecisionError(precision: precision, reason: "\(device.name): \(error)")
    }
  }

  private static func vectorWidth(of device: Device) -> Int {
    [4, 8, 16].contains(device.nativeFloatWidth) ? device.nativeFloatWidth : 4
  }

  /// Computation with kernels of another vector width or kernel variant than the device's own, for
  /// tests.
  package convenience init(
    device: Device, backend choice: BackendChoice, vectorWidth: Int,
    kernelVariant: KernelVariant? = nil, programCache: ProgramCache? = nil,
    tuning: DeviceTuning? = nil
  ) throws {
    try self.init(
      device: device,
      backends: BackendFallback(choice, fallsBack: false, device: device, tuning: tuning),
      vectorWidth: vectorWidth, kernelVariant: kernelVariant, programCache: programCache,
      tuning: tuning)
  }

  /// Computation with a custom backend, which serves no other.
  package convenience init(
    device: Device, backend: any GEMMBackend, vectorWidth: Int,
    kernelVariant: KernelVariant? = nil, programCache: ProgramCache? = nil,
    tuning: DeviceTuning? = nil
  ) throws {
    try self.init(
      device: device, backends: BackendFallback(backend), vectorWidth: vectorWidth,
      kernelVariant: kernelVariant, programCache: programCache, tuning: tuning)
  }

  /// A computation that is counted in place of being made: the same code then says what it would take
  /// on `device`, see `Recording`.
  ///
  ///     let recording = Recording()
  ///     let compute = try Compute(recording: recording, device: device)
  ///     let trainer = try Trainer(configuration, replicas: replicas, totalSteps: 1, compute: compute)
  ///     print(recording.launches, compute.tensorBytes)
  ///
  /// - Throws: as other computations.
  public convenience init(
    recording: Recording, device: Device, backend choice: BackendChoice = .automatic,
    precision: ProductPrecision = .fp32, tuning: DeviceTuning? = nil
  ) throws {
    let backends =
      precision.needsTensorCores
      ? BackendFallback(
        try GPUBackend(device: device, precision: precision, tuning: tuning))
      : try BackendFallback(choice, fallsBack: false, device: device, tuning: tuning)
    try self.init(
      device: device, backends: backends, vectorWidth: Self.vectorWidth(of: device),
      programCache: nil, tuning: tuning, recording: recording)
  }

  private init(
    device: Device, backends: BackendFallback, vectorWidth: Int,
    kernelVariant: KernelVariant? = nil, programCache: ProgramCache?, tuning: DeviceTuning?,
    recording: Recording? = nil
  ) throws {
    precondition(
      tuning.map { $0.key == DeviceTuning.Key(device) } ?? true,
      "a tuning of \(tuning?.key.device ?? "") for \(device.name)")
    let variant = kernelVariant ?? KernelVariant(for: device)
    guard device.maximumWorkGroupSize >= KernelVariant.leastWorkGroup else {
      throw OpenCLError.unsupported(
        operation: "a work-group of \(KernelVariant.leastWorkGroup) items", device: device.name)
    }
    self.tuning = tuning
    self.vectorWidth = vectorWidth
    self.kernelVariant = variant
    commonDefinitions = Self.definitions(
      for: device.kind, vectorWidth: vectorWidth, variant: variant)
    self.backends = backends
    queue = try CommandQueue(
      context: Context(device: device, programCache: programCache, recording: recording))
    pool = BufferPool(context: queue.context)
    // What is counted is the step that any network can take; on-chip steps take less.
    if recording != nil { onChipUse = .never }
  }

  /// The device's name and, where products take parameters of a tuning, which: both decide how
  /// results are rounded.
  public var deviceDescription: String {
    let name = queue.device.name
    return productTuning.map { "\(name), tuning \($0.fingerprint)" } ?? name
  }

  /// The part of the tuning that matrix products take their parameters from; nil where there is none.
  public var productTuning: DeviceTuning? {
    let kernels = (tuning?.kernels ?? []).filter(backend.takes)
    return kernels.isEmpty
      ? nil : tuning.map { DeviceTuning(key: $0.key, date: $0.date, kernels: kernels) }
  }

  /// GEMM backends that were wrong, or did not work, on this device, and why; another took the place of
  /// each.
  public var rejectedBackends: [(name: String, reason: any Error)] { backends.rejected }

  /// Is called where a GEMM backend gives way: with the names of both, and why.
  public var whenBackendGivesWay: ((_ rejected: String, _ taken: String, any Error) -> Void)? {
    get { backends.whenGivingWay }
    set { backends.whenGivingWay = newValue }
  }

  /// Tries the GEMM backend now, so that `backend` is the one that all products will take.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`, `ProductTrialError` where none works.
  public func settleBackend() throws {
    try backends.prepare(TransposeMode.allCases, compute: self)
  }

  /// Buffers made so far; it does not grow once a repeated computation has been through once.
  public var allocations: Int { pool.allocations }

  /// The networks that on-chip steps have been tried for and are taken, `64–64×2–10, batch 64`.
  public var onChipNetworks: [String] {
    onChipTrials.filter { $0.value == nil }.map(\.key.network.description).sorted()
  }

  /// Why on-chip steps of `network` have been found wrong, or not to work; nil where they have not.
  package func onChipRefusal(of network: OnChipNetwork) -> (any Error)? {
    onChipTrials.first { $0.key.network == network }.flatMap { $0.value }
  }

  /// Files of kernels compiled, or taken from where they are kept, so far.
  public var programCount: Int { programs.count + ownPrograms.count }

  /// How long that took; PoCL compiles each kernel further when it runs first.
  public internal(set) var buildTime = Duration.zero

  /// Bytes of all tensors, those kept for reuse among them.
  public var tensorBytes: Int { pool.bytes }

  /// Bytes of the largest tensor so far.
  public var largestTensorBytes: Int { pool.largestBytes }

  /// Gives memory kept for reuse back to the device, once the commands before are done.
  ///
  /// - Throws: `OpenCLError.callFailed`, for faults of earlier commands too.
  public func releaseUnusedMemory() throws {
    pool.releaseUnused()
    try queue.finish()
  }

  /// Whether the device still does what it is asked to, after an error: an error in a kernel, a reset
  /// or a card that fell off its bus leave it in a state in which every call fails.
  public func answers() -> Bool {
    if queue.context.recording != nil { return true }
    do {
      let value = [Float(queue.device.index) + 1]
      return try Buffer(queue: queue, value).read(queue: queue) == value
    } catch {
      return false
    }
  }

  /// Floats that one work-item of an elementwise kernel handles at a time: a CPU's native vector,
  /// and four on GPUs, whose wide loads are of 16 bytes.
  package let vectorWidth: Int

  /// Which variant of kernels that want other work on CPUs than on GPUs is compiled.
  package let kernelVariant: KernelVariant

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

  /// The kernel `name` of `source` compiled with `definitions`, in place of the device's own where
  /// they are of one name, and with the update rule's macros; compiled and checked at first use.
  package func kernel<each Argument: KernelArgument>(
    _ source: KernelSource, _ name: String, definitions: [String: String] = [:],
    rule: ElementwiseRule? = nil, _: repeat (each Argument).Type
  ) throws -> Kernel<repeat each Argument> {
    let own = definitions.filter { commonDefinitions[$0.key] != $0.value }
    let program = ProgramKey(source: source, definitions: own, rule: rule)
    return try kernel(KernelKey(source: .package(program), name: name)) {
      try self.program(program)
    }
  }

  /// The kernel `name` of a program, compiled at first use, checked; the caller keeps it.
  func load<each Argument: KernelArgument>(
    _ key: ProgramKey, _ name: String
  ) throws -> Kernel<repeat each Argument> {
    try Kernel<repeat each Argument>(program(key), name)
  }

  /// The kernel `name` of a custom file, compiled and checked at first use.
  ///
  ///     let kernel = try compute.kernel(file, "scale", Buffer<Float>.self, Float.self, UInt32.self)
  ///     try kernel(
  ///       compute.queue, global: [compute.roundUp(x.count, 64)], local: [64], x.buffer, 2,
  ///       UInt32(x.count))
  ///
  /// Kept by the file's text, so that asking again costs next to nothing.
  /// - Throws: `OpenCLError.buildFailed` with the compiler's log; `argumentMismatch` where the
  ///   kernel's arguments are of other types; `callFailed` where there is no such kernel.
  public func kernel<each Argument: KernelArgument>(
    _ file: KernelFile, _ name: String, _: repeat (each Argument).Type
  ) throws -> Kernel<repeat each Argument> {
    try kernel(KernelKey(source: .file(file), name: name)) {
      if let known = ownPrograms[file] { return known }
      let program = try program(file.name, file.source)
      ownPrograms[file] = program
      return program
    }
  }

  private func kernel<each Argument: KernelArgument>(
    _ key: KernelKey, of program: () throws -> Program
  ) throws -> Kernel<repeat each Argument> {
    if let kernel = kernels[key] as? Kernel<repeat each Argument> { return kernel }
    let kernel = try Kernel<repeat each Argument>(program(), key.name)
    kernels[key] = kernel
    return kernel
  }

  private func program(_ key: ProgramKey) throws -> Program {
    if let known = programs[key] { return known }
    let start = ContinuousClock.now
    defer { buildTime += ContinuousClock.now - start }
    let program = try key.program(context: queue.context, common: commonDefinitions)
    programs[key] = program
    return program
  }

  private func program(_ file: String, _ source: String) throws -> Program {
    let start = ContinuousClock.now
    defer { buildTime += ContinuousClock.now - start }
    return try Program(
      context: queue.context, file: file, source: source, definitions: commonDefinitions)
  }
}
