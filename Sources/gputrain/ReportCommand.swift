import ArgumentParser
import Experiments
import Foundation

/// `gputrain report`: pages of results that are there.
struct ReportCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Write report.html again from stored results; compare several sweeps.",
    discussion: """
      sweep, check and figures write such a page at their end. It opens from disk and loads \
      nothing: the question, the answer, the evidence, and how it was found. \
      Several sweeps are set beside one another on one scale. --pictures writes every picture as a \
      file too, for papers and slides.
      """)

  @Argument(
    help: ArgumentHelp(
      "Directories that --out of sweep, check or figures named.", valueName: "directory"),
    completion: .directory)
  var directories: [String]

  @Option(
    help: ArgumentHelp(
      "The page. (default: report.html in the directory, of several in the current one)",
      valueName: "file"), completion: .file(extensions: ["html"]))
  var out: String?

  @OptionGroup(title: "Pictures") var pictures: PictureOptions

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let out {
      var isDirectory: ObjCBool = false
      let exists = FileManager.default.fileExists(atPath: out, isDirectory: &isDirectory)
      if out.isEmpty || out.hasSuffix("/") || (exists && isDirectory.boolValue) {
        throw InvalidOption("--out: expected a file such as report.html, got '\(out)'")
      }
    }
    if directories.contains("") {
      throw InvalidOption("expected a directory, got an empty name")
    }
  }

  func run() throws {
    var seen: Set<String> = []
    let places = directories.map { URL(fileURLWithPath: $0) }
      .filter { seen.insert($0.standardizedFileURL.path).inserted }
    let page =
      out.map { URL(fileURLWithPath: $0) }
      ?? (places.count == 1
        ? places[0].appendingPathComponent(ReportWriter.fileName)
        : URL(fileURLWithPath: ReportWriter.fileName))
    let written = try ReportWriter(pictures: try pictures.files()).write(places, to: page)
    if output.json {
      Terminal.print(try jsonText(written))
    } else {
      for verdict in written.verdicts {
        Terminal.print("\(verdict.parametrization), \(verdict.optimizer): \(verdict.text)")
        if verdict.missing > 0 { Terminal.print("  \(verdict.missing) runs missing") }
      }
    }
    ReportLeaving.tell(written, page)
  }
}
