import Foundation

/// Memory of the machine, or of the container, that the program runs on.
enum HostMemory {
  /// Bytes that are free; all there are where the system does not tell.
  static func available() -> Int {
    let system = field("MemAvailable", of: read("/proc/meminfo")).map { $0 * 1024 }
    let whole = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    return min(system ?? whole, controlGroup() ?? .max)
  }

  /// What a control group (a container, a cluster's job) leaves free; nil without a limit.
  private static func controlGroup() -> Int? {
    let places = [
      ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
      (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes"
      ),
    ]
    for (limitFile, usedFile) in places {
      if let limit = number(limitFile), let used = number(usedFile) { return max(limit - used, 0) }
    }
    return nil
  }

  private static func number(_ path: String) -> Int? {
    read(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  private static func field(_ name: String, of text: String?) -> Int? {
    text?.split(separator: "\n").first { $0.hasPrefix("\(name):") }
      .flatMap { Int($0.filter(\.isNumber)) }
  }

  private static func read(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
