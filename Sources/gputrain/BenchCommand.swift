import ArgumentParser
import Experiments
import Foundation
import OpenCL
import Tensors
import Training

extension TransposeMode: ExpressibleByArgument {}

/// `gputrain bench`: how fast one thing is on the chosen device.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time a training step, a sweep's step, a matrix product or spectral norms.",
    subcommands: [Step.self, Sweep.self, Product.self, Norm.self])

  /// What every bench takes.
  struct Options: ParsableArguments {
    @OptionGroup var computing: ComputeOptions

    @Option(
      parsing: .unconditional,
      help: ArgumentHelp("How long to time, after warming up.", valueName: "seconds"))
    var seconds = 2.0

    @OptionGroup var output: OutputOptions

    func validate() throws {
      try Limits.check("--seconds", positive: seconds)
    }

    /// Runs a bench and prints its figure.
    func print(_ bench: (Double, Compute) throws -> BenchFigure) throws {
      let figure = try bench(seconds, try computing.compute(fallsBack: false))
      Terminal.print(output.json ? try jsonText(figure) : Self.text(figure))
    }

    private static func text(_ figure: BenchFigure) -> String {
      let details = figure.details.sorted { $0.key < $1.key }.map { name, value in
        "  " + name.replacing("_", with: " ").padding(toLength: 26, withPad: " ", startingAt: 0)
          + number(value)
      }
      return
        ([
          figure.what, "on \(figure.device), \(figure.gemm)",
          "  median                    \(number(figure.milliseconds)) ms, from "
            + "\(number(figure.leastMilliseconds)) to \(number(figure.mostMilliseconds))",
          "  timed                     \(figure.blocks) blocks of \(figure.repetitions)",
          "  products                  \(number(figure.gflops)) GFLOP/s, \(figure.precision)",
          "  memory                    \(number(figure.gigabytesPerSecond)) GB/s",
        ] + details).joined(separator: "\n")
    }

    /// Four significant digits, or the whole number.
    private static func number(_ value: Double) -> String {
      value >= 1000 && value == value.rounded() && value < 1e15
        ? "\(Int(value))" : String(format: "%.4g", value)
    }
  }

  /// The settings that decide how long a step takes.
  enum Benched: SettingSelection {
    static let defaults = Configuration { ($0.depth, $0.zeroReadout) = (2, false) }
    static let omitted = Configuration.names.subtracting([
      "network", "depth", "context", "head-size", "heads", "positions", "qk-norm", "gated", "tied",
      "norm", "expansion", "hidden-pattern", "bias", "activation", "loss",
      "batch-size", "micro-batch", "group", "clip-norm", "weight-decay",
      "spectral-sphere", "spectral-cap", "spectral-clip",
    ])
  }

  typealias Step = NetworkBench<OneNetwork>
  typealias Sweep = NetworkBench<ManyNetworks>

  /// `bench step` and `bench sweep`, which differ in the sizes they begin with.
  struct NetworkBench<Defaults: NetworkBenchDefaults>: PrintingCommand {
    static var configuration: CommandConfiguration { Defaults.configuration }

    @Option(
      parsing: .unconditional,
      help: ArgumentHelp("Inputs, of transformer tokens of its vocabulary.", valueName: "count"))
    var inputs = Defaults.inputs

    @Option(parsing: .unconditional, help: ArgumentHelp("Hidden width.", valueName: "width"))
    var width = Defaults.width

    @Option(
      parsing: .unconditional,
      help: ArgumentHelp("Networks that train together.", valueName: "count"))
    var replicas = Defaults.replicas

    @Option(help: ArgumentHelp("The update rule.", valueName: "name"))
    var optimizer: OptimizerKind = .adam

    @OptionGroup var network: SettingOptions<Benched>
    @OptionGroup var options: Options

    var output: OutputOptions { options.output }

    func run() throws {
      for (name, value) in [("--inputs", inputs), ("--width", width), ("--replicas", replicas)] {
        try Limits.check(name, value)
      }
      var settings = try network.settings
      settings.absolute = true
      try settings.throwProblems(optimizers: [optimizer], widths: [width])
      try options.print(
        StepBench(
          settings, inputs: inputs, width: width, optimizer: optimizer, replicas: replicas
        ).run)
    }
  }

  struct Product: PrintingCommand {
    static let configuration = CommandConfiguration(
      commandName: "gemm", abstract: "One matrix product, C [m, n] of inner length k.")

    @Option(
      name: .customLong("transpose"),
      help: ArgumentHelp(
        "nn: A B; nt: A Bᵀ, a layer's forward product; tn: Aᵀ B, a weight's gradient.",
        valueName: "mode"))
    var mode: TransposeMode = .nt

    @Option(name: .long, parsing: .unconditional, help: ArgumentHelp("Rows of C.", valueName: "m"))
    var m = 64

    @Option(
      name: .long, parsing: .unconditional, help: ArgumentHelp("Columns of C.", valueName: "n"))
    var n = 4096

    @Option(
      name: .long, parsing: .unconditional, help: ArgumentHelp("Inner length.", valueName: "k"))
    var k = 4096

    @Option(
      parsing: .unconditional, help: ArgumentHelp("Products of one launch.", valueName: "count"))
    var replicas = 1

    @OptionGroup var options: Options

    var output: OutputOptions { options.output }

    func run() throws {
      for (name, value) in [("--m", m), ("--n", n), ("--k", k), ("--replicas", replicas)] {
        try Limits.check(name, value)
      }
      try options.print(
        ProductBench(mode: mode, m: m, n: n, k: k, replicas: replicas).run)
    }
  }

  struct Norm: PrintingCommand {
    static let configuration = CommandConfiguration(
      commandName: "spectral", abstract: "The spectral norm of a random matrix, to 1e-3.")

    @Option(
      parsing: .unconditional,
      help: ArgumentHelp("Rows: a layer's width, its fan-out.", valueName: "width"))
    var width = 2048

    @Option(
      parsing: .unconditional,
      help: ArgumentHelp(
        "Columns: a layer's inputs, its fan-in. (default: the width)", valueName: "count"))
    var inputs: Int?

    @Option(
      parsing: .unconditional, help: ArgumentHelp("Matrices of one call.", valueName: "count"))
    var replicas = 1

    @OptionGroup var options: Options

    var output: OutputOptions { options.output }

    func run() throws {
      let columns = inputs ?? width
      for (name, value) in [("--width", width), ("--inputs", columns), ("--replicas", replicas)] {
        try Limits.check(name, value)
      }
      try options.print(NormBench(rows: width, columns: columns, replicas: replicas).run)
    }
  }
}

/// What a bench of networks times where nothing else is asked for.
protocol NetworkBenchDefaults {
  static var configuration: CommandConfiguration { get }
  static var inputs: Int { get }
  static var width: Int { get }
  static var replicas: Int { get }
}

/// `bench step`.
enum OneNetwork: NetworkBenchDefaults {
  static let configuration = CommandConfiguration(
    commandName: "step", abstract: "One training step: gather, forward, backward, update.")
  static let (inputs, width, replicas) = (3072, 1024, 1)
}

/// `bench sweep`.
enum ManyNetworks: NetworkBenchDefaults {
  static let configuration = CommandConfiguration(
    commandName: "sweep", abstract: "One step of many small networks that train together.")
  static let (inputs, width, replicas) = (64, 128, 32)
}
