import ArgumentParser
import Experiments
import Foundation
import Spectral
import Training

/// `gputrain figures`: the two figures of the paper, with our settings.
struct FiguresCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "figures",
    abstract: "Draw the paper's two figures: low-rank updates; who learns features as width grows.",
    discussion: """
      First, the singular values of a hidden layer's gradient at the start for growing batches, \
      and its stable rank. Second, networks trained at growing widths: how far the second layer \
      and its features have moved, relative to their start, with fitted exponents beside the \
      predicted ones. Of a Transformer the first figure is of the middle block's perceptron, and the \
      second of the embedding, the middle block's matrices and attention, and the readout. The paper's own settings are not known to us; the defaults are ours. \
      The data is written as CSV, the figures into report.html, and with --pictures as files.

      Examples:
          gputrain figures                            # built-in data, into figures/
          gputrain figures --data cifar-10-batches-bin/data_batch_1.bin --seeds 4
          gputrain figures --network transformer --optimizer adam --log2-lr -9
      """)

  @OptionGroup(title: "Figures") var axes: Axes

  @OptionGroup var rate: SettingOptions<Rate>

  @OptionGroup var configuration: SettingOptions<Drawn>

  @OptionGroup var computing: ComputeOptions

  @OptionGroup var execution: SettingOptions<MeasuringExecution>

  @OptionGroup(title: "Pictures") var pictures: PictureOptions

  @OptionGroup var output: OutputOptions

  private struct Output: Encodable {
    let spectrum: GradientSpectrum
    let learning: FeatureLearning
    let pictures: [String]
  }

  /// What is drawn.
  struct Axes: ParsableArguments {
    @Option(
      help: ArgumentHelp("Parametrizations of the second figure.", valueName: "list"),
      completion: Completions.parametrizations)
    var parametrization = "mup,ntp"

    @Option(help: ArgumentHelp("The update rule.", valueName: "name"))
    var optimizer: OptimizerKind = .sgd

    @Option(
      help: ArgumentHelp(
        "Widths of the second figure. (default: 64,128,256,512,1024,2048, of transformer 32,64,128,256)",
        valueName: "list"))
    var widths: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Seeds 1 … N, at least 2.", valueName: "n"))
    var seeds = 3

    @Option(
      parsing: .unconditional,
      help: ArgumentHelp(
        "Width of the first figure's network. (default: 512, of transformer 128)",
        valueName: "width"))
    var spectrumWidth: Int?

    @Option(
      help: ArgumentHelp(
        "Batch sizes of the first figure, of transformer sequences. (default: "
          + "1,4,16,64,256,1024,4096, of transformer 1,4,16,64)", valueName: "list"))
    var batchSizes: String?

    @Option(
      help: ArgumentHelp("Where data and report.html go.", valueName: "directory"),
      completion: .directory)
    var out = "figures"
  }

  enum Rate: SettingSelection {
    typealias Group = RateSettings
    static let defaults = RateSettings { $0.log2LearningRate = -7 }
    static let helps = ["log2-lr": "log2 of the second figure's learning rate."]
  }

  enum Drawn: SettingSelection {
    static let defaults = Configuration {
      ($0.depth, $0.steps, $0.zeroReadout) = (2, 100, false)
    }
    static let omitted = Configuration.ofWholeRuns
  }

  func validate() throws {
    try Limits.check("--seeds", axes.seeds, atMost: 10_000)
    if axes.seeds < 2 {
      throw InvalidOption("--seeds must be at least 2 for an interval, got \(axes.seeds)")
    }
    let settings = try configuration.settings
    if let width = axes.spectrumWidth {
      try Limits.check("--spectrum-width", width, atMost: 8192)
    }
    if settings.depth < 2 && settings.network != .transformer {
      throw InvalidOption("--depth must be at least 2 for a hidden matrix, got \(settings.depth)")
    }
    if settings.zeroReadout {
      throw InvalidOption("--zero-readout leaves the hidden layers without a gradient at the start")
    }
    if settings.zeroProjections {
      throw InvalidOption("--zero-projections leaves the blocks without a gradient at the start")
    }
    if settings.zeroQueries {
      throw InvalidOption(
        "--zero-queries leaves queries without a size that their change is relative to")
    }
    if axes.out.isEmpty { throw InvalidOption("--out: expected a directory, got an empty name") }
  }

  func run() throws {
    let isText = try configuration.settings.network == .transformer
    let widthList = axes.widths ?? (isText ? "32,64,128,256" : "64,128,256,512,1024,2048")
    let widths = try Limits.widths(widthList)
    let log2LearningRate = try rate.settings.log2LearningRate ?? 0
    let batches: [Int] = try SweepGrid.parseList(
      axes.batchSizes ?? (isText ? "1,4,16,64" : "1,4,16,64,256,1024,4096"), what: "--batch-sizes",
      "integers a,b,c"
    ).uniqued()
    for batch in batches { try Limits.check("--batch-sizes", batch) }
    let names: [String] = try SweepGrid.parseList(
      axes.parametrization, what: "--parametrization", "names a,b,c"
    ).uniqued()
    let request = try TrainingRequest(
      configuration, computing, execution, parametrizations: names, optimizer: axes.optimizer,
      widths: widths)
    try ReportFolder.figures.requirePlace(in: URL(fileURLWithPath: axes.out))
    let figures = try PaperFigures(directory: URL(fileURLWithPath: axes.out))
    let (compute, data) = try request.prepare()
    let invocation = Invocation.current(on: compute.queue.device)
    let experiment = try request.experiment(data, compute)
    if let least = batches.min(), least > experiment.trainRows {
      throw InvalidOption(
        "--batch-sizes: all are above the \(experiment.trainRows) training rows")
    }
    request.note(
      parametrizations: names, optimizers: [axes.optimizer], widths: widths, experiment)
    let spectrum = try GradientSpectrum(
      experiment: experiment, parametrization: names[0], optimizer: axes.optimizer,
      width: axes.spectrumWidth ?? (isText ? 128 : 512), batchSizes: batches, data: data,
      compute: compute)
    try figures.write(spectrum)
    let display = ScaleDisplay(directory: figures.directory)
    let learning = try FeatureLearning(
      names.map {
        try ScaleRuns(
          experiment: experiment, parametrization: $0, optimizer: axes.optimizer, sizes: widths,
          log2LearningRate: log2LearningRate, seeds: (1...axes.seeds).map(UInt64.init),
          data: data, compute: compute, memory: request.memoryPlan(compute),
          directory: figures.directory.appendingPathComponent("training"))
      }, progress: display.show)
    display.end()
    try figures.write(learning)
    if !output.json { try show(spectrum, learning, widths: widthList) }
    if !learning.hasPoints {
      Terminal.problem(
        "networks diverge at the rate 2^\(log2LearningRate); give --log2-lr a lower one")
    }
    try FiguresFile(
      spectrum: spectrum, learning: learning, experiment: experiment, invocation: invocation
    ).write(in: figures.directory)
    let files = try ReportLeaving.leave(in: figures.directory, pictures: pictures.files())
    if output.json {
      Terminal.print(
        try jsonText(Output(spectrum: spectrum, learning: learning, pictures: files)))
    }
    compute.tellBuildTime()
    Terminal.note("data in \(figures.directory.relativePath)")
  }

  private func show(
    _ spectrum: GradientSpectrum, _ learning: FeatureLearning, widths: String
  ) throws {
    Terminal.print(
      "\(spectrum.layer ?? "layer 2"), \(spectrum.shape[0])×\(spectrum.shape[1]), at the start")
    for entry in spectrum.spectra {
      let name = entry.batchSize.map { "gradient, batch \($0)" } ?? "weight"
      Terminal.print(
        String(
          format: "  %@ stable rank %6.2f",
          name.padding(toLength: 22, withPad: " ", startingAt: 0), entry.stableRank))
    }
    Terminal.print("\nafter \(try configuration.settings.steps ?? 1) steps, widths \(widths)")
    Terminal.print(learning.table(), terminator: "")
  }
}
