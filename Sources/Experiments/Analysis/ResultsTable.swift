import Foundation

/// A table of runs that were made elsewhere: a row a run, with columns for what grew, the learning rate,
/// the loss and perhaps the seed.
///
/// Exports of Weights & Biases and of pandas are read as they come. Of runs with a row a step, the last
/// step counts. Rows that give one learning rate a scale, with or without a loss, are taken for the best
/// rates, of which the drift is known and nothing else.
public struct ResultsTable {
  /// What a column can be.
  public enum Role: String, CaseIterable, Sendable {
    /// What grows: a width, or any other whole number.
    case scale
    /// The learning rate.
    case rate
    /// The loss.
    case loss
    /// The seed.
    case seed
    /// The step that a row is of, where a run has several rows.
    case step
    /// What tells comparisons apart, such as a parametrization.
    case group
    /// What tells runs apart that have no seed.
    case run

    /// Usual names, without case, signs and what is before a dot or slash.
    var usualNames: [String] {
      switch self {
      case .scale:
        Self.widthNames
          + [
            "dim", "depth", "nlayer", "nlayers", "numlayers", "numhiddenlayers", "batchsize",
          ]
      case .rate:
        [
          "learningrate", "lr", "eta", "maxlr", "peaklr", "baselr", "log2learningrate", "log2lr",
          "log10learningrate", "log10lr", "bestlr", "bestlearningrate",
        ]
      case .loss:
        [
          "loss", "trainloss", "trainingloss", "valloss", "validationloss", "evalloss", "testloss",
          "finalloss", "bestloss",
        ]
      case .seed: ["seed", "randomseed", "rngseed", "initseed"]
      case .step: ["step", "globalstep", "iteration", "iter", "epoch", "epochs"]
      case .group: ["parametrization", "parameterization", "method", "scheme", "rule"]
      case .run: ["run", "runid", "runname", "name", "id"]
      }
    }

    /// Those names of a scale that say that it is a width.
    static let widthNames = [
      "width", "hiddensize", "hiddendim", "hiddenwidth", "dmodel", "nembd", "embeddim",
      "modelwidth", "modeldim",
    ]

    var title: String {
      switch self {
      case .rate: "learning rate"
      default: rawValue
      }
    }
  }

  /// How learning rates are written.
  public enum RateForm: String, CaseIterable, Sendable {
    /// As they are: 0.001.
    case plain
    /// As their log2.
    case log2
    /// As their log10.
    case log10

    /// For a reader of a page.
    var inWords: String { self == .plain ? "they are" : rawValue }
  }

  /// The name of what grows, as the table has it.
  public let scaleName: String
  /// The analysis, a group a comparison in the order of their first rows.
  public let report: TransferReport
  /// How the table was read, a sentence each.
  public let notes: [String]
  /// The losses of each group; none of best rates alone.
  let losses: [TransferReport.Losses]
  /// What was read as what.
  let reading: Reading

  /// Reads a CSV file.
  ///
  /// - columns: by name; those that are missing are found by usual names. target: the width to recommend
  ///   a rate for, by default the widest.
  /// - rates: how rates are written; nil: as the column's name begins, log2 or log10, else plain.
  /// - Throws: `ResultsTableError` or `DataError` for what is no such table, with the row.
  public init(
    path: String, columns: [Role: String] = [:], rates: RateForm? = nil,
    target: Int? = nil
  ) throws {
    try self.init(
      DataFile.readInflating(path, expected: "a table of results"), path: path, columns: columns,
      rates: rates, target: target)
  }

  init(
    _ bytes: [UInt8], path: String, columns: [Role: String] = [:], rates: RateForm? = nil,
    target: Int? = nil
  ) throws {
    let table = try Table(bytes, path: path)
    var places = try Columns(table, named: columns)
    let writing = RateWriting(table.header[places.rate])
    guard let form = rates ?? writing.form else {
      throw ResultsTableError.unclearRates(path: path, name: table.header[places.rate])
    }
    let rowNumbers = try table.settleRuns(&places, named: columns)
    let runs = try table.runs(places, form, isNegated: writing.isNegated)
    let title = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    let names = runs.map { $0.group ?? title }.uniqued()
    let scale = Columns.bare(table.header[places.scale])
    let isWidth = Role.widthNames.contains(Columns.key(scale))
    let axes = SweepAxes(scale: isWidth ? nil : scale)
    let loss = places.loss.map { Columns.bare(table.header[$0]) } ?? "loss"
    scaleName = scale
    reading = places.reading(of: table, form, runs: runs.count)
    var notes = [reading.note] + table.notes
    notes += [
      rowNumbers.map { "\($0) numbers the rows and tells no runs apart" },
      writing.isNegated ? "\(table.header[places.rate]): read with its sign turned" : nil,
      table.stepNote(runs, places), table.stateNote(runs, places),
    ].compactMap(\.self)
    if let optima = Self.optima(runs, hasLosses: places.loss != nil) {
      let seeds = Set(runs.map(\.seed)).count
      notes.append(
        "one learning rate a \(scale)\(seeds > 1 ? " and seed" : ""): taken for the best ones"
          + (seeds > 1 ? ", of which the means over \(seeds) seeds count" : ""))
      losses = names.map { _ in [:] }
      report = TransferReport(
        optima: names.map { name in
          (
            name,
            optima.filter { ($0.group ?? title) == name }.map {
              (scale: $0.scale, log2LearningRate: $0.rate, loss: $0.loss)
            }
          )
        }, loss: loss, axes: axes, target: target)
    } else {
      guard places.loss != nil else { throw Columns.missing(.loss, table) }
      losses = try names.map { name in
        try table.losses(runs.filter { ($0.group ?? title) == name }, places)
      }
      report = TransferReport(
        results: zip(names, losses).map { (name: $0, losses: $1) }, loss: loss, axes: axes,
        target: target)
      if places.seed == nil && report.groups.contains(where: { $0.seeds.count > 1 }) {
        notes.append(
          "no seeds: each \(places.run.map { table.header[$0] } ?? "row") is taken for a run of its own, "
            + "and those of one \(scale) and rate for seeds, numbered in their order")
      } else if places.seed == nil {
        notes.append("no seeds: one seed gives no interval")
      }
    }
    self.notes = notes
  }

  /// The best rates, where the runs are these: one a scale in every group, and more than one scale; without
  /// losses also one a scale and seed, with the same seeds at every scale, of which the mean of log2 counts.
  private static func optima(_ runs: [Run], hasLosses: Bool) -> [Run]? {
    let cells = Dictionary(grouping: runs) { "\($0.scale) \($0.group ?? "")" }
    guard cells.count > 1 else { return nil }
    if cells.values.allSatisfy({ $0.count == 1 }) { return runs }
    let seeds = cells.values.map { $0.compactMap(\.seed).sorted() }
    guard !hasLosses, Set(seeds).count == 1, Set(seeds[0]).count == seeds[0].count,
      cells.values.allSatisfy({ $0.count == seeds[0].count })
    else { return nil }
    return cells.values.map { held in
      let first = held[0]
      return Run(
        scale: first.scale, rate: held.reduce(0) { $0 + $1.rate } / Double(held.count), loss: nil,
        seed: nil, group: first.group, line: first.line, step: nil)
    }.sorted { $0.line < $1.line }
  }

  /// A run as the table has it.
  struct Run {
    let scale: Int
    /// log2.
    let rate: Double
    /// +∞ where it diverged; nil where there is none.
    let loss: Double?
    let seed: UInt64?
    let group: String?
    /// The line of the file that it begins in, from 1.
    let line: Int
    /// Its last step that has a loss; nil without a column of steps.
    let step: Double?
  }

  /// The cells of the file.
  struct Table {
    let path: String
    let header: [String]
    /// Each with the line of the file that it begins in, from 1.
    let rows: [(line: Int, cells: [String])]
    /// How the file's numbers are read.
    let numbers: CSVNumbers
    /// How the file is written, where that is not as usual.
    let notes: [String]
  }
}
