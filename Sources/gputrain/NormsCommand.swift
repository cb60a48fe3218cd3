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
      Reads safetensors (F16, BF16, F32, F64), PyTorch's .pt and .bin (tensors only; nothing in them \
      is run), several such files through their index, NPY and NPZ, whatever trained them. ‖W‖* is the largest \
      singular value, in brackets the bounds between which it lies; where features are learned at \
      every width, ‖W‖*/√(out/in) and, with --against, ‖ΔW‖*/√(out/in) do not change with width. \
      Tensors [out, in, k, …] count as matrices out × in·k·…; tensors of one dimension or of \
      integers are left out. Embeddings, and kernels stored as [in, out], are known by usual names, \
      which the output says; options decide. Values are read a part at a time: a file may be larger \
      than memory.

      With --series it fits how each tensor's norms grow with width, and gives the verdict of check \
      on networks trained anywhere; the exit status is then that of check: 0 where the condition is \
      met, 1 where it is not, 2 where that is unclear.

      Examples:
          gputrain norms after.safetensors
          gputrain norms after.safetensors --against before.safetensors --sort norm
          gputrain norms --series 64=w64-0.pt:w64-1.pt --series 128=w128-0.pt:w128-1.pt \\
            --series 256=w256-0.pt:w256-1.pt
      """)

  @Argument(
    help: ArgumentHelp(
      "Weight files; a directory stands for the model in it.", valueName: "file"),
    completion: Completions.weights)
  var files: [String] = []

  @Option(
    help: ArgumentHelp(
      "An earlier checkpoint of the same tensors: adds the norms of ΔW, file less other. Several "
        + "files are then the steps of a run.",
      valueName: "other"), completion: Completions.weights)
  var against: String?

  @Option(
    help: ArgumentHelp(
      "In place of files: a network of this width at the start and, behind a colon, after one step. "
        + "Given for at least two widths; several of one width are seeds.",
      valueName: "width=before:after"), completion: Completions.weights)
  var series: [String] = []

  @Option(
    help: ArgumentHelp(
      "Only tensors whose name holds this, or matches it where it has * or ?.",
      valueName: "pattern"))
  var filter: String?

  @OptionGroup(title: "How tensors are stored") var layouts: LayoutOptions

  @Option(help: "Greatest first; stable-rank smallest first.")
  var sort: AuditOrder = .ratio

  @OptionGroup var on: DeviceOption

  @Flag(help: "Print comma-separated values.")
  var csv = false

  @OptionGroup var output: OutputOptions

  var failure: ExitCode { series.isEmpty ? .failure : .unclear }

  func validate() throws {
    guard series.isEmpty else {
      if !files.isEmpty || against != nil || csv {
        throw InvalidOption("--series takes the place of files, --against and --csv")
      }
      return
    }
    if files.isEmpty { throw ValidationError("Missing expected argument '<file> ...'") }
    if csv && output.json { throw InvalidOption("give --csv or --json, not both") }
  }

  func run() throws {
    if !series.isEmpty { return try runSeries() }
    let opened = try files.map(WeightFile.init(path:))
    let rules = try layouts.rules(for: opened)
    let earlier = try against.map(WeightFile.init(path:))
    let audits =
      try earlier.map { earlier in
        try opened.map {
          try WeightAudit($0, against: earlier, rules: rules, filter: matches)
        }
      } ?? [WeightAudit(opened, rules: rules, filter: matches)]
    let count = audits.reduce(0) { $0 + $1.count }
    let leftOut = audits.flatMap(\.leftOut).uniqued()
    if count == 0 && leftOut.isEmpty {
      Terminal.note(
        filter.map { "no tensor matches '\($0.printable())'" }
          ?? "no tensors in \(files.joined(separator: ", "))")
    }
    var matrices: [AuditedMatrix] = []
    if count > 0 {
      let measure = try LanczosMeasure(compute: on.compute())
      let display = ProgressDisplay()
      for audit in audits {
        let done = matrices.count
        matrices += try audit.run(measure) { index, name in
          display.show(key: nil, share: Double(done + index) / Double(count)) {
            [.init("\(done + index + 1)/\(count) matrices"), .init(name.printable())]
          }
        }
      }
      display.end()
    }
    let unreadable = (opened + [earlier].compactMap(\.self)).flatMap(\.unreadable)
    try show(
      WeightAudit.sorted(matrices, by: sort), unreadable: unreadable,
      notes: audits.flatMap(\.renamed).uniqued() + leftOut.map { "left out: \($0)" })
    if !unreadable.isEmpty || matrices.contains(where: { $0.problem != nil }) {
      throw ExitCode.failure
    }
  }

  private var matches: (String) -> Bool {
    guard let pattern = filter.map(NamePattern.init) else { return { _ in true } }
    return pattern.matches
  }

  private func runSeries() throws {
    let members = try series.map { try SeriesArgument($0).member() }
    guard Set(members.map(\.width)).count >= 2 else {
      throw InvalidOption("--series: expected at least two widths, got \(members[0].width) alone")
    }
    if members.contains(where: { $0.after == nil }) && members.contains(where: { $0.after != nil })
    {
      throw InvalidOption("--series: expected a file after the step for every network, or for none")
    }
    let unreadable = members.flatMap { $0.before.unreadable + ($0.after?.unreadable ?? []) }
    let progress = ProgressDisplay()
    let report = try WeightSeries(
      members, rules: layouts.rules(for: members.map(\.before)), filter: matches
    ).run(LanczosMeasure(compute: on.compute())) { share, width in
      progress.show(key: nil, share: share) { [.init("width \(width)")] }
    }
    progress.end()
    unreadable.forEach { Terminal.problem("unreadable: \($0.printable())") }
    if output.json {
      Terminal.print(try jsonText(report))
    } else {
      Terminal.print(report.table(emphasis: Colours.output.paint), terminator: "")
    }
    if report.verdict != .pass { throw ExitCode(report.verdict) }
  }

  private func show(
    _ matrices: [AuditedMatrix], unreadable: [String], notes others: [String]
  ) throws {
    let table = NormsTable(
      matrices, showsFiles: files.count > 1, showsUpdates: against != nil)
    let problems = table.problems + unreadable.map { "unreadable: \($0.printable())" }
    let notes = table.notes + others.map { $0.printable() }
    if output.json || csv {
      Terminal.print(output.json ? try jsonText(table.records) : table.csv)
    } else if !matrices.isEmpty {
      Terminal.print(table.text)
    }
    if output.json || csv || output.verbosity == .quiet {
      problems.forEach(Terminal.problem)
      notes.forEach(Terminal.note)
    } else if !(problems + notes).isEmpty {
      let painted = problems.map { Colours.output.paint($0, .bad) }
      Terminal.print((matrices.isEmpty ? "" : "\n") + (painted + notes).joined(separator: "\n"))
    }
  }
}

/// A network of `--series`: WIDTH=BEFORE, or WIDTH=BEFORE:AFTER.
struct SeriesArgument {
  let width: Int
  let before: String
  let after: String?

  /// - Throws: `InvalidOption`.
  init(_ text: String) throws {
    let mistake = InvalidOption(
      "--series: expected WIDTH=BEFORE:AFTER or WIDTH=FILE, got \(text.printable())")
    guard let equals = text.firstIndex(of: "="), let width = Int(text[..<equals]) else {
      throw mistake
    }
    try Limits.check("--series", width)
    let paths = String(text[text.index(after: equals)...])
    self.width = width
    // A colon may be part of a name: what is there as it stands is one file.
    let parts = paths.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    if parts.count == 1 || FileManager.default.fileExists(atPath: paths) {
      (before, after) = (paths, nil)
    } else {
      let pairs = (1..<parts.count).map { count in
        (parts[..<count].joined(separator: ":"), parts[count...].joined(separator: ":"))
      }
      (before, after) =
        pairs.first { FileManager.default.fileExists(atPath: $0.0) } ?? pairs[pairs.count - 1]
    }
    if before.isEmpty || after?.isEmpty == true { throw mistake }
  }

  /// Its files, opened.
  ///
  /// - Throws: `DataError`.
  func member() throws -> WeightSeries.Member {
    WeightSeries.Member(
      width: width, before: try WeightFile(path: before),
      after: try after.map(WeightFile.init(path:)))
  }
}

/// What a user says of tensors whose axes are not as PyTorch has them.
struct LayoutOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Tensors stored as [in, out, k, …]: GPT-2's Conv1D, transposed convolutions.",
      valueName: "pattern"))
  var transpose: [String] = []

  @Option(
    help: ArgumentHelp(
      "Tensors whose first axis counts matrices, such as experts; the largest norm counts.",
      valueName: "pattern"))
  var batchAxis: [String] = []

  @Option(
    help: ArgumentHelp(
      "Embeddings [vocabulary, width]: the largest norm of a row, over √width.",
      valueName: "pattern"))
  var embedding: [String] = []

  @Option(
    help: ArgumentHelp(
      "Tensors that are stored as [out, in, k, …] whatever their names say.", valueName: "pattern"))
  var asStored: [String] = []

  @Option(
    help: ArgumentHelp(
      "Tensors whose outputs are n matrices, such as query, key and value.",
      valueName: "pattern=n"))
  var split: [String] = []

  /// - Throws: `InvalidOption` where a pattern matches no tensor of `files`.
  func rules(for files: [WeightFile]) throws -> LayoutRules {
    var rules = LayoutRules()
    (rules.transposed, rules.stacked) = (patterns(transpose), patterns(batchAxis))
    (rules.embeddings, rules.asStored) = (patterns(embedding), patterns(asStored))
    rules.splits = try split.map { text in
      guard let equals = text.lastIndex(of: "="),
        let count = Int(text[text.index(after: equals)...]),
        (2...1000).contains(count), equals != text.startIndex
      else {
        throw InvalidOption(
          "--split: expected PATTERN=N with N from 2 to 1000, got \(text.printable())")
      }
      return (NamePattern(String(text[..<equals])), count)
    }
    let names = files.flatMap { $0.tensors.map(\.name) }
    if let pattern = rules.unmatched(in: names).first {
      throw InvalidOption("no tensor's name matches '\(pattern.text.printable())'")
    }
    return rules
  }

  private func patterns(_ texts: [String]) -> [NamePattern] { texts.map { NamePattern($0) } }
}
