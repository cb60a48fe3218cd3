import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

@Suite(.serialized) struct KernelFileTests {
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  func file(_ body: String) -> KernelFile {
    KernelFile(
      name: "own.cl",
      source: """
        __kernel void own(__global float* x, uint count) {
          uint i = get_global_id(0);
          if (i < count) \(body);
        }
        """)
  }

  func run(_ file: KernelFile, on values: [Float]) throws -> [Float] {
    let x = try compute.tensor(values, rows: 1, columns: values.count)
    let kernel = try compute.kernel(file, "own", Buffer<Float>.self, UInt32.self)
    try kernel(
      compute.queue, global: [compute.roundUp(values.count, 64)], local: [64], x.buffer,
      UInt32(values.count))
    return try compute.read(x)
  }

  /// Files are told apart by their text, not by their name alone.
  @Test func kernels_ofEqualNames_areTheirFilesOwn() throws {
    let values = (0..<67).map(Float.init)
    for _ in 0..<2 {
      #expect(try run(file("x[i] *= 2.0f"), on: values) == values.map { 2 * $0 })
      #expect(try run(file("x[i] += 1.0f"), on: values) == values.map { $0 + 1 })
    }
  }

  @Test func kernel_isLoadedOnce() throws {
    let file = file("x[i] = 0.0f")
    let first = try compute.kernel(file, "own", Buffer<Float>.self, UInt32.self)
    #expect(try compute.kernel(file, "own", Buffer<Float>.self, UInt32.self) === first)
  }

  @Test func width_isDefined() throws {
    let got = try run(file("x[i] = WIDTH"), on: [0])
    #expect(got == [Float(compute.vectorWidth)])
  }

  @Test func mistake_namesFileAndLine() throws {
    let error = try #require(throws: OpenCLError.self) {
      try run(file("y[i] = 0.0f"), on: [0])
    }
    guard case .buildFailed("own.cl", 3, _, _) = error else {
      Issue.record("\(error)")
      return
    }
  }

  @Test func otherArguments_areRefused() throws {
    #expect(
      throws: OpenCLError.argumentMismatch(
        kernel: "own", position: 1, expected: "float", got: "uint")
    ) {
      try compute.kernel(file("x[i] = 0.0f"), "own", Buffer<Float>.self, Float.self)
    }
  }
}
