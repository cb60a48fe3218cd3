import COpenCL

extension CommandQueue {
  /// Runs `body`, whose commands are enqueued as ever, and notes its launches and copies.
  ///
  ///     let launches = try queue.record {
  ///       try scale(queue, global: [256], local: [64], values, 2, 256)
  ///     }
  ///     try launches?.replay(on: queue)
  ///
  /// - Returns: nil where one of the commands cannot be made again: a read, a write, a wait, a host
  ///   function, a library's own, a replay; within another recording, and in a recording context.
  /// - Throws: what `body` throws.
  public func record(_ body: () throws -> Void) throws -> RecordedLaunches? {
    guard recorder == nil else {
      try body()
      return nil
    }
    let recorder = LaunchRecorder()
    self.recorder = recorder
    defer { self.recorder = nil }
    try body()
    return recorder.isWhole && handle != nil ? RecordedLaunches(recorder) : nil
  }

  /// Says that what is being recorded, if anything is, cannot be made again.
  package func interruptRecording() { recorder?.isWhole = false }
}

/// What a queue enqueues while it is recorded.
final class LaunchRecorder {
  fileprivate var commands: [RecordedCommand] = []
  fileprivate var memory: [UInt64: any DeviceMemory] = [:]
  /// Whether `commands` is everything.
  var isWhole = true

  func note(_ launch: RecordedLaunch, using memory: [any DeviceMemory]) {
    commands.append(.launch(launch))
    for memory in memory { self.memory[memory.serial] = memory }
  }

  func noteCopy(from source: any DeviceMemory, to destination: any DeviceMemory) {
    commands.append(
      .copy(
        from: RecordedMemory(source), to: RecordedMemory(destination),
        byteCount: destination.byteCount))
    for memory in [source, destination] { self.memory[memory.serial] = memory }
  }
}

/// Memory that a command was given, which may have gone since.
struct RecordedMemory {
  let serial: UInt64
  let handle: cl_mem?

  init(_ memory: any DeviceMemory) { (serial, handle) = (memory.serial, memory.handle) }
}

/// A command with all that it was given.
enum RecordedCommand {
  case launch(RecordedLaunch)
  case copy(from: RecordedMemory, to: RecordedMemory, byteCount: Int)
}

/// A launch with all that it was given.
struct RecordedLaunch {
  enum Argument {
    /// varying: what the value is of, if it may be another later.
    case scalar([UInt8], varying: (any VaryingArgument)?)
    case memory(RecordedMemory)

    init(_ value: some KernelArgument) {
      if let memory = value as? any DeviceMemory {
        self = .memory(RecordedMemory(memory))
      } else {
        self = .scalar(
          value.withArgument { [UInt8](UnsafeRawBufferPointer(start: $1, count: $0)) },
          varying: value as? any VaryingArgument)
      }
    }
  }

  let kernel: String
  let program: Program
  let global, local: [Int]
  let arguments: [Argument]
}

/// Launches that a queue has enqueued once and can enqueue again, without what led to them.
///
/// Arguments stay set, but for those of `Varying` scalars whose value has changed, so that a launch costs
/// the host what the driver takes for it, and little else. The memory that the launches were given is held
/// for as long as they are, but for what `release` lets go.
public final class RecordedLaunches {
  private let commands: [RecordedCommand]
  private var held: [UInt64: any DeviceMemory]
  /// Made with the first replay.
  private var prepared: PreparedLaunches?

  fileprivate init(_ recorder: LaunchRecorder) {
    (commands, held) = (recorder.commands, recorder.memory)
  }

  /// Holds the memory that `isKept` names no longer: whoever replays the launches makes sure that it is
  /// there.
  ///
  /// - Returns: the serial numbers of what has been let go.
  package func release(where isKept: (any DeviceMemory) -> Bool) -> Set<UInt64> {
    let released = held.filter { isKept($0.value) }
    for serial in released.keys { held[serial] = nil }
    return Set(released.keys)
  }

  /// Whether the same kernels were launched with the same sizes, numbers and memory, but for numbers of one
  /// `Varying` and memory that both have released.
  package func isLike(_ other: RecordedLaunches) -> Bool {
    commands.count == other.commands.count
      && zip(commands, other.commands).allSatisfy { own, others in
        switch (own, others) {
        case (.launch(let own), .launch(let others)):
          return own.kernel == others.kernel && own.program === others.program
            && own.global == others.global && own.local == others.local
            && zip(own.arguments, others.arguments).allSatisfy { isLike($0, $1, of: other) }
        case (.copy(let source, let destination, let size), .copy(let from, let to, let count)):
          return size == count && isSame(source, from, of: other)
            && isSame(destination, to, of: other)
        default: return false
        }
      }
  }

  private func isLike(
    _ own: RecordedLaunch.Argument, _ others: RecordedLaunch.Argument, of other: RecordedLaunches
  ) -> Bool {
    switch (own, others) {
    case (.scalar(let own, let scalar?), .scalar(let others, let other?)):
      scalar === other || own == others
    case (.scalar(let own, nil), .scalar(let others, nil)): own == others
    case (.memory(let own), .memory(let others)): isSame(own, others, of: other)
    default: false
    }
  }

  private func isSame(
    _ own: RecordedMemory, _ others: RecordedMemory, of other: RecordedLaunches
  ) -> Bool {
    own.serial == others.serial
      || held[own.serial] == nil && other.held[others.serial] == nil
  }

  /// Enqueues all again, in the same order.
  ///
  /// - Throws: `OpenCLError.callFailed`, which names the kernel, as its first launch would.
  public func replay(on queue: CommandQueue) throws {
    queue.interruptRecording()
    let prepared = try prepared ?? PreparedLaunches(commands)
    self.prepared = prepared
    try prepared.enqueue(on: queue)
  }
}

/// Recorded commands with what the driver wants of them lying ready: kernels of their own, whose arguments
/// are set once.
private final class PreparedLaunches {
  /// Of a launch, or, without a kernel, of a copy.
  private struct Command {
    var kernel: cl_kernel?
    var dimensions: cl_uint = 0
    var source, destination: cl_mem?
  }

  /// A scalar's places among the launches' arguments.
  private struct Variable {
    let scalar: any VaryingArgument
    /// The version that is set.
    var version: Int
    var places: [(command: Int, argument: cl_uint)]
  }

  private let recorded: [RecordedCommand]
  private let commands: UnsafeMutableBufferPointer<Command>
  /// Global and local size of each command, three numbers each; a copy's bytes.
  private let sizes: UnsafeMutableBufferPointer<Int>
  private var variables: [Variable] = []

  init(_ recorded: [RecordedCommand]) throws {
    self.recorded = recorded
    commands = .allocate(capacity: recorded.count)
    commands.initialize(repeating: Command())
    sizes = .allocate(capacity: 6 * recorded.count)
    sizes.initialize(repeating: 1)
    for index in recorded.indices { try prepare(index) }
  }

  deinit {
    for command in commands {
      if let kernel = command.kernel { clReleaseKernel(kernel) }
    }
    commands.deallocate()
    sizes.deallocate()
  }

  private func prepare(_ index: Int) throws {
    switch recorded[index] {
    case .copy(let source, let destination, let byteCount):
      (commands[index].source, commands[index].destination) = (source.handle, destination.handle)
      sizes[6 * index] = byteCount
    case .launch(let launch):
      var code: cl_int = 0
      let kernel = clCreateKernel(launch.program.handle, launch.kernel, &code)
      try check(code, "clCreateKernel", "\(launch.kernel) in \(launch.program.file)")
      commands[index].kernel = kernel
      commands[index].dimensions = cl_uint(launch.global.count)
      for dimension in launch.global.indices {
        sizes[6 * index + dimension] = launch.global[dimension]
        sizes[6 * index + 3 + dimension] = launch.local[dimension]
      }
      for (argument, value) in launch.arguments.enumerated() {
        let argument = cl_uint(argument)
        switch value {
        case .scalar(let bytes, nil):
          try bytes.withUnsafeBytes { try set(index, argument, $0.count, $0.baseAddress!) }
        case .memory(let memory):
          try withUnsafeBytes(of: memory.handle) {
            try set(index, argument, $0.count, $0.baseAddress!)
          }
        case .scalar(_, let scalar?):
          try set(index, argument, scalar)
          if let known = variables.firstIndex(where: { $0.scalar === scalar }) {
            variables[known].places.append((index, argument))
          } else {
            variables.append(
              Variable(
                scalar: scalar, version: scalar.version, places: [(index, argument)]))
          }
        }
      }
    }
  }

  private func set(_ command: Int, _ argument: cl_uint, _ scalar: any VaryingArgument) throws {
    let code = scalar.withArgument { clSetKernelArg(commands[command].kernel, argument, $0, $1) }
    try check(code, "clSetKernelArg", "\(name(of: command)), argument \(argument)")
  }

  private func set(
    _ command: Int, _ argument: cl_uint, _ size: Int, _ bytes: UnsafeRawPointer
  ) throws {
    try check(
      clSetKernelArg(commands[command].kernel, argument, size, bytes), "clSetKernelArg",
      "\(name(of: command)), argument \(argument)")
  }

  func enqueue(on queue: CommandQueue) throws {
    for index in variables.indices where variables[index].version != variables[index].scalar.version
    {
      for place in variables[index].places {
        try set(place.command, place.argument, variables[index].scalar)
      }
      variables[index].version = variables[index].scalar.version
    }
    let handle = queue.handle
    for index in commands.indices {
      let command = commands[index]
      let global = sizes.baseAddress! + 6 * index
      guard let kernel = command.kernel else {
        try check(
          clEnqueueCopyBuffer(
            handle, command.source, command.destination, 0, 0, global[0], 0, nil, nil),
          "clEnqueueCopyBuffer", "\(global[0]) bytes")
        continue
      }
      try check(
        clEnqueueNDRangeKernel(
          handle, kernel, command.dimensions, nil, global, global + 3, 0, nil, nil),
        "clEnqueueNDRangeKernel", name(of: index))
    }
  }

  /// A launch's kernel and sizes, as errors name them.
  private func name(of index: Int) -> String {
    guard case .launch(let launch) = recorded[index] else { return "a copy" }
    return launchPlace(launch.kernel, global: launch.global, local: launch.local)
  }
}

/// What errors say of a launch.
func launchPlace(_ kernel: String, global: [Int], local: [Int]) -> String {
  "\(kernel), global \(global), local \(local)"
}
