import Foundation
import Testing

extension Trait where Self == RunsPrograms {
  /// Of suites whose tests run programs and wait for them.
  static var runsPrograms: Self { Self() }
}

/// Runs tests on threads of their own: they wait for programs most of the time, and on the threads that Swift
/// has for tests, one a processor, nothing else would be done meanwhile.
struct RunsPrograms: SuiteTrait, TestTrait, TestScoping {
  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    try await withTaskExecutorPreference(ProgramThreads.shared) { try await function() }
  }
}

/// As many threads as there are processors, for tests that wait for programs.
final class ProgramThreads: TaskExecutor, @unchecked Sendable {
  static let shared = ProgramThreads(count: ProcessInfo.processInfo.activeProcessorCount)

  private let condition = NSCondition()
  private var jobs: [UnownedJob] = []

  private init(count: Int) {
    for _ in 0..<count {
      let thread = Thread { [self] in
        while true { takeJob().runSynchronously(on: asUnownedTaskExecutor()) }
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    condition.withLock {
      jobs.append(job)
      condition.signal()
    }
  }

  /// The job that has waited longest, once there is one.
  private func takeJob() -> UnownedJob {
    condition.withLock {
      while jobs.isEmpty { condition.wait() }
      return jobs.removeFirst()
    }
  }
}
