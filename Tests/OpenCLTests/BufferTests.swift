import Testing

@testable import OpenCL

@Suite struct BufferTests {
  /// About the sizes of the pages that large buffers lie in, and over and over.
  @Test(arguments: [1, 1000, 1 << 20, (1 << 20) + 1])
  func elements_comeBackAsTheyWereWritten(count: Int) throws {
    let queue = try CommandQueue(context: Context(device: .find(.best)))
    let elements = (0..<UInt32(count)).map { $0 &* 2_654_435_761 }
    for _ in 0..<4 {
      let buffer = try Buffer(queue: queue, elements)
      let copy = try Buffer<UInt32>(context: queue.context, count: count)
      try copy.copy(from: buffer, queue: queue)
      #expect(try copy.read(queue: queue) == elements)
      #expect(try copy.read(count / 2..<count, queue: queue) == Array(elements[(count / 2)...]))
    }
  }

  @Test func bufferBeyondMemory_isAnError() throws {
    let context = try Context(device: .find(.best))
    #expect(throws: OpenCLError.self) { try Buffer<Float>(context: context, count: 1 << 50) }
  }
}
