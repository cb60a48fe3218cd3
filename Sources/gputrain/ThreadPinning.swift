import Foundation

/// Whether PoCL is to bind its threads to processors, one each.
///
/// Bound threads start on a kernel's work at once: without it, kernels of less than about 10 ms run
/// at the speed of one core. Where other programs want the same processors it does harm, as bound
/// threads cannot give way: so only on a machine that has nothing else to do, all of it ours.
enum ThreadPinning {
  /// Sets PoCL's variable before the first OpenCL call; a value that the user has set stays.
  static func choose() {
    #if os(Linux)
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
