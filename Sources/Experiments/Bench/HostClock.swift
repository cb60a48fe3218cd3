import Foundation

/// The share of a stretch of time in which the calling thread was at work, which is what enqueuing
/// costs: the device's work is done by other threads.
struct HostClock {
  private let processor = Self.threadSeconds()
  private let wall = ContinuousClock.now

  /// Since the clock was made, in [0, 1]; on the thread that made it.
  func share() -> Double {
    (Self.threadSeconds() - processor) / ((ContinuousClock.now - wall) / .seconds(1))
  }

  private static func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
