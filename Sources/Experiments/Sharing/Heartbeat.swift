import Foundation
import Synchronization

/// Calls a function again and again from a thread of its own, until it is stopped.
final class Heartbeat: Sendable {
  private let isStopped = Mutex(false)
  private let wake = DispatchSemaphore(value: 0)

  init(every interval: Duration, _ beat: @escaping @Sendable () -> Void) {
    let seconds = interval / .seconds(1)
    let thread = Thread { [self] in
      while wake.wait(timeout: .now() + seconds) == .timedOut {
        // Not while it is being stopped.
        isStopped.withLock { if !$0 { beat() } }
      }
    }
    thread.name = "heartbeat"
    thread.stackSize = 1 << 19
    thread.start()
  }

  /// Returns once no call is under way, and none comes any more.
  func stop() {
    isStopped.withLock { $0 = true }
    wake.signal()
  }
}
