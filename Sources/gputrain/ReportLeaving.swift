import Experiments
import Foundation
import OpenCL

/// Leaves `report.html` where results are.
enum ReportLeaving {
  /// The page of what lies in `directory`.
  static func page(in directory: URL) -> URL {
    directory.appendingPathComponent(ReportWriter.fileName)
  }

  /// Writes the page of what lies in `directory`, into it, with its pictures as files where these are
  /// asked for, and says where they are.
  ///
  /// - Returns: the files of the pictures.
  @discardableResult
  static func leave(in directory: URL, pictures: PictureFiles?) throws -> [String] {
    let page = page(in: directory)
    let written = try ReportWriter(pictures: pictures).write(
      [directory], to: page, mayBeEmpty: true)
    tell(written, page)
    return written.pictures
  }

  /// Says where a page and its pictures are.
  static func tell(_ written: ReportWriter.Output, _ page: URL) {
    Terminal.note("report in \(page.relativePath)")
    if !written.pictures.isEmpty {
      Terminal.note(
        "\(written.pictures.count) pictures in \(ReportWriter.pictures(of: page).relativePath)")
    }
  }
}

extension Invocation {
  /// The command that runs now.
  static func current(
    on device: Device, grid: SweepGrid? = nil, objective: Objective? = nil,
    targetWidth: Int? = nil
  ) -> Invocation {
    Invocation(
      command: CommandLine.arguments, directory: FileManager.default.currentDirectoryPath,
      began: Date(), system: Build.system, version: Build.version, built: Build.date,
      hardware: Hardware(device), grid: grid, objective: objective, targetWidth: targetWidth)
  }
}
