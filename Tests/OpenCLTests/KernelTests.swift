import Testing

@testable import OpenCL

@Suite struct KernelTests {
  static let source = """
    __kernel void scale(__global float* values, float factor, uint count) {
      uint i = get_global_id(0);
      if (i < count) values[i] *= factor;
    }
    """

  let queue: CommandQueue

  init() throws {
    queue = try CommandQueue(context: Context(device: .find(.best)))
  }

  func program(_ source: String = source) throws -> Program {
    try Program(context: queue.context, file: "scale.cl", source: source)
  }

  @Test(arguments: [1, 63, 64, 65, 1009]) func launch_coversEveryElementAndNoMore(count: Int) throws
  {
    let sentinel: Float = -77
    let elements = (0..<count).map(Float.init) + [sentinel]
    let buffer = try Buffer(queue: queue, elements)
    let kernel = try Kernel<Buffer<Float>, Float, UInt32>(program(), "scale")
    try kernel(queue, global: [(count + 63) / 64 * 64], local: [64], buffer, 2.5, UInt32(count))
    #expect(
      try buffer.read(queue: queue) == elements.dropLast().map { $0 * 2.5 } + [sentinel])
  }

  /// What is assembled is what was made of the compiler's text; what goes wrong there is a build that
  /// failed.
  @Test func assembling_isGivenTheCompilersText() throws {
    func program(_ assembling: @escaping (String) throws -> String) throws -> Program {
      try Program(
        context: queue.context, file: "scale.cl", source: Self.source, assembling: assembling)
    }
    struct Refused: Error, CustomStringConvertible { let description = "no text that I know" }
    var given = ""
    let error = #expect(throws: OpenCLError.self) {
      try program {
        given = $0
        throw Refused()
      }
    }
    #expect(
      error
        == .buildFailed(
          file: "scale.cl", line: nil, device: queue.device.name, log: "no text that I know"))
    #expect(!given.isEmpty && !given.contains("\0"))
    #expect(throws: OpenCLError.self) { try program { _ in "neither text nor binary" } }
  }

  @Test func load_wrongArgumentType_namesPositionAndBothTypes() throws {
    let program = try program()
    #expect(
      throws: OpenCLError.argumentMismatch(
        kernel: "scale", position: 1, expected: "uint", got: "float")
    ) { try Kernel<Buffer<Float>, UInt32, UInt32>(program, "scale") }
  }

  @Test func load_wrongBufferElement_throws() throws {
    let program = try program()
    #expect(
      throws: OpenCLError.argumentMismatch(
        kernel: "scale", position: 0, expected: "__global uint*", got: "__global float*")
    ) { try Kernel<Buffer<UInt32>, Float, UInt32>(program, "scale") }
  }

  @Test func load_wrongArgumentCount_throws() throws {
    let program = try program()
    #expect(
      throws: OpenCLError.argumentMismatch(
        kernel: "scale", position: nil, expected: "2", got: "3")
    ) { try Kernel<Buffer<Float>, Float>(program, "scale") }
  }

  @Test func load_unknownKernel_namesTheCallAndTheKernel() throws {
    let program = try program()
    #expect(
      throws: OpenCLError.callFailed(
        call: "clCreateKernel", code: -46, context: "nope in scale.cl")
    ) { try Kernel<Float>(program, "nope") }
  }

  @Test func build_syntaxError_givesFileLineAndLog() throws {
    let broken = "\n__kernel void f(__global float* x) {\n  x[0] = missing;\n}\n"
    let error = #expect(throws: OpenCLError.self) { try program(broken) }
    guard case .buildFailed(let file, let line, _, let log) = error else {
      Issue.record("expected buildFailed, got \(String(describing: error))")
      return
    }
    #expect(file == "scale.cl")
    #expect(line == 3)
    #expect(log.contains("missing"))
  }

  @Test(.enabled(if: try Device.find(.best).supportsNativeKernels))
  func nativeKernel_runsInQueueOrder() throws {
    let buffer = try Buffer<Float>(queue: queue, [1, 2, 3])
    let kernel = try Kernel<Buffer<Float>, Float, UInt32>(program(), "scale")
    try kernel(queue, global: [64], local: [64], buffer, 10, 3)
    try queue.enqueueNative([buffer]) { pointers in
      let values = pointers[0].assumingMemoryBound(to: Float.self)
      for index in 0..<3 { values[index] += 1 }
    }
    try kernel(queue, global: [64], local: [64], buffer, 2, 3)
    #expect(try buffer.read(queue: queue) == [22, 42, 62])
  }

  /// PoCL 3.1 hands out addresses by the buffers' age: younger first and repeated must still work.
  @Test(.enabled(if: try Device.find(.best).supportsNativeKernels))
  func nativeKernel_addressesFollowTheCallersOrder() throws {
    let older = try Buffer<Float>(queue: queue, [1])
    let younger = try Buffer<Float>(queue: queue, [2])
    let result = try Buffer<Float>(context: queue.context, count: 3)
    try queue.enqueueNative([younger, older, result, younger]) { pointers in
      let values = pointers.map { $0.assumingMemoryBound(to: Float.self) }
      values[2][0] = values[0][0]
      values[2][1] = values[1][0]
      values[2][2] = values[3][0]
    }
    #expect(try result.read(queue: queue) == [2, 1, 2])
  }

  @Test func buffer_partialReadAndWrite_touchOnlyTheirRange() throws {
    let buffer = try Buffer<UInt32>(queue: queue, [0, 1, 2, 3, 4])
    try buffer.write([8, 9], at: 1, queue: queue)
    #expect(try buffer.read(1..<4, queue: queue) == [8, 9, 3])
    #expect(try buffer.read(queue: queue) == [0, 8, 9, 3, 4])
  }

  @Test func buffer_ofNoElements_throws() {
    #expect(throws: OpenCLError.self) { try Buffer<Float>(context: queue.context, count: 0) }
  }
}
