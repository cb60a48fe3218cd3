import ArgumentParser
import Experiments
import Foundation
import OpenCL
import Tensors

extension AuditOrder: ExpressibleByArgument {}

/// `gputrain norms`: the spectral norms of weights from anywhere.
struct NormsCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "norms",
    abstract: "Print the spectral norm of every matrix in weight files.",
    discussion: """
      Reads safetensors (F16, BF16, F32, F64; one file, or several through their \
      model.safetensors.index.json), NPY and NPZ, whatever trained them. ‖W‖* is the largest \
      singular value, in brackets the bounds between which it lies; where features are learned at \
      every width, ‖W‖*/√(out/in) and, with --against, ‖ΔW‖*/√(out/in) do not change with width. \
      Tensors [out, in, k, …] count as matrices out × in·k·…; tensors of one dimension or of \
      integers are left out. Values are read a part at a time: a file may be larger than memory.

      Examples:
          gputrain norms after.safetensors
          gputrain norms after.safetensors --against before.safetensors --sort norm
      """)

  @Argument(
    help: ArgumentHelp(
      "Weight files; a directory stands for the safetensors model in it.", valueName: "file"),
    completion: Completions.weights)
  var files: [String]

  @Option(
    help: ArgumentHelp(
      "An earlier checkpoint of the same tensors: adds the norms of ΔW, file less other.",
      valueName: "other"), completion: Completions.weights)
  var against: String?

  @Option(
    help: ArgumentHelp(
      "Only tensors whose name holds this, or matches it where it has * or ?.",
      valueName: "pattern"))
  var filter: String?

  @Option(help: "Greatest first; stable-rank smallest first.")
  var sort: AuditOrder = .ratio

  @OptionGroup var on: DeviceOption

  @Flag(help: "Print comma-separated values.")
  var csv = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if csv && output.json { throw InvalidOption("give --csv or --json, not both") }
    if against != nil && files.count != 1 {
      throw InvalidOption("--against compares with one file, got \(files.count)")
    }
  }

  func run() throws {
    let opened = try files.map(WeightFile.init(path:))
    let audit =
      try against.map {
        try WeightAudit(opened[0], against: WeightFile(path: $0), filter: matches)
      } ?? WeightAudit(opened, filter: matches)
    if audit.count == 0 && audit.leftOut.isEmpty {
      Terminal.note(
        filter.map { "no tensor matches '\(printable($0))'" }
          ?? "no tensors in \(files.joined(separator: ", "))")
    }
    var matrices: [AuditedMatrix] = []
    if audit.count > 0 {
      let measure = try LanczosMeasure(compute: on.compute())
      let display = ProgressDisplay()
      matrices = try audit.run(measure) { index, name in
        display.show(key: nil, share: Double(index) / Double(audit.count)) {
          [.init("\(index + 1)/\(audit.count) matrices"), .init(printable(name))]
        }
      }
      display.end()
    }
    try show(WeightAudit.sorted(matrices, by: sort), leftOut: audit.leftOut)
    if matrices.contains(where: { $0.problem != nil }) { throw ExitCode.failure }
  }

  private func show(_ matrices: [AuditedMatrix], leftOut: [String]) throws {
    let table = NormsTable(
      matrices, showsFiles: files.count > 1, showsUpdates: against != nil)
    let notes = table.notes + leftOut.map { "left out: \(printable($0))" }
    if output.json || csv {
      print(output.json ? try jsonText(table.records) : table.csv)
    } else if !matrices.isEmpty {
      print(table.text)
    }
    if output.json || csv || output.verbosity == .quiet {
      table.problems.forEach(Terminal.problem)
      notes.forEach(Terminal.note)
    } else if !(table.problems + notes).isEmpty {
      let problems = table.problems.map { Colours.output.paint($0, .bad) }
      print((matrices.isEmpty ? "" : "\n") + (problems + notes).joined(separator: "\n"))
    }
  }

  /// Whether a tensor's name passes `--filter`.
  private func matches(_ name: String) -> Bool {
    guard let filter else { return true }
    return filter.contains(where: { "*?".contains($0) })
      ? fnmatch(filter, name, 0) == 0 : name.contains(filter)
  }
}
