import ArgumentParser
import Experiments
import Foundation
import Spectral
import Training

/// `gputrain check`: does the scaling meet the spectral condition, and if not, which layer breaks it?
struct CheckCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Measure how norms and features grow with width or depth: which layer breaks it?",
    discussion: """
      Trains a few steps at several widths and seeds, and fits the exponent over width (or, with \
      --scale depth=…, over the number of blocks) of every \
      layer's ‖W‖, ‖ΔW‖ (spectral norms over √(fan-out/fan-in)), features and their change. They \
      stand beside what the rule in use predicts and what the spectral condition needs at these \
      very widths. Along depth the first, the middle and the last block are compared. The exit status is 0 where the condition is \
      met, 1 where it is not, 2 where that is unclear.

      Examples:
          gputrain check                              # spectral under Adam
          gputrain check --parametrization sp         # which layer breaks it?
          gputrain check --optimizer sgd --data my.csv --widths 128,256,512,1024
          gputrain check --coordinates                # with the coordinate check
          gputrain check --network residual-mlp --scale depth=4,8,16,32,64
          gputrain check --network transformer --scale depth=2,4,8,16
      """)

  @OptionGroup(title: "Check") var axes: Axes

  @OptionGroup var rate: SettingOptions<Rate>

  @OptionGroup var configuration: SettingOptions<Checked>

  @OptionGroup var computing: ComputeOptions

  @OptionGroup var execution: SettingOptions<MeasuringExecution>

  @OptionGroup(title: "Pictures") var pictures: PictureOptions

  @OptionGroup var output: OutputOptions

  /// What is compared.
  struct Axes: ParsableArguments {
    @Option(
      help: ArgumentHelp("\(Parametrizations.choice).", valueName: "name"),
      completion: Completions.parametrization)
    var parametrization = "spectral"

    @Option(help: ArgumentHelp("The update rule.", valueName: "name"))
    var optimizer: OptimizerKind = .adam

    @Option(
      help: ArgumentHelp(
        "At least two; with --scale one. (default: 64,128,256,512,1024, with --scale 64)",
        valueName: "list"))
    var widths: String?

    @Option(
      help: ArgumentHelp(
        "What grows in place of the width: depth=2,4,8,16, the blocks of residual-mlp and transformer.",
        valueName: "depth=list"))
    var scale: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Seeds 1 … N, at least 2.", valueName: "n"))
    var seeds = 4

    @Flag(help: "Show mean |h| by layer, step and size: the coordinate check.")
    var coordinates = false

    @Option(
      help: ArgumentHelp(
        "Where report.html and check.json go. (default: runs/<time>-check)", valueName: "directory"),
      completion: .directory)
    var out: String?
  }

  var failure: ExitCode { .unclear }

  enum Rate: SettingSelection {
    typealias Group = RateSettings
    static let helps = [
      "log2-lr":
        "log2 of the learning rate, small enough for one step to be linear. (default: -12 under "
        + "Adam, else -6)"
    ]
  }

  enum Checked: SettingSelection {
    static let defaults = Configuration { ($0.steps, $0.zeroReadout) = (3, false) }
    static let omitted = Configuration.ofWholeRuns
    static let helps = ["steps": "Steps to train; mean |h| is shown after each."]
  }

  func validate() throws {
    try Limits.check("--seeds", axes.seeds, atMost: 10_000)
    if axes.seeds < 2 {
      throw InvalidOption("--seeds must be at least 2 for an interval, got \(axes.seeds)")
    }
    let settings = try configuration.settings
    if try compared().scale == .depth {
      if settings.network == .mlp {
        throw InvalidOption("--scale depth=… is for --network residual-mlp and transformer")
      }
      if configuration.given["depth"] != nil {
        throw InvalidOption("give --depth or --scale depth=…, not both")
      }
    }
    let steps = settings.steps ?? 1
    try Limits.check("--steps", steps, atMost: 10_000)
    if steps < 2 && settings.zeroReadout {
      throw InvalidOption("--steps must be at least 2 where the readout starts at 0, got \(steps)")
    }
    if axes.out == "" { throw InvalidOption("--out: expected a directory, got an empty name") }
  }

  /// What grows, its values, and the width of all networks where that is not what grows.
  private func compared() throws -> (scale: NetworkScale, sizes: [Int], width: Int) {
    guard let text = axes.scale else {
      return (.width, try Limits.widths(axes.widths ?? "64,128,256,512,1024"), 1)
    }
    guard let axis = SweepAxis(setting: .string(text)),
      let scale = NetworkScale(rawValue: axis.name), scale != .width
    else { throw InvalidOption("--scale: expected depth=a,b,c, got '\(text)'") }
    let sizes: [Int]
    do {
      sizes = try axis.wholeValues(as: "scale")
    } catch {
      throw InvalidOption("--\(error)")
    }
    if sizes.count < 2 { throw InvalidOption("--scale: at least two depths, got '\(text)'") }
    guard let width = Int(axes.widths ?? "64") else {
      throw InvalidOption(
        "--widths: expected one width with --scale depth=…, got '\(axes.widths ?? "")'")
    }
    try Limits.check("--widths", width)
    return (scale, sizes, width)
  }

  func run() throws {
    let (scale, sizes, width) = try compared()
    let widths = scale == .width ? sizes : [width]
    let request = try TrainingRequest(
      configuration, computing, execution, parametrizations: [axes.parametrization],
      optimizer: axes.optimizer, widths: widths,
      overrides: scale == .width ? [[:]] : sizes.map { [scale.rawValue: .integer($0)] })
    let directory = try place()
    let (compute, data) = try request.prepare()
    let invocation = Invocation.current(on: compute.queue.device)
    let experiment = try request.experiment(data, compute)
    request.note(
      parametrizations: [axes.parametrization], optimizers: [axes.optimizer], widths: widths,
      experiment)
    let runs = try ScaleRuns(
      experiment: experiment, parametrization: axes.parametrization, optimizer: axes.optimizer,
      scale: scale, sizes: sizes, width: width,
      log2LearningRate: try rate.settings.log2LearningRate
        ?? (axes.optimizer.parametrizedFamily == .adam ? -12 : -6),
      seeds: (1...axes.seeds).map(UInt64.init), data: data, compute: compute,
      memory: request.memoryPlan(compute),
      directory: directory?.appendingPathComponent("training"))
    let display = ScaleDisplay(directory: directory)
    let report = try SpectralCheck(runs).run(progress: display.show)
    display.end()
    Terminal.print(
      output.json
        ? try jsonText(report)
        : report.table(coordinates: axes.coordinates, emphasis: Colours.output.paint),
      terminator: output.json ? "\n" : "")
    compute.tellBuildTime()
    if let directory {
      do {
        try CheckFile(report: report, experiment: experiment, invocation: invocation)
          .write(in: directory)
        try ReportLeaving.leave(in: directory, pictures: pictures.files())
      } catch let error as RunStoreError {
        // The answer is there, and the status is its.
        Terminal.problem("the report is not kept: \(error)")
      } catch let failure as PictureFiles.Failure {
        Terminal.problem("\(failure)")
      }
    } else {
      Terminal.note("nothing is kept")
    }
    if report.verdict != .pass { throw ExitCode(report.verdict) }
  }

  /// Where results go; nil where nothing was named and nothing can be written here.
  private func place() throws -> URL? {
    let directory = axes.out.map { URL(fileURLWithPath: $0) } ?? RunDirectory.new(named: "check")
    try ReportFolder.check.requirePlace(in: directory)
    do {
      _ = try RunStore(directory: directory.appendingPathComponent("training"))
      return directory
    } catch let error as RunStoreError where axes.out == nil {
      Terminal.note("nothing will be kept: \(error)")
      return nil
    }
  }
}
