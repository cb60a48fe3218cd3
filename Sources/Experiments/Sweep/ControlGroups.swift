import Foundation

/// What control groups allow this process: those of containers, and of a batch system's jobs.
///
/// A limit of a group holds for all groups in it, so that of every level counts, from the process's own up to the
/// root. Both versions of the kernel's interface are read.
public struct ControlGroups: Sendable {
  /// The file systems' root; another one in tests.
  private let root: String

  /// Those of this machine.
  public init() { self.init(root: "") }

  init(root: String) { self.root = root }

  /// Processors' worth of time that the process gets; nil without a limit.
  public var processors: Double? {
    let unified = levels(of: nil).compactMap { level -> Double? in
      let words = (read(level + "/cpu.max") ?? "").split(separator: " ").map { Double($0) }
      guard words.count == 2, let quota = words[0], let period = words[1], period > 0 else {
        return nil
      }
      return quota / period
    }
    let old = levels(of: "cpu").compactMap { level -> Double? in
      guard let quota = number(level + "/cpu.cfs_quota_us"), quota > 0,
        let period = number(level + "/cpu.cfs_period_us"), period > 0
      else { return nil }
      return Double(quota) / Double(period)
    }
    return (unified + old).min()
  }

  /// Bytes of memory that are left; nil without a limit.
  public var memoryLeft: Int? {
    func left(_ level: String, _ limit: String, _ used: String) -> Int? {
      guard let limit = number(level + limit), let used = number(level + used) else { return nil }
      return max(limit - used, 0)
    }
    return
      (levels(of: nil).compactMap { left($0, "/memory.max", "/memory.current") }
      + levels(of: "memory").compactMap {
        left($0, "/memory.limit_in_bytes", "/memory.usage_in_bytes")
      }).min()
  }

  /// The directories of the process's group and of all above it.
  ///
  /// - controller: of the first version; nil: of the second, which has one tree for all.
  private func levels(of controller: String?) -> [String] {
    let mount = root + "/sys/fs/cgroup" + (controller.map { "/\($0)" } ?? "")
    let lines = (read(root + "/proc/self/cgroup") ?? "").split(separator: "\n")
    let path =
      lines.lazy.map { $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false) }
      .first { fields in
        fields.count == 3
          && (controller.map { fields[1].split(separator: ",").contains(Substring($0)) }
            ?? fields[1].isEmpty)
      }?[2] ?? ""
    // A container may be told where its group is from outside, where that is not to be seen.
    let names = path.split(separator: "/").filter { $0 != ".." }
    return (0...names.count).reversed().map { count in
      names.prefix(count).reduce(mount) { $0 + "/" + $1 }
    }
  }

  private func number(_ path: String) -> Int? { read(path).flatMap { Int($0) } }

  private func read(_ path: String) -> String? {
    (try? String(contentsOfFile: path, encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
