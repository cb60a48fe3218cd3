import Foundation

/// The processor time of the calling thread: what enqueuing costs, as other threads and the device do
/// the rest.
enum ThreadClock {
  /// Seconds of processor time since the thread began.
  static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
