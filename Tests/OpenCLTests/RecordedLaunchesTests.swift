import Testing

@testable import OpenCL

@Suite struct RecordedLaunchesTests {
  static let source = """
    __kernel void shift(__global float* values, float factor, float term, uint count) {
      uint i = get_global_id(0);
      if (i < count) values[i] = values[i] * factor + term;
    }
    """
  static let count = 65

  let queue: CommandQueue
  let values: Buffer<Float>
  let kernel: Kernel<Buffer<Float>, Float, Varying<Float>, UInt32>

  init() throws {
    queue = try CommandQueue(context: Context(device: .find(.best)))
    values = try Buffer(queue: queue, [Float](repeating: 1, count: Self.count))
    kernel = try Kernel(
      Program(context: queue.context, file: "shift.cl", source: Self.source), "shift")
  }

  func launch(
    _ factor: Float, _ term: Varying<Float>, on values: Buffer<Float>? = nil
  ) throws {
    try kernel(
      queue, global: [128], local: [64], values ?? self.values, factor, term,
      UInt32(Self.count))
  }

  func expectAll(_ value: Float, _ location: SourceLocation = #_sourceLocation) throws {
    #expect(
      try values.read(queue: queue) == [Float](repeating: value, count: Self.count),
      sourceLocation: location)
  }

  @Test func replay_takesWhatVaries_andRepeatsTheRest() throws {
    let term = Varying<Float>(10)
    let copy = try Buffer<Float>(context: queue.context, count: Self.count)
    var factor: Float = 2
    let recorded = try queue.record {
      try launch(factor, term)
      try copy.copy(from: values, queue: queue)
      try launch(1, term, on: copy)
    }
    try expectAll(12)
    let launches = try #require(recorded)
    (factor, term.value) = (7, -1)
    try launches.replay(on: queue)
    try expectAll(23)
    #expect(try copy.read(queue: queue).allSatisfy { $0 == 22 })
    // Of launches that are not recorded it is a number like any other.
    try launch(1, 5)
    try launches.replay(on: queue)
    try expectAll(55)
  }

  @Test func varyingScalars_knowTheirBits() {
    let scalar: Varying<Float> = 0
    let first = scalar.version
    scalar.value = 0
    #expect(scalar.version == first)
    scalar.value = -0.0
    #expect(scalar.version != first)
  }

  @Test func otherCommands_areNotRecorded() throws {
    #expect(try queue.record { _ = try values.read(queue: queue) } == nil)
    #expect(try queue.record { try values.write([1], queue: queue) } == nil)
    #expect(try queue.record { try queue.finish() } == nil)
    if queue.device.supportsNativeKernels {
      #expect(try queue.record { try queue.enqueueNative([values]) { _ in } } == nil)
    }
    let inner = try #require(try queue.record { try launch(1, 0) })
    #expect(try queue.record { try inner.replay(on: queue) } == nil)
    var within: RecordedLaunches?
    let outer = try queue.record { within = try queue.record { try launch(1, 0) } }
    #expect(within == nil && outer != nil)
  }

  @Test func likeness_isOfNumbersScalarsAndMemoryHeld() throws {
    let (term, other) = (Varying<Float>(1), Varying<Float>(1))
    let buffer = try Buffer<Float>(context: queue.context, count: Self.count)
    func record(
      _ factor: Float, _ term: Varying<Float>, on values: Buffer<Float>? = nil
    ) throws -> RecordedLaunches {
      try #require(try queue.record { try launch(factor, term, on: values) })
    }
    let first = try record(1, term)
    #expect(try first.isLike(record(1, term)))
    #expect(try !first.isLike(record(2, term)))
    #expect(try first.isLike(record(1, other)))
    other.value = 2
    #expect(try !first.isLike(record(1, other)))
    term.value = 3
    #expect(try first.isLike(record(1, term)))
    let second = try record(1, term, on: buffer)
    #expect(!first.isLike(second))
    #expect(first.release { $0 === values } == [values.serial])
    #expect(!first.isLike(second))
    #expect(second.release { _ in true } == [buffer.serial])
    #expect(first.isLike(second))
  }

  @Test func launchThatFails_namesItsKernel() throws {
    let launches = try #require(try queue.record { try launch(1, 0) })
    // A queue of another context takes no kernel of this one.
    let other = try CommandQueue(context: Context(device: .find(.best)))
    let error = #expect(throws: OpenCLError.self) { try launches.replay(on: other) }
    #expect("\(error!)".contains("shift, global [128], local [64]"))
  }
}
