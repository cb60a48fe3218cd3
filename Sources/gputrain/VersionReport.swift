import Experiments
import Foundation
import OpenCL
import Tensors

/// What `gputrain --version --verbose` prints: the program, and all that it runs on.
enum VersionReport {
  /// Whether a command line asks for it.
  static func isAsked(by arguments: some Collection<String>) -> Bool {
    arguments.count == 2 && Set(arguments) == ["--version", "--verbose"]
  }

  /// A line a thing, none of which has to be there: this is what one reads where something is missing.
  static var text: String {
    lines.map { name, value in
      name.padding(toLength: max(18, name.count + 1), withPad: " ", startingAt: 0) + value
    }.joined(separator: "\n")
  }

  private static var lines: [(name: String, value: String)] {
    [("gputrain", Build.version)]
      + [Build.date.map { ("built", $0.formatted(.iso8601)) }].compactMap(\.self)
      + [("Swift", compiler)]
      + LinkedLibrary.all.map { library in
        (library.name, [library.version, library.path].compactMap(\.self).joined(separator: ", "))
      }
      + devices + system
  }

  /// The compiler's version, as far as a program can know it.
  private static var compiler: String {
    #if compiler(>=6.4)
      "6.4 or newer"
    #elseif compiler(>=6.3)
      "6.3"
    #else
      "6.2"
    #endif
  }

  private static var devices: [(String, String)] {
    _ = KernelCache.prepare()
    do {
      return try Device.all().map { device in
        (
          "device \(device.index)",
          "\(device.name) (\(device.kind.rawValue)), \(device.platform), \(device.version), "
            + "driver \(device.driverVersion)"
        )
      }
    } catch {
      return [("devices", "\(error)")]
    }
  }

  private static var system: [(String, String)] {
    let process = ProcessInfo.processInfo
    let groups = ControlGroups()
    func gibibytes(_ bytes: Int) -> String { String(format: "%.1f GiB", Double(bytes) / 0x1p30) }
    var lines = [
      ("system", Build.system),
      ("processors", "\(process.activeProcessorCount) of \(process.processorCount) to be used"),
      ("memory", gibibytes(Int(clamping: process.physicalMemory))),
    ]
    if let processors = groups.processors {
      lines.append(("control group", String(format: "the time of %.2f processors", processors)))
    }
    // Without a limit, the first version of the interface tells one beyond all memory.
    if let left = groups.memoryLeft, left < Int(clamping: process.physicalMemory) {
      lines.append(("control group", "\(gibibytes(left)) of memory left"))
    }
    #if canImport(Glibc)
      var name = [UInt8](repeating: 0, count: 64)
      if confstr(Int32(_CS_GNU_LIBC_VERSION), &name, name.count) > 0 {
        lines.append(("C library", String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)))
      }
    #endif
    return lines
  }
}
