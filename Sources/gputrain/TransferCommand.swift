import ArgumentParser
import Experiments
import Foundation

extension ResultsTable.RateForm: ExpressibleByArgument {}

/// `gputrain transfer`: does the best learning rate carry over, in results that were made elsewhere?
struct TransferCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "transfer",
    abstract: "Judge a table of anyone's runs: does the best learning rate carry over?",
    discussion: """
      The analysis of sweep for a CSV table of runs, whatever trained them: a row a run, with a \
      column for the width (or depth, or any whole number that grows), the learning rate, the loss \
      and the seed. Usual names are recognised and said, exports of Weights & Biases and pandas \
      are read as they come; of runs with a row a step the last step counts; nan is a run that \
      diverged. A table of best rates, one row a width, gives the drift alone. --out leaves a page \
      with curves and what its words mean. The exit status is 0 whatever the verdict, 64 for a table \
      that cannot be read.

      Examples:
          gputrain transfer results.csv
          gputrain transfer wandb.csv --loss-column "eval/loss" --scale-column config.d_model
          gputrain transfer results.csv --json
          gputrain transfer results.csv --out results --pictures svg
      """)

  @Argument(
    help: ArgumentHelp("The table, .csv or .csv.gz.", valueName: "file"),
    completion: .file(extensions: ["csv", "gz"]))
  var file: String

  @Option(help: ArgumentHelp("What grows.", valueName: "name"))
  var scaleColumn: String?

  @Option(help: ArgumentHelp("The learning rate.", valueName: "name"))
  var rateColumn: String?

  @Option(help: ArgumentHelp("The loss, the lower the better.", valueName: "name"))
  var lossColumn: String?

  @Option(help: ArgumentHelp("The seed.", valueName: "name"))
  var seedColumn: String?

  @Option(help: ArgumentHelp("The step, of runs with several rows.", valueName: "name"))
  var stepColumn: String?

  @Option(
    help: ArgumentHelp(
      "What tells comparisons apart, such as the parametrization; one verdict each.",
      valueName: "name"))
  var groupColumn: String?

  @Option(
    help: ArgumentHelp(
      "How learning rates are written. (values: plain, log2, log10; default: by the column's name)",
      valueName: "form"))
  var rates: ResultsTable.RateForm?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("A width to recommend a rate for, trained or not.", valueName: "width"))
  var targetWidth: Int?

  @Option(
    help: ArgumentHelp(
      "Where report.html goes, the page of it; without it nothing is written.",
      valueName: "directory"), completion: .directory)
  var out: String?

  @OptionGroup(title: "Pictures") var pictures: PictureOptions

  @OptionGroup var output: OutputOptions

  /// One comparison for scripts; what is not known is null.
  private struct Output: Encodable {
    let name: String
    let verdict: String
    let text: String
    let octavesPerDoubling: Double?
    let interval: [Double]?
    let deviation: Double?
    let optima: [Optimum]
    let regret: Double?
    let regretInterval: [Double?]?
    let seeds: Int
    let recommendation: Recommended?

    /// The rate for the widest width, or the one asked for.
    struct Recommended: Encodable {
      let scale: Int
      let log2LearningRate: Double
      let interval: [Double]?

      enum CodingKeys: String, CodingKey {
        case scale, interval
        case log2LearningRate = "log2_learning_rate"
      }
    }

    struct Optimum: Encodable {
      let scale: Int
      let log2LearningRate: Double?
      let loss: Double?

      enum CodingKeys: String, CodingKey {
        case scale, loss
        case log2LearningRate = "log2_learning_rate"
      }

      func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(scale, forKey: .scale)
        try container.encode(log2LearningRate, forKey: .log2LearningRate)
        try container.encode(loss, forKey: .loss)
      }
    }

    enum CodingKeys: String, CodingKey {
      case name, verdict, text, interval, deviation, optima, regret, seeds, recommendation
      case octavesPerDoubling = "octaves_per_doubling"
      case regretInterval = "regret_interval"
    }

    init(_ group: TransferGroup) {
      name = group.parametrization
      verdict = group.verdict.outcome.rawValue
      text = group.verdict.text
      octavesPerDoubling = group.drift?.octavesPerDoubling
      interval = group.drift?.interval.map { [$0.lower, $0.upper] }
      deviation = group.deviation?.octaves
      optima = group.widths.map {
        Optimum(scale: $0.width, log2LearningRate: $0.log2LearningRate, loss: $0.loss)
      }
      regret = group.regret?.relative
      regretInterval = group.regret?.interval.map { [$0.lower, $0.upper] }
      seeds = group.seeds.count
      recommendation = group.recommendation.map { recommendation in
        Recommended(
          scale: recommendation.width, log2LearningRate: recommendation.log2LearningRate,
          interval: recommendation.interval.map { [$0.lower, $0.upper] })
      }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(verdict, forKey: .verdict)
      try container.encode(text, forKey: .text)
      try container.encode(octavesPerDoubling, forKey: .octavesPerDoubling)
      try container.encode(interval, forKey: .interval)
      try container.encode(deviation, forKey: .deviation)
      try container.encode(optima, forKey: .optima)
      try container.encode(regret, forKey: .regret)
      try container.encode(regretInterval, forKey: .regretInterval)
      try container.encode(seeds, forKey: .seeds)
      try container.encode(recommendation, forKey: .recommendation)
    }
  }

  func validate() throws {
    if let targetWidth { try Limits.check("--target-width", targetWidth) }
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: file, isDirectory: &isDirectory),
      isDirectory.boolValue
    {
      throw InvalidOption(
        "\(file): expected a table, a CSV file, got a directory; of a sweep's directory 'gputrain report "
          + "\(file)' says what was found")
    }
    if out == "" { throw InvalidOption("--out: expected a directory, got an empty name") }
    if out == nil && pictures.pictures != nil {
      throw InvalidOption("--pictures are those of a page: give --out too, its directory")
    }
  }

  func run() throws {
    let given: [(ResultsTable.Role, String?)] = [
      (.scale, scaleColumn), (.rate, rateColumn), (.loss, lossColumn), (.seed, seedColumn),
      (.step, stepColumn), (.group, groupColumn),
    ]
    let columns = Dictionary(
      given.compactMap { role, name in name.map { (role, $0) } }, uniquingKeysWith: { $1 })
    let table: ResultsTable
    do {
      table = try ResultsTable(
        path: file, columns: columns, rates: rates, target: targetWidth)
    } catch {
      throw InvalidOption("\(error)")
    }
    for note in table.notes { Terminal.note(note) }
    if output.json {
      let outputs = table.report.groups.map(Output.init)
      Terminal.print(
        outputs.count == 1 ? try jsonText(outputs[0]) : try jsonText(["groups": outputs]))
    } else {
      Terminal.print(table.report.table(emphasis: Colours.output.paint), terminator: "")
    }
    // After the verdict: whatever keeps the page from being written has not kept the answer.
    if let page = out.map({ ReportLeaving.page(in: URL(fileURLWithPath: $0)) }) {
      try ReportFolder.requireNone(in: page.deletingLastPathComponent())
      let written = try ReportWriter(pictures: try pictures.files()).write(
        table, command: CommandLine.arguments, version: Build.version, to: page)
      ReportLeaving.tell(written, page)
    }
  }
}
