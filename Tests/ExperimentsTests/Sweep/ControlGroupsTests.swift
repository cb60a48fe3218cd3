import Foundation
import Testing

@testable import Experiments

@Suite struct ControlGroupsTests {
  /// What control groups allow where the files are these.
  private func groups<Value>(
    _ files: [String: String], _ body: (ControlGroups) throws -> Value
  ) throws -> Value {
    try Fixture.inDirectory { directory in
      for (path, text) in files {
        let file = directory.appendingPathComponent(path)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data((text + "\n").utf8).write(to: file)
      }
      return try body(ControlGroups(root: directory.path))
    }
  }

  /// A Slurm job of one processor and 2 GB on a large node: the limits are those of groups above the process's.
  @Test func jobsLimits_hold_atEveryLevel() throws {
    let files = [
      "proc/self/cgroup": "0::/system.slice/slurm/job_7/step_0",
      "sys/fs/cgroup/system.slice/slurm/job_7/cpu.max": "100000 100000",
      "sys/fs/cgroup/system.slice/slurm/job_7/step_0/cpu.max": "max 100000",
      "sys/fs/cgroup/system.slice/slurm/job_7/memory.max": "2000000000",
      "sys/fs/cgroup/system.slice/slurm/job_7/memory.current": "500000000",
      "sys/fs/cgroup/system.slice/slurm/job_7/step_0/memory.max": "max",
      "sys/fs/cgroup/system.slice/memory.max": "9000000000",
      "sys/fs/cgroup/system.slice/memory.current": "1000000000",
    ]
    try groups(files) {
      #expect($0.processors == 1 && $0.memoryLeft == 1_500_000_000)
    }
  }

  @Test func firstVersion_isRead() throws {
    let files = [
      "proc/self/cgroup": "5:memory:/job\n4:cpu,cpuacct:/job\n0::/",
      "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "250000",
      "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000",
      "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
      "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "1000",
      "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "1500",
    ]
    try groups(files) { #expect($0.processors == 2.5 && $0.memoryLeft == 0) }
  }

  /// A container that does not see its group by the path that it is told.
  @Test func pathsFromOutside_fallBackToTheRoot() throws {
    let files = [
      "proc/self/cgroup": "0::/../../pod/container",
      "sys/fs/cgroup/cpu.max": "50000 100000",
    ]
    try groups(files) { #expect($0.processors == 0.5 && $0.memoryLeft == nil) }
  }

  @Test func withoutLimits_thereAreNone() throws {
    try groups(["proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"]) {
      #expect($0.processors == nil && $0.memoryLeft == nil)
    }
    try groups([:]) { #expect($0.processors == nil && $0.memoryLeft == nil) }
  }
}
