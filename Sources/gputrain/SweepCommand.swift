import ArgumentParser
import Experiments
import Foundation
import Spectral
import Training

/// `gputrain sweep`: learning rates × widths × seeds × parametrizations × optimizers.
struct SweepCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Train over widths and learning rates: does the optimum stay put?",
    discussion: """
      Without options: standard against spectral parametrization under Adam, on built-in data. \
      Ctrl-C keeps what is done, and the runs under way as they stand; the same command again goes \
      on from there.

      Parametrizations: \(Parametrizations.all.map { "\($0.name), \($0.summary)" }
        .joined(separator: "; ")).

      The loss compared is the mean over the last epoch (with --steps: the last quarter of the \
      steps) of each row's loss before its update, or with --objective validation that of the \
      held-out rows at the end.
      """)

  @Argument(
    help: ArgumentHelp(
      "YAML file with options as keys and parametrizations of one's own; options given here "
        + "override it.", valueName: "file"), completion: Completions.yaml)
  var file: String?

  @Flag(help: "Print such a file to start from, with the options given here, and run nothing.")
  var printConfig = false

  @Option(
    help: ArgumentHelp(
      Parametrizations.all.map(\.name).joined(separator: ", ") + "; several with commas.",
      valueName: "list"), completion: Completions.parametrizations)
  var parametrization = "sp,spectral"

  @Option(
    help: ArgumentHelp(
      OptimizerKind.allCases.map(\.rawValue).joined(separator: ", ") + "; several with commas.",
      valueName: "list"), completion: Completions.optimizers)
  var optimizer = "adam"

  @Option(help: ArgumentHelp("Widths.", valueName: "list"))
  var widths = "64,96,128,256,384"

  @Option(
    name: .customLong("log2-lr"), parsing: .unconditional,
    help: ArgumentHelp(
      "log2 of the learning rates: START:STOP:COUNT, both ends included, or a list.",
      valueName: "rates"))
  var log2LearningRates = "-11:-5:7"

  @Option(parsing: .unconditional, help: ArgumentHelp("Seeds 1 … N.", valueName: "n"))
  var seeds = 6

  @Option(
    help: ArgumentHelp("The loss whose minimum is the optimum.", valueName: "loss"))
  var objective: Objective = .trainLoss

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Keep the runs under way each so many steps, for a sweep that is killed to go on from; Ctrl-C "
        + "always keeps them.", valueName: "steps"))
  var checkpointEvery: Int?

  @OptionGroup var options: RunOptions

  @OptionGroup var output: OutputOptions

  private struct Output: Encodable {
    let out, page: String
    let interrupted: Bool
    let runs, diverged, failed: Int
    let report: TransferReport
    let warnings: [DiagnosticWarning]
  }

  func validate() throws {
    try Limits.check("--seeds", seeds, atMost: 100_000)
    try Limits.check("--checkpoint-every", checkpointEvery ?? 1)
  }

  func run() throws {
    guard let file else { return try printConfig ? writeConfig() : train() }
    let commands = Gputrain.configuration.subcommands.compactMap { $0.configuration.commandName }
    if !FileManager.default.fileExists(atPath: file),
      let meant = Spelling.closest(to: file, among: commands)
    {
      throw InvalidOption("'\(file)' is no command and no file; did you mean '\(meant)'?")
    }
    // The file's options, then those given now, of which the later count.
    let given = Gputrain.givenArguments(of: Self.self)
    let command = try Self.parse(
      OptionEntry.merged(SweepFile(path: file).arguments, given))
    Terminal.verbosity = command.output.verbosity
    try command.printConfig ? command.writeConfig() : command.train()
  }

  private func train() throws {
    let start = ContinuousClock.now
    let interrupt = Interrupt()
    let grid = try grid()
    if let out = options.out { try ReportFolder.sweep.requirePlace(in: URL(fileURLWithPath: out)) }
    let sweep = try options.sweep(grid, checkpointEvery: checkpointEvery)
    try sweep.store.write(try text().resolved, as: "sweep.yaml")
    try sweep.store.note(.current(on: sweep.compute.queue.device, grid: grid, objective: objective))
    let outcome = try sweep.run(until: interrupt)
    let rows = try sweep.summarize()
    let report = TransferReport(rows: rows, objective: objective)
    let warnings = try sweep.warnings()
    if output.json {
      print(
        try jsonText(
          Output(
            out: sweep.store.directory.path,
            page: ReportLeaving.page(in: sweep.store.directory).path,
            interrupted: outcome.interrupted,
            runs: rows.count,
            diverged: rows.count { $0.result.outcome == .diverged },
            failed: rows.count { $0.result.outcome == .failed }, report: report,
            warnings: warnings)))
    } else if !rows.isEmpty {
      let told = warnings.map { "\n" + Colours.output.paint($0.paragraph, .unsure) + "\n" }
      print(report.table(emphasis: Colours.output.paint) + told.joined())
    }
    // After the table: whatever keeps the page from being written has not kept the answer.
    try ReportLeaving.leave(in: sweep.store.directory)
    if options.diagnose != nil && outcome.progress.reused > 0 {
      Terminal.note(
        "\(outcome.progress.reused) runs were there before and are not measured now; another --out "
          + "measures all")
    }
    sweep.compute.tellBuildTime()
    Terminal.detail(
      "files: sweep.json, sweep.yaml, summary.csv, \(outcome.progress.finished) new runs in runs/"
        + (options.tensorboard ? ", events in tensorboard/" : "") + ", all under "
        + sweep.store.directory.path)
    let elapsed = ProgressDisplay.duration((ContinuousClock.now - start) / .seconds(1))
    Terminal.note(
      "\(rows.count) of \(grid.cells.count) runs in \(sweep.store.summaryFile.relativePath), \(elapsed)"
    )
    try outcome.exitWhereIncomplete(store: sweep.store)
  }

  private func grid() throws -> SweepGrid {
    try SweepGrid(
      parametrizations: SweepGrid.parseList(
        parametrization, what: "--parametrization", "names a,b,c"),
      optimizers: try SweepGrid.parseList(optimizer, what: "--optimizer", "names a,b,c").map(kind),
      widths: SweepGrid.parseList(widths, what: "--widths", "integers a,b,c"),
      log2LearningRates: SweepGrid.parseRates(log2LearningRates),
      seeds: (1...seeds).map(UInt64.init))
  }

  /// Refuses what makes no sense, before data and device are looked at.
  func check() throws {
    try options.check(try grid())
  }

  /// Every option with its value.
  var entries: [OptionEntry] {
    [
      OptionEntry("parametrization", parametrization), OptionEntry("optimizer", optimizer),
      OptionEntry("widths", widths), OptionEntry("log2-lr", log2LearningRates),
      OptionEntry("seeds", seeds), OptionEntry("objective", objective.rawValue),
      OptionEntry("checkpoint-every", checkpointEvery.map(String.init)),
    ] + options.entries + [
      OptionEntry("out", options.out), OptionEntry("json", flag: output.json),
    ]
  }

  /// The sweep as a file, defaults that depend on others filled in.
  private func text() throws -> SweepFileText {
    let defaults: [String: OptionEntry.Value] = [
      "depth": .text("\(ModelOptions.defaultDepth)"), "zero-readout": .flag(true),
      "steps": .text(options.epochs == nil ? "\(RunOptions.defaultSteps)" : nil),
    ]
    let own = ["out", "json", "parametrization-file"]
    return SweepFileText(
      entries: entries.filter { !own.contains($0.name) }.map { entry in
        entry.isEmpty ? OptionEntry(entry.name, defaults[entry.name] ?? entry.value) : entry
      }, parametrizations: try options.model.definitions())
  }

  private func writeConfig() throws {
    try check()
    print(try text().commented(helps: try OptionHelps.byName(of: Self.self)), terminator: "")
  }

  private func kind(_ name: String) throws -> OptimizerKind {
    guard let kind = OptimizerKind(rawValue: name) else {
      let names = OptimizerKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw InvalidOption("--optimizer: expected some of \(names), got '\(name)'")
    }
    return kind
  }
}

extension Sweep {
  /// Runs the sweep with its progress on standard error, until done or Ctrl-C.
  func run(until interrupt: Interrupt) throws -> Outcome {
    let display = SweepDisplay()
    defer { display.end() }
    var announced = false
    let outcome = try run { progress in
      if !announced, progress.reused > 0 {
        Terminal.note(
          "\(progress.reused) of \(progress.total) runs are there already; running the others")
      }
      if !announced, progress.resumed > 0, progress.total > 1 {
        Terminal.note("\(progress.resumed) runs go on from where they were stopped")
      }
      if !announced, progress.unfit > 0 {
        Terminal.note(
          "\(progress.unfit) runs that a sweep was stopped in start anew: they were kept on another "
            + "device or tuning, or measured otherwise")
      }
      announced = true
      display.show(progress)
      return !interrupt.isRequested
    }
    if outcome.progress.reused == outcome.progress.total {
      Terminal.note("all \(outcome.progress.total) runs are there already; nothing to run")
    }
    return outcome
  }
}

extension Sweep.Outcome {
  /// Ends the program with a status that tells scripts: 130 stopped, 1 runs failed or device lost.
  func exitWhereIncomplete(store: RunStore) throws {
    if interrupted {
      Terminal.problem(
        "stopped; what is done is kept in \(store.directory.relativePath)"
          + (keptStep.map { ", and the runs under way at step \($0)" } ?? "")
          + ". The same command again runs the rest")
      throw ExitCode(130)
    }
    if isDeviceLost {
      Terminal.problem(
        "the device does not answer any more: \(failure ?? "no error was said"). "
          + "\(progress.reused + progress.finished) of \(progress.total) runs are kept in "
          + "\(store.directory.relativePath)"
          + (keptStep.map { ", and those under way at step \($0)" } ?? "")
          + (checkpoint.map { "; go on with: gputrain train --resume \($0.relativePath)" }
            ?? ". The same command again runs the rest"))
      throw ExitCode.failure
    }
    if let failure {
      Terminal.problem("\(progress.failed) runs failed: \(failure)")
      throw ExitCode.failure
    }
  }
}
