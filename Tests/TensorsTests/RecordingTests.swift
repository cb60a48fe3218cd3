import OpenCL
import Tensors
import Testing

/// A recorded computation takes what the real one takes, and does nothing.
@Suite struct RecordingTests {
  /// Products of two shapes and what follows them; the bytes of all tensors.
  private func compute(by compute: Compute) throws -> (bytes: Int, result: [Float]) {
    let a = try compute.filled(2, replicas: 3, rows: 5, columns: 7)
    let b = try compute.filled(3, replicas: 3, rows: 4, columns: 7)
    let product = try compute.product(.nt, a, b)
    let sum = try compute.add(product, product, scale: 0.5)
    return (compute.tensorBytes, try compute.read(compute.product(.tn, sum, a)))
  }

  @Test func recording_takesTheSameMemory_andComputesNothing() throws {
    let device = try Device.find(.best)
    let recording = Recording()
    let recorded = try compute(by: Compute(recording: recording, device: device))
    let real = try compute(by: Compute(device: device))
    #expect(recorded.bytes == real.bytes && recorded.bytes > 0)
    #expect(real.result == [Float](repeating: 5 * 63 * 2, count: 3 * 4 * 7))
    #expect(recorded.result == [Float](repeating: 0, count: 3 * 4 * 7))
    // 2·m·n·k of both products, for three replicas.
    #expect(recording.productOperations == 3 * Double(2 * 5 * 4 * 7 + 2 * 4 * 7 * 5))
    #expect(recording.launches >= 5 && recording.accessedBytes > recorded.bytes)
  }

  @Test func bufferBytes_countWhatIsHeld() throws {
    for recording in [nil, Recording()] {
      let context = try Context(device: .find(.best), recording: recording)
      do {
        let buffer = try Buffer<Float>(context: context, count: 10)
        #expect(context.bufferBytes.now == 40 && buffer.byteCount == 40)
      }
      #expect(context.bufferBytes.now == 0 && context.bufferBytes.most == 40)
    }
  }
}
