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
      Ctrl-C keeps finished runs and checkpoints of those under way; the same command again resumes \
      from there.

      Parametrizations: \(Parametrizations.all.map { "\($0.name), \($0.summary)" }
        .joined(separator: "; ")).

      The loss compared is the mean over the last epoch (with --steps: the last quarter of the \
      steps) of each row's loss before its update, or with --objective that of the final network \
      over all training rows (train-whole), of the held-out rows at the end (validation), or the \
      least of the held-out rows over the evaluations of --evaluate-every (best-validation).

      Examples:
          gputrain sweep                              # sp against spectral
          gputrain sweep --data my.csv --widths 128,256,512 --log2-lr -12:-4:9 \\
            --epochs 5 --out runs/mine                # again: runs what is missing
          gputrain sweep --optimizer sgd,momentum --parametrization spectral
          gputrain sweep --scale depth=2,4,8          # along depth, not width
          gputrain sweep --device all                 # on every GPU of this machine
          gputrain sweep --print-config > sweep.yaml  # every option, explained
          gputrain sweep sweep.yaml --widths 64,128
      """)

  @Argument(
    help: ArgumentHelp(
      "YAML file with options as keys and custom parametrizations; options given here "
        + "override it.", valueName: "file"), completion: Completions.yaml)
  var file: String?

  @Flag(help: "Print such a file to start from, with the options given here, and run nothing.")
  var printConfig = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "A width to recommend a rate for, trained or not: also what every tensor gets there.",
      valueName: "width"))
  var targetWidth: Int?

  @OptionGroup var axes: SettingOptions<Axes>

  @OptionGroup var configuration: SettingOptions<Configured>

  @OptionGroup var computing: ComputeOptions

  @OptionGroup var execution: SettingOptions<Execution>

  @OptionGroup(title: "Pictures") var pictures: PictureOptions

  @OptionGroup var output: OutputOptions

  private struct Output: Encodable {
    let out, page: String
    let interrupted: Bool
    let runs, diverged, failed: Int
    let report: TransferReport
    let warnings: [DiagnosticWarning]
  }

  enum Axes: SettingSelection { typealias Group = SweepSettings }
  /// Also of `train`, so that it makes a run of the sweep.
  enum Configured: SettingSelection {
    /// In the middle of the default widths.
    static let defaults = Configuration { $0.baseWidth = 192 }
  }
  enum Execution: SettingSelection {
    typealias Group = ExecutionSettings
    static let omitted: Set = ["keep", "save", "data-parallel", "gradient-exchange"]
  }

  /// Every setting that a file may give.
  static var settings: [SettingDeclaration] {
    Axes.offered + Configuration.declarations + Computing.offered + Execution.offered
      + OutputSettings.declarations
  }

  /// What was asked for, by the file and by the options given beside it.
  struct Request {
    let axes: SweepSettings
    let training: TrainingRequest
    let grid: SweepGrid
    /// Whether the result is printed as JSON.
    let json: Bool

    /// - Throws: everything that is wrong: `FileMistakes`, `InvalidOption`.
    init(_ command: SweepCommand) throws {
      var given =
        try command.file.map {
          GivenSettings(try SettingFile(path: $0, settings: SweepCommand.settings))
        } ?? GivenSettings()
      given.add(command.axes.given)
      given.add(command.configuration.given)
      given.add(command.computing.given)
      given.add(command.execution.given)
      var axes = given.settings(over: SweepSettings())
      given.note(axes.complete(given: Set(given.values.keys)))
      var training = try TrainingRequest(&given, defaults: Configured.defaults)
      axes.complete(for: training.configuration.network, given: Set(given.values.keys))
      let found = Result { () throws(SweepGridError) in try axes.grid() }
      if case .failure(let error) = found { given.note(error.problem) }
      try training.check(
        parametrizations: axes.parametrizations, optimizers: axes.optimizers, widths: axes.widths,
        overrides: (try? found.get())?.overrides ?? [[:]], &given)
      grid = try found.get()
      self.axes = axes
      json = command.output.json || given.settings(over: OutputSettings()).json
      if axes.objective == .wholeTrainLoss { training.configuration.evaluateTrain = true }
      self.training = training
    }

    /// The sweep as a file.
    var text: SettingFileText {
      SettingFileText(
        entries: SettingFileText.entries(Axes.self, axes)
          + SettingFileText.entries(Configured.self, training.configuration)
          + SettingFileText.entries(Computing.self, training.computing)
          + SettingFileText.entries(
            Execution.self, training.execution, without: ["out", "parametrization-file"]),
        parametrizations: training.configuration.parametrizations)
    }
  }

  func validate() throws {
    if let targetWidth { try Limits.check("--target-width", targetWidth) }
  }

  func run() throws {
    let commands = Gputrain.configuration.subcommands.compactMap { $0.configuration.commandName }
    if let file, !FileManager.default.fileExists(atPath: file),
      let meant = Spelling.closest(to: file, among: commands)
    {
      throw InvalidOption("'\(file)' is no command and no file; did you mean '\(meant)'?")
    }
    if let file, let hint = Self.hint(about: file) { throw InvalidOption("\(file): \(hint)") }
    let request = try Request(self)
    if targetWidth != nil, request.grid.axes.scale != nil {
      throw InvalidOption("--target-width needs a sweep over widths, not along --scale")
    }
    if let targetWidth {
      do {
        try request.training.configuration.throwProblems(
          optimizers: request.grid.optimizers, widths: [targetWidth])
      } catch {
        throw InvalidOption("--target-width: \(error)")
      }
    }
    if printConfig {
      Terminal.print(request.text.commented, terminator: "")
    } else {
      try train(request)
    }
  }

  /// What was meant by a file that is none of settings; nil where it may be one.
  private static func hint(about file: String) -> String? {
    if Double(file) != nil && !FileManager.default.fileExists(atPath: file) {
      return
        "expected a file of settings; values of one option stand between commas: --widths 64,128"
    }
    if file.hasSuffix(".csv") || file.hasSuffix(".csv.gz") {
      return
        "expected a file of settings, got a table; 'gputrain transfer \(file)' judges one of runs, "
        + "--data trains on one of rows"
    }
    return nil
  }

  private func train(_ request: Request) throws {
    let start = ContinuousClock.now
    let (training, grid, objective) = (request.training, request.grid, request.axes.objective)
    if let out = training.execution.out {
      try ReportFolder.sweep.requirePlace(in: URL(fileURLWithPath: out))
    }
    let team = try training.team(grid, objective: objective)
    let sweep = team.sweeps[0]
    try sweep.store.write(request.text.resolved, as: "sweep.yaml")
    try sweep.store.note(
      .current(
        on: sweep.compute.queue.device, grid: grid, objective: objective, targetWidth: targetWidth))
    let outcome = try team.runUntilInterrupted(training.execution)
    let rows = try sweep.summarize()
    let report = TransferReport(
      rows: rows, objective: objective, axes: grid.axes, target: targetWidth,
      data: sweep.experiment.facts.data)
    let warnings = try sweep.warnings()
    if request.json {
      Terminal.print(
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
      let paragraphs = warnings.map { "\n" + Colours.output.paint($0.paragraph, .unsure) + "\n" }
      Terminal.print(report.table(emphasis: Colours.output.paint) + paragraphs.joined())
      if targetWidth != nil { try printTensors(report, sweep.experiment) }
    }
    // After the table: whatever keeps the page from being written has not kept the answer.
    try ReportLeaving.leave(in: sweep.store.directory, pictures: pictures.files())
    let lacking = try sweep.missingBestWeights()
    if !lacking.isEmpty && !outcome.interrupted {
      Terminal.note(
        "trained before without --keep-best, so no weights of the best run of "
          + lacking.joined(separator: ", ") + "; another --out keeps them")
    }
    if training.execution.diagnose != nil && outcome.progress.reused > 0 {
      Terminal.note(
        "\(outcome.progress.reused) runs were there before and are not measured now; another --out "
          + "measures all")
    }
    sweep.compute.tellBuildTime()
    Terminal.detail(
      "files: sweep.json, sweep.yaml, summary.csv, \(outcome.progress.finished) new runs in runs/"
        + (training.execution.tensorboard ? ", events in tensorboard/" : "") + ", all under "
        + sweep.store.directory.path)
    let elapsed = ProgressDisplay.duration((ContinuousClock.now - start) / .seconds(1))
    Terminal.note(
      "\(rows.count) of \(grid.cells.count) runs in \(sweep.store.summaryFile.relativePath), \(elapsed)"
    )
    try outcome.exitWhereIncomplete(store: sweep.store)
  }
}

extension SweepCommand {
  /// What every tensor gets at the target width, with the rate that is recommended.
  private func printTensors(_ report: TransferReport, _ experiment: Experiment) throws {
    for group in report.groups {
      guard let use = group.recommendation, let optimizer = group.optimizer else { continue }
      Terminal.print("\(group.title): every tensor at width \(use.width)")
      Terminal.print(
        TensorScale.table(
          try TensorScale.all(
            of: experiment, under: group.parametrization, optimizer: optimizer, width: use.width,
            log2LearningRate: use.log2LearningRate)))
    }
  }
}

extension SweepTeam {
  /// Runs the sweep with its progress on standard error, until done, Ctrl-C or the end of the time.
  func runUntilInterrupted(_ execution: ExecutionSettings) throws -> Sweep.Outcome {
    Interrupt.begin(
      until: execution.deadline(from: Interrupt.start, in: ProcessInfo.processInfo.environment))
    let display = SweepDisplay()
    defer { display.end() }
    var announced = false
    let outcome = try run { progress in
      if !announced, progress.reused > 0 {
        Terminal.note(
          "\(progress.reused) of \(progress.total) runs are there already; running the others")
      }
      if !announced, progress.resumed > 0, progress.total > 1 {
        Terminal.note("\(progress.resumed) runs resume from where they were stopped")
      }
      if !announced, progress.unfit > 0 {
        Terminal.note(
          "\(progress.unfit) runs that a sweep was stopped in start over: they were kept on another "
            + "device or tuning, or measured otherwise")
      }
      if !announced, progress.lost > 0 {
        Terminal.note(
          "\(progress.lost) runs whose metrics.jsonl is gone or empty are made again")
      }
      announced = true
      display.show(progress)
      // Ranks that train a run together stop together.
      return !(sweeps[0].dataParallel?.isStopAgreed ?? Interrupt.isRequested)
    }
    for trouble in outcome.troubles {
      Terminal.problem("\(trouble); the other devices have done its runs")
    }
    if outcome.progress.elsewhere > 0 {
      Terminal.note("\(outcome.progress.elsewhere) runs were done by other processes meanwhile")
    }
    if outcome.progress.reused == outcome.progress.total {
      Terminal.note("all \(outcome.progress.total) runs are there already; nothing to run")
    }
    return outcome
  }
}

extension Sweep.Outcome {
  /// Ends the program with a status that tells scripts: that of a signal, 1 runs failed or device lost.
  func exitWhereIncomplete(store: RunStore) throws {
    if interrupted {
      Terminal.problem(
        (Interrupt.isOverTime ? "the time is over" : "stopped")
          + "; what is done is kept in \(store.directory.relativePath)"
          + (checkpointStep.map { ", and the runs under way at step \($0)" } ?? "")
          + ". The same command again runs the rest")
      throw Interrupt.exitCode
    }
    if isDeviceLost {
      Terminal.problem(
        "the device does not answer any more: \(failure ?? "no error was said"). "
          + "\(progress.reused + progress.finished) of \(progress.total) runs are kept in "
          + "\(store.directory.relativePath)"
          + (checkpointStep.map { ", and those under way at step \($0)" } ?? "")
          + (checkpoint.map { "; resume with: gputrain train --resume \($0.relativePath)" }
            ?? ". The same command again runs the rest"))
      throw ExitCode.failure
    }
    if let saveFailure {
      Terminal.problem("the weights are not saved: \(saveFailure)")
      throw ExitCode.failure
    }
    if let failure {
      Terminal.problem("\(progress.failed) runs failed: \(failure)")
      throw ExitCode.failure
    }
  }
}
