import OpenCL
import Tensors
import Testing

@testable import Experiments

@Suite struct MemoryWaitTests {
  private static func refused(_ code: Int32) -> OpenCLError {
    .callFailed(call: "clCreateBuffer", code: code, context: "")
  }

  /// Again and again until the time is over, counted from the first refusal, and of short memory alone.
  @Test func retries_untilTheTimeIsOver() throws {
    let compute = try Compute(device: .find(.best))
    var wait = MemoryWait(limit: .milliseconds(200), pause: .milliseconds(30))
    #expect(try !wait.pausesBeforeRetry(after: Self.refused(-54), compute))
    let start = ContinuousClock.now
    var tries = 0
    while try wait.pausesBeforeRetry(after: Self.refused(-4), compute) { tries += 1 }
    #expect(tries >= 1 && ContinuousClock.now - start >= .milliseconds(200))
    #expect(try !wait.pausesBeforeRetry(after: Self.refused(-4), compute))
    var none = MemoryWait(limit: .zero)
    #expect(try !none.pausesBeforeRetry(after: Self.refused(-4), compute))
  }
}
