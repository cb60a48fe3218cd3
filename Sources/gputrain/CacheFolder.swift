import Foundation
import OpenCL
import Tensors

/// What is kept in `gputrain` in the user's cache directory, as the XDG base directory specification
/// has it; nil where there is none.
enum CacheFolder {
  /// Compiled programs.
  static var programs: ProgramCache? { folder("programs").map(ProgramCache.init(directory:)) }

  /// Tuned kernel parameters.
  static var tunings: TuningStore? { folder("tunings").map(TuningStore.init(directory:)) }

  private static func folder(_ name: String) -> URL? {
    let environment = ProcessInfo.processInfo.environment
    let own = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    return (own ?? environment["HOME"].map { "\($0)/.cache" })
      .map { URL(fileURLWithPath: "\($0)/gputrain/\(name)") }
  }
}

/// Where PoCL keeps compiled kernels: it offers no device where it cannot write there.
enum KernelCache {
  /// Gives PoCL a temporary directory where it could not write to its own, before the first call of
  /// OpenCL. One that the user has named is left alone.
  ///
  /// - Returns: what was done, in words; nil where nothing had to be.
  static func prepare() -> String? {
    guard environment("POCL_CACHE_DIR") == nil, let reason = problem(with: usual) else {
      return nil
    }
    let other = FileManager.default.temporaryDirectory
      .appendingPathComponent("gputrain-pocl-\(getuid())").path
    mkdir(other, 0o700)
    // Not one that somebody else has put there.
    var status = stat()
    guard lstat(other, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
      status.st_uid == getuid(), problem(with: other) == nil
    else { return nil }
    setenv("POCL_CACHE_DIR", other, 1)
    return "PoCL's compiled kernels are kept in \(other): \(usual) cannot be written (\(reason))"
  }

  /// What keeps PoCL from writing its kernels, in words that say what to do; nil where nothing does.
  static var advice: String? {
    let directory = environment("POCL_CACHE_DIR") ?? usual
    return problem(with: directory).map {
      "PoCL, which offers the CPU, cannot write its compiled kernels to \(directory) (\($0)); set "
        + "POCL_CACHE_DIR to a directory that can be written"
    }
  }

  /// As PoCL has it.
  private static var usual: String {
    if let cache = environment("XDG_CACHE_HOME") { return cache + "/pocl/kcache" }
    return environment("HOME").map { $0 + "/.cache/pocl/kcache" } ?? "/tmp/pocl/kcache"
  }

  /// Of this moment: `ProcessInfo` may know that of the start alone.
  private static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Why no file can be written in a directory, which is made if it is not there.
  private static func problem(with directory: String) -> String? {
    let url = URL(fileURLWithPath: directory)
    try? FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    var name = Array(url.appendingPathComponent(".gputrain-XXXXXX").path.utf8CString)
    let file = mkstemp(&name)
    if file < 0 { return String(cString: strerror(errno)) }
    defer {
      close(file)
      unlink(name)
    }
    // A full disk has room for a name, and not for this.
    let block = [UInt8](repeating: 0, count: 4096)
    return write(file, block, block.count) == block.count ? nil : String(cString: strerror(errno))
  }
}
