import Experiments
import Foundation
import OpenCL

/// Leaves `report.html` where results are.
enum ReportLeaving {
  /// Writes pages with the gnuplot that is installed. Where it is missing or fails, pages hold the
  /// data alone and a line on standard error says so.
  ///
  /// - again: what the user can type to have pictures later.
  /// - Throws: what `write` throws but `Gnuplot.Failure`.
  static func with<Result>(
    format: Gnuplot.Format = .svg, again: String, write: (ReportWriter) throws -> Result
  ) throws -> Result {
    guard let gnuplot = Gnuplot(path: ProcessInfo.processInfo.environment["PATH"] ?? "") else {
      let result = try write(ReportWriter(gnuplot: nil))
      Terminal.note(
        "no gnuplot found: the report has the data; for pictures install gnuplot-nox, then: \(again)"
      )
      return result
    }
    do {
      return try write(ReportWriter(gnuplot: gnuplot, format: format))
    } catch let failure as Gnuplot.Failure {
      let result = try write(ReportWriter(gnuplot: nil))
      Terminal.note("\(failure); the report has the data without pictures")
      return result
    }
  }

  /// The page of what lies in `directory`.
  static func page(in directory: URL) -> URL {
    directory.appendingPathComponent(ReportWriter.fileName)
  }

  /// Writes the page of what lies in `directory`, into it, and says where it is.
  static func leave(in directory: URL, format: Gnuplot.Format = .svg) throws {
    let page = page(in: directory)
    _ = try with(format: format, again: "gputrain report \(directory.relativePath)") {
      try $0.write([directory], to: page, mayBeEmpty: true)
    }
    Terminal.note("report in \(page.relativePath)")
  }
}

extension Invocation {
  /// The command that runs now.
  static func current(
    on device: Device, grid: SweepGrid? = nil, objective: Objective? = nil
  ) -> Invocation {
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let executable = Bundle.main.executableURL ?? program
    let attributes = try? FileManager.default.attributesOfItem(atPath: executable.path)
    var name = utsname()
    uname(&name)
    let machine = withUnsafeBytes(of: &name.machine) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    return Invocation(
      command: CommandLine.arguments, directory: FileManager.default.currentDirectoryPath,
      began: Date(), system: "\(ProcessInfo.processInfo.operatingSystemVersionString), \(machine)",
      version: Build.version, built: attributes?[.modificationDate] as? Date,
      hardware: Hardware(device), grid: grid,
      objective: objective)
  }
}
