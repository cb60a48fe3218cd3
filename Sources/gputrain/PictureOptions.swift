import ArgumentParser
import Experiments
import Foundation

extension PictureFiles.Size: ExpressibleByArgument {}

/// Whether a page's pictures are written as files too, and how.
struct PictureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Write the pictures of report.html as files too, into report-pictures beside it: svg, pdf or "
        + "png, or a list of these. pdf and png need rsvg-convert (Debian: librsvg2-bin).",
      valueName: "formats"))
  var pictures: String?

  @Option(
    help: ArgumentHelp(
      "Their width, or width and height: 85mm, 85x60mm, 3.25in. (default: 85mm, of several panels "
        + "170mm)", valueName: "size"))
  var size: PictureFiles.Size?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Size of their text in points. (default: 8)", valueName: "pt"))
  var fontSize: Double?

  func validate() throws { _ = try files() }

  /// What was asked for; nil: no files.
  ///
  /// - Throws: `InvalidOption`.
  func files() throws -> PictureFiles? {
    guard let pictures else {
      if size != nil || fontSize != nil {
        throw InvalidOption(
          "--\(size != nil ? "size" : "font-size") is of picture files: give --pictures too, such as "
            + "--pictures svg")
      }
      return nil
    }
    if let fontSize, !(1...100).contains(fontSize) {
      throw InvalidOption("--font-size: expected from 1 to 100 points, got \(fontSize)")
    }
    let formats: [PictureFiles.Format] = try SweepGrid.parseList(
      pictures, what: "--pictures", "svg, pdf, png or a list of these")
    do {
      return try PictureFiles(
        formats, size: size, fontSize: fontSize ?? PictureFiles.fontSize,
        path: ProcessInfo.processInfo.environment["PATH"] ?? "")
    } catch {
      let option =
        if case .tooSmall = error { "--size" } else { "--pictures" }
      throw InvalidOption("\(option): \(error)")
    }
  }
}
