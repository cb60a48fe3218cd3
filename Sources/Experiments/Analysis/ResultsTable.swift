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
        [
          "width", "hiddensize", "hiddendim", "hiddenwidth", "dmodel", "nembd", "embeddim",
          "modelwidth", "modeldim", "dim", "depth", "nlayer", "nlayers", "numlayers",
          "numhiddenlayers", "batchsize",
        ]
      case .rate:
        [
          "learningrate", "lr", "eta", "maxlr", "peaklr", "baselr", "log2learningrate", "log2lr",
          "log10learningrate", "log10lr",
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
    let places = try Columns(table, named: columns)
    let form = rates ?? places.rateForm(of: table)
    let runs = try table.runs(places, form)
    let title = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    let names = runs.map { $0.group ?? title }.uniqued()
    let scale = Columns.bare(table.header[places.scale])
    let isWidth = Role.scale.usualNames.prefix(9).contains(Columns.key(scale))
    let axes = SweepAxes(scale: isWidth ? nil : scale)
    let loss = places.loss.map { Columns.bare(table.header[$0]) } ?? "loss"
    scaleName = scale
    reading = places.reading(of: table, form, runs: runs.count)
    var notes = [reading.note] + table.notes
    let isOfOptima = Self.isOfOptima(runs)
    if isOfOptima {
      notes.append("one learning rate a \(scale): taken for the best ones")
      losses = names.map { _ in [:] }
      report = TransferReport(
        optima: names.map { name in
          (
            name,
            runs.filter { ($0.group ?? title) == name }.map {
              (scale: $0.scale, log2LearningRate: $0.rate, loss: $0.loss)
            }
          )
        }, loss: loss, axes: axes)
    } else {
      losses = try names.map { name in
        try table.losses(runs.filter { ($0.group ?? title) == name }, places)
      }
      report = TransferReport(
        results: zip(names, losses).map { (name: $0, losses: $1) }, loss: loss, axes: axes,
        target: target)
      if places.seed == nil && report.groups.contains(where: { $0.seeds.count > 1 }) {
        notes.append("no seeds: runs of one \(scale) and rate are numbered in their order")
      } else if places.seed == nil {
        notes.append("no seeds: one seed gives no interval")
      }
    }
    self.notes = notes
  }

  /// One rate a scale in every group, and more than one scale.
  private static func isOfOptima(_ runs: [Run]) -> Bool {
    let cells = Dictionary(grouping: runs) { "\($0.scale) \($0.group ?? "")" }
    return cells.count > 1 && cells.values.allSatisfy { $0.count == 1 }
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
    /// The row's number in the file, from 1.
    let row: Int
  }

  /// The cells of the file.
  struct Table {
    let path: String
    let header: [String]
    let rows: [(number: Int, cells: [String])]
    /// How the file is written, where that is not as usual.
    let notes: [String]
  }
}

/// What is wrong with a table of results, and what to do.
public struct ResultsTableError: Error, CustomStringConvertible {
  /// One line.
  public let description: String

  init(_ description: String) { self.description = description.printable() }
}

extension ResultsTable.Table {
  init(_ bytes: [UInt8], path: String) throws {
    let text = try CSVText(bytes, path: path)
    var reader = CSVReader(text, path: path)
    let header: [String]
    if let commented = text.commentedHeader {
      header = commented
    } else {
      guard try reader.advance() else { throw ResultsTableError("\(path): empty") }
      header = (0..<reader.count).map { reader.field($0) }
    }
    guard header.contains(where: { Double($0) == nil && !$0.isEmpty }) else {
      throw ResultsTableError(
        "\(path): no header; the first row must name the columns, such as width,lr,seed,loss")
    }
    var rows: [(number: Int, cells: [String])] = []
    while try reader.advance() {
      let cells = (0..<reader.count).map { reader.field($0) }
      guard cells.count == header.count else {
        throw ResultsTableError(
          "\(path): row \(reader.row): expected \(header.count) fields, found \(cells.count)")
      }
      if cells.contains(where: { !$0.isEmpty }) { rows.append((reader.row, cells)) }
    }
    guard !rows.isEmpty else { throw ResultsTableError("\(path): no rows below the header") }
    (self.path, self.header, self.rows, notes) = (path, header, rows, text.notes)
  }

  /// The different values of a column.
  func values(_ column: Int) -> [String] { rows.map { $0.cells[column] }.uniqued() }

  /// One for each run: of several rows of one, that of the last step.
  func runs(
    _ places: ResultsTable.Columns, _ form: ResultsTable.RateForm
  ) throws -> [ResultsTable.Run] {
    var last: [String: (step: Double, run: ResultsTable.Run)] = [:]
    var order: [String] = []
    for (number, cells) in rows {
      let run = try run(number, cells, places, form)
      let step = try places.step.map { try self.number(cells[$0], number, "a step") } ?? 0
      let keys = [places.scale, places.rate, places.seed, places.group, places.run]
      var key = keys.map { $0.map { cells[$0] } ?? "" }.joined(separator: "\u{1F}")
      if places.step == nil { key += "\u{1F}\(number)" }
      if let known = last[key] {
        // A row that lacks the loss, as of other metrics' steps, leaves the one before.
        if step >= known.step && run.loss != nil || known.run.loss == nil {
          last[key] = (step, run)
        }
      } else {
        order.append(key)
        last[key] = (step, run)
      }
    }
    return order.compactMap { last[$0]?.run }
  }

  private func run(
    _ number: Int, _ cells: [String], _ places: ResultsTable.Columns,
    _ form: ResultsTable.RateForm
  ) throws -> ResultsTable.Run {
    let scale = try self.number(cells[places.scale], number, header[places.scale])
    guard let whole = Int(exactly: scale), whole > 0 else {
      throw problem(number, "\(header[places.scale]) must be a whole number above 0, got \(scale)")
    }
    let written = try self.number(cells[places.rate], number, header[places.rate])
    let rate: Double
    switch form {
    case .plain:
      guard written > 0 else {
        throw problem(
          number,
          "learning rates must be above 0, got \(cells[places.rate]); where they are "
            + "logarithms, say --rates log2 or log10")
      }
      rate = log2(written)
    case .log2: rate = written
    case .log10: rate = written * log2(10)
    }
    guard rate.isFinite else {
      throw problem(number, "\(header[places.rate]) must be finite, got \(cells[places.rate])")
    }
    let seed = try places.seed.map { column -> UInt64 in
      guard let seed = UInt64(exactly: try self.number(cells[column], number, "a seed")) else {
        throw problem(number, "seeds must be whole numbers ≥ 0, got \(cells[column])")
      }
      return seed
    }
    return ResultsTable.Run(
      scale: whole, rate: SweepGrid.canonicalRate(rate),
      loss: try places.loss.flatMap { try loss(cells[$0], number) }, seed: seed,
      group: places.group.map { cells[$0] }, row: number)
  }

  /// NaN and +∞ are runs that diverged, an empty cell is none.
  private func loss(_ text: String, _ row: Int) throws -> Double? {
    let lower = text.lowercased()
    if ["", "null", "none"].contains(lower) { return nil }
    if ["nan", "inf", "+inf", "infinity", "diverged"].contains(lower) { return .infinity }
    let value = try number(text, row, "a loss")
    if value == -.infinity { throw problem(row, "a loss of −∞") }
    return value.isNaN ? .infinity : value
  }

  private func number(_ text: String, _ row: Int, _ what: String) throws -> Double {
    guard let value = Double(text) else {
      throw problem(row, "expected \(what) as a number, got \(DataError.quoted(text))")
    }
    return value
  }

  private func problem(_ row: Int, _ text: String) -> ResultsTableError {
    ResultsTableError("\(path): row \(row): \(text)")
  }

  /// The losses of a group's runs. Those without a seed are numbered in their order.
  func losses(
    _ runs: [ResultsTable.Run], _ places: ResultsTable.Columns
  ) throws -> TransferReport.Losses {
    var losses: TransferReport.Losses = [:]
    var seen: [String: ResultsTable.Run] = [:]
    for run in runs {
      var cell = losses[run.scale]?[run.rate] ?? [:]
      let seed = run.seed ?? UInt64(cell.count + 1)
      let key = "\(run.scale) \(run.rate) \(seed)"
      if let other = seen[key] { throw twice(other, run, places) }
      if run.seed == nil && !cell.isEmpty && places.run == nil {
        throw twice(runs.first { $0.scale == run.scale && $0.rate == run.rate } ?? run, run, places)
      }
      seen[key] = run
      if let loss = run.loss { cell[seed] = loss }
      losses[run.scale, default: [:]][run.rate] = cell
    }
    return losses
  }

  /// Two rows for one place, which something must tell apart.
  private func twice(
    _ first: ResultsTable.Run, _ second: ResultsTable.Run, _ places: ResultsTable.Columns
  ) -> ResultsTableError {
    func cells(_ number: Int) -> [String] { rows.first { $0.number == number }?.cells ?? [] }
    let known = Set(
      [places.scale, places.rate, places.seed, places.loss, places.group].compactMap { $0 })
    let differ = zip(cells(first.row), cells(second.row)).enumerated().compactMap {
      !known.contains($0) && $1.0 != $1.1 && !header[$0].isEmpty ? header[$0] : nil
    }
    let what =
      "rows \(first.row) and \(second.row) are both of \(header[places.scale]) \(first.scale), "
      + "rate 2^\(DecimalText.trimmed(first.rate, digits: 2))"
      + (first.seed.map { ", seed \($0)" } ?? " and there is no column of seeds")
    let ask =
      differ.isEmpty
      ? "leave one"
      : "they differ in \(differ.prefix(5).joined(separator: ", ")): name it as --seed-column, "
        + "--step-column or --group-column, or leave rows out"
    return ResultsTableError("\(path): \(what); \(ask)")
  }
}
