import Experiments
import Foundation

/// How many threads PoCL is to have, and whether it is to bind them to processors, one each.
///
/// A container or a batch job may have the time of fewer processors than it sees; more threads would only be
/// stopped in turn.
///
/// Bound threads start on a kernel's work at once: without it, kernels of less than about 10 ms run
/// at the speed of one core. Where other programs want the same processors it does harm, as bound
/// threads cannot give way: so only on a machine that has nothing else to do, all of it ours.
enum ThreadPinning {
  /// Sets PoCL's variables before the first OpenCL call; a value that the user has set stays.
  static func choose() {
    #if os(Linux)
      if let processors = ControlGroups().processors,
        processors < Double(ProcessInfo.processInfo.activeProcessorCount)
      {
        let count = "\(max(1, Int(processors.rounded(.up))))"
        // The last is OpenBLAS's, the first that of PoCL from 4.0 on.
        for name in ["POCL_CPU_MAX_CU_COUNT", "POCL_MAX_PTHREAD_COUNT", "OPENBLAS_NUM_THREADS"] {
          setenv(name, count, 0)
        }
        return
      }
      if mayUseEveryProcessor && othersRunning == 0 { setenv("POCL_AFFINITY", "1", 0) }
    #endif
  }

  #if os(Linux)
    /// Whether no processor of the machine is kept from this process.
    private static var mayUseEveryProcessor: Bool {
      sysconf(Int32(_SC_NPROCESSORS_ONLN)) == ProcessInfo.processInfo.activeProcessorCount
    }

    /// Threads of others that are running or ready to, this instant: /proc/loadavg's fourth field
    /// is `running/all`, this thread among them.
    private static var othersRunning: Int? {
      guard let text = try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8) else {
        return nil
      }
      let fields = text.split(separator: " ")
      guard fields.count > 3, let running = fields[3].split(separator: "/").first else {
        return nil
      }
      return Int(running).map { $0 - 1 }
    }
  #endif
}
