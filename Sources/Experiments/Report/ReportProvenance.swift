import Foundation
import Training

/// How results came about: command, device, versions, settings, and where the runs lie.
struct ReportProvenance {
  /// The commands, oldest first.
  let history: [Invocation]
  let experiment: Experiment
  /// The runs; none where they are no directories of their own.
  let rows: [SummaryRow]
  /// Where results lie.
  let directory: URL
  /// Where the page lies.
  let page: URL

  /// Runs that the page lists; more make it slow to open.
  private static let mostRows = 2000

  /// What the section holds.
  var content: [HTMLNode] {
    commands + [
      .tag("h3", "Device and versions"),
      ReportParts.facts(machine.map { [$0.0, $0.1] }, label: "Device and versions"),
      .tag("h3", "Settings"),
      ReportParts.facts(settingFacts.map { [$0.0, $0.1] }, label: "Settings"),
      ReportParts.details(
        "Every setting as it is stored",
        [ReportParts.facts(stored, label: "Every setting")]),
    ] + runs
  }

  private var commands: [HTMLNode] {
    guard !history.isEmpty else {
      return [ReportParts.paragraph("The command was not kept: an earlier version ran it.")]
    }
    let format = ISO8601DateFormatter()
    return [
      .tag("h3", history.count == 1 ? "Command" : "Commands, in their order")
    ]
      + history.flatMap { entry -> [HTMLNode] in
        [
          .tag("pre", [.tag("code", entry.commandLine)]),
          ReportParts.paragraph(
            "begun \(format.string(from: entry.began)) in \(entry.directory)", class: "soft"),
        ]
      }
  }

  private var machine: [(String, String)] {
    let devices = history.map(\.hardware).uniqued()
    var facts: [(String, String)] = devices.map { device in
      (
        "device",
        "\(device.name), \(device.kind), \(device.computeUnits) "
          + "\(device.kind == "cpu" ? "cores" : "compute units"), "
          + "\(String(format: "%.1f", Double(device.memory) / 1e9)) GB, \(device.vendor)"
      )
    }
    facts += devices.map {
      ("OpenCL", "\($0.version), platform \($0.platform), driver \($0.driver)")
    }
    let named = Set(devices.map(\.name))
    facts += rows.map(\.result.device).uniqued().filter { !named.contains($0) }
      .map { ("device", $0) }
    facts.append(
      (
        "matrix products",
        experiment.facts.gemm
          + (experiment.facts.precision == .fp32 ? "" : ", \(experiment.facts.precision)")
      ))
    facts += history.map(\.system).uniqued().map { ("system", $0) }
    facts += history.map { entry in
      let built = entry.built.map { "built \(ISO8601DateFormatter().string(from: $0))" }
      return [entry.version, built].compactMap { $0 }.joined(separator: ", ")
    }.uniqued().filter { !$0.isEmpty }.map { ("gputrain", $0) }
    if !rows.isEmpty {
      let seconds = rows.reduce(0) { $0 + $1.result.seconds }
      facts.append(
        (
          "time",
          "\(DecimalText.fixed(seconds, digits: seconds < 100 ? 1 : 0)) s of training in "
            + ReportParts.count(rows.count, "run")
        ))
    }
    return facts
  }

  private var settingFacts: [(String, String)] {
    let (settings, data) = (experiment.settings, experiment.facts.data)
    let length =
      switch settings.length {
      case .epochs(let count): ReportParts.count(count, "epoch")
      case .steps(let count): ReportParts.count(count, "step")
      }
    return [
      (
        "data",
        "\(data.name): \(data.countsInWords), \(data.outputsInWords); \(data.normalization)"
      ),
      (
        "network",
        [
          settings.networkInWords, settings.activationInWords,
          settings.bias ? "with biases" : "no biases",
          settings.zeroReadout && !settings.isTied
            ? "readout starts at 0" : "readout starts at random",
        ].joined(separator: ", ")
      ),
      (
        "training",
        "\(length) of \(settings.batchInWords), \(settings.loss.rawValue), rate "
          + settings.schedule.inWords
          + (settings.weightDecay.strength > 0
            ? ", weight decay \(settings.weightDecay.setting.optionText)" : "")
          + (settings.constraint.map { ", \($0.words)" } ?? "")
      ),
      (
        "base width",
        settings.absolute
          ? "none: the rules as such"
          : "\(settings.baseWidth): there every parametrization equals the standard one"
      ),
    ] + axisFacts
  }

  /// Settings that runs have their own values of.
  private var axisFacts: [(String, String)] {
    let names = Set(rows.flatMap { ($0.overrides ?? [:]).keys }).sorted()
    return names.map { name in
      let values = rows.compactMap { $0.overrides?[name] }.uniqued()
        .sorted { ($0.quantity ?? 0) < ($1.quantity ?? 0) }
      return (name, "of each run its own: \(ReportParts.list(values.map(\.optionText)))")
    }
  }

  private var stored: [[String]] {
    experiment.leaves.sorted { $0.key < $1.key }.map { [$0.key, $0.value.optionText] }
  }

  private var runs: [HTMLNode] {
    guard !rows.isEmpty else { return [] }
    func link(_ path: String, _ text: String) -> HTMLNode {
      .link(
        ReportParts.address(of: directory.appendingPathComponent(path), from: page), text)
    }
    let shown = rows.prefix(Self.mostRows)
    let folder = ReportParts.address(of: directory.appendingPathComponent("runs"), from: page)
    var cells: [String: (node: HTMLNode, width: Double)] = [:]
    func cell(_ text: String) -> (node: HTMLNode, width: Double) {
      if let known = cells[text] { return known }
      let made = ReportParts.cell(text)
      cells[text] = made
      return made
    }
    let names = Set(rows.flatMap { ($0.overrides ?? [:]).keys }).sorted()
    let table = ReportParts.table(
      ["run", "parametrization", "optimizer", "width"] + names
        + ["rate", "seed", "outcome", "loss"],
      shown.map { row in
        [(.link("\(folder)/\(row.run)", row.run), PlotText(row.run).width(size: 1))]
          + [
            [row.parametrization, row.optimizer.rawValue, "\(row.width)"],
            names.map { row.overrides?[$0]?.optionText ?? "" },
            [
              ReportParts.power(row.log2LearningRate, digits: 6), "\(row.seed)",
              row.result.outcome.rawValue, ReportText.loss(row.result.trainLoss),
            ],
          ].joined().map(cell)
      }, label: "Runs"
    ).with("data-rows", "\(shown.count)")
    let rest = rows.count - shown.count
    return [
      .tag("h3", "Runs"),
      .tag(
        "p",
        [
          .text("All results: "), link("summary.csv", "summary.csv"), .text("; settings: "),
          link("sweep.json", "sweep.json"), .text("; the directory of every run:"),
        ]),
      ReportParts.details(ReportParts.count(rows.count, "run"), [table]),
    ] + (rest > 0 ? [ReportParts.paragraph("\(rest) more are in summary.csv.")] : [])
  }
}
