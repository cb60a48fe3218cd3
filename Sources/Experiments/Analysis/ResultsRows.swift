import Foundation

extension ResultsTable.Table {
  init(_ bytes: [UInt8], path: String) throws {
    let text = try CSVText(bytes, path: path)
    var reader = CSVReader(text, path: path)
    var following = reader
    guard try following.advance() else { throw ResultsTableError.empty(path: path) }
    let numbers = reader.numbers
    let first = (0..<following.count).map { following.field($0) }
    let header: [String]
    // A comment names the columns where the first row, of as many fields, holds a number: it is none itself.
    if let commented = text.commentedHeader, commented.count == first.count,
      first.contains(where: { numbers.value(of: $0) != nil })
    {
      header = commented
    } else {
      (header, reader) = (first, following)
    }
    guard header.contains(where: { numbers.value(of: $0) == nil && !$0.isEmpty }) else {
      throw ResultsTableError.noHeader(path: path)
    }
    var rows: [(line: Int, cells: [String])] = []
    var lines = LineCounter(text.bytes)
    while true {
      reader.skipComments()
      let line = lines.line(at: reader.position)
      guard try reader.advance() else { break }
      let cells = (0..<reader.count).map { reader.field($0) }
      guard cells.count == header.count else {
        throw ResultsTableError.unevenRow(
          path: path, line: line, expected: header.count, found: cells.count)
      }
      if cells.contains(where: { !$0.isEmpty }) { rows.append((line, cells)) }
    }
    guard !rows.isEmpty else { throw ResultsTableError.noRows(path: path) }
    (self.path, self.header, self.rows, notes) = (path, header, rows, text.notes)
    self.numbers = numbers
  }

  /// The different values of a column.
  func values(_ column: Int) -> [String] { rows.map { $0.cells[column] }.uniqued() }

  /// What a run is of, as text.
  private func place(_ cells: [String], _ places: ResultsTable.Columns) -> String {
    [places.scale, places.rate, places.seed, places.group].map { $0.map { cells[$0] } ?? "" }
      .joined(separator: "\u{1F}")
  }

  /// Decides whether the column of runs tells runs apart.
  ///
  /// One that numbers rows does not: rows are then steps, and those of one place make one run.
  /// - named: columns that were named are what they are said to be.
  /// - Returns: the name of the column that numbers rows and was given up.
  /// - Throws: `ResultsTableError` where rows may be steps of a run as well as runs.
  func settleRuns(
    _ places: inout ResultsTable.Columns, named: [ResultsTable.Role: String]
  ) throws -> String? {
    guard let run = places.run, named[.run] == nil, values(run).count == rows.count else {
      return nil
    }
    let cells = Dictionary(grouping: rows) { place($0.cells, places) }.values.filter {
      $0.count > 1
    }
    guard !cells.isEmpty else { return nil }
    /// Whether a column has other values in every row of a place.
    func differs(_ column: Int) -> Bool {
      cells.allSatisfy { held in Set(held.map { $0.cells[column] }).count == held.count }
    }
    /// Whether it has, and the same values in every place.
    func repeats(_ column: Int) -> Bool {
      cells.count > 1 && differs(column)
        && Set(cells.map { held in Set(held.map { $0.cells[column] }) }).count == 1
    }
    guard let step = places.step else {
      let known = [
        places.scale, places.rate, places.loss, places.seed, places.group, places.run,
      ].compactMap { $0 }
      if places.seed == nil, header.indices.contains(where: { !known.contains($0) && repeats($0) })
      {
        throw sameRun(cells.map { $0[0].line }.min()!, places)
      }
      if places.seed == nil, ResultsTable.Columns.key(header[run]) == "id",
        rows.allSatisfy({ Int($0.cells[run]) != nil }),
        let time = header.indices.first(where: { !known.contains($0) && isTime($0, of: cells) })
      {
        throw ResultsTableError.unclearRuns(path: path, run: header[run], step: header[time])
      }
      return nil
    }
    guard differs(step) else { return nil }
    let numbers = rows.map { Int($0.cells[run]) }
    let isCount = zip(numbers, numbers.dropFirst()).allSatisfy { left, right in
      if let left, let right { right == left + 1 } else { false }
    }
    if isCount || places.seed != nil || named[.step] != nil {
      places.run = nil
      return header[run]
    }
    if numbers.allSatisfy({ $0 != nil }) || repeats(step) {
      throw ResultsTableError.unclearRuns(path: path, run: header[run], step: header[step])
    }
    return nil
  }

  /// Whether a column has times that only rise, or only fall, among the rows of every place: those of one
  /// run do.
  private func isTime(_ column: Int, of places: [[(line: Int, cells: [String])]]) -> Bool {
    guard ResultsTable.Columns.isTime(header[column]) else { return false }
    let runs = places.map { held in held.map { step($0.cells[column]) } }
    func holds(_ isBefore: (Double, Double) -> Bool) -> Bool {
      runs.allSatisfy { times in
        zip(times, times.dropFirst()).allSatisfy { left, right in
          if let left, let right { isBefore(left, right) } else { false }
        }
      }
    }
    return holds(<) || holds(>)
  }

  /// A cell as a step: a number, or the digits of a time such as `2025-03-01 12:00:00`, which rise with it.
  private func step(_ text: String) -> Double? {
    if let number = numbers.value(of: text) { return number }
    let date = text.prefix(10).split(separator: "-", omittingEmptySubsequences: false)
    guard date.map(\.count) == [4, 2, 2] else { return nil }
    let digits = String(text.filter(\.isNumber).prefix(14))
    return Double(digits.padding(toLength: 14, withPad: "0", startingAt: 0))
  }

  /// One for each run: of several rows of one, that of the last step.
  ///
  /// - isNegated: whether rates are written with their sign turned.
  func runs(
    _ places: ResultsTable.Columns, _ form: ResultsTable.RateForm, isNegated: Bool = false
  ) throws -> [ResultsTable.Run] {
    /// The row of the last step so far, and whether steps have gone back since.
    struct Last {
      var run: ResultsTable.Run
      var hasGoneBack = false
      var step: Double { run.step ?? 0 }
    }
    try checkDecimals(places)
    var last: [String: Last] = [:]
    var order: [String] = []
    for (line, cells) in rows {
      let run = try run(line, cells, places, form, isNegated: isNegated)
      var key = place(cells, places) + "\u{1F}" + (places.run.map { cells[$0] } ?? "")
      if places.step == nil && places.run == nil { key += "\u{1F}\(line)" }
      guard let known = last[key] else {
        order.append(key)
        last[key] = Last(run: run)
        continue
      }
      guard let step = run.step else { throw sameRun(known.run.line, line, places) }
      if known.run.loss == nil || run.loss != nil && step > known.step {
        last[key] = Last(run: run)
      } else if run.loss == nil {
        // A row that lacks the loss, as of other metrics' steps, leaves the one before.
        continue
      } else if step < known.step {
        last[key]?.hasGoneBack = true
      } else if known.hasGoneBack && run.loss != known.run.loss {
        throw sameRun(known.run.line, line, places)
      } else {
        last[key]?.run = run
      }
    }
    return order.compactMap { last[$0]?.run }
  }

  private func run(
    _ line: Int, _ cells: [String], _ places: ResultsTable.Columns,
    _ form: ResultsTable.RateForm, isNegated: Bool
  ) throws -> ResultsTable.Run {
    let scale = try number(cells[places.scale], line, header[places.scale])
    guard let whole = Int(exactly: scale), whole > 0 else {
      throw wrong(
        line, "\(header[places.scale]) as a whole number above 0", cells[places.scale])
    }
    let written = try number(cells[places.rate], line, header[places.rate])
    let signed = isNegated ? -written : written
    let rate: Double
    switch form {
    case .plain:
      guard signed > 0 else {
        throw wrong(
          line, "a learning rate above 0 (of logarithms say --rates log2 or log10)",
          cells[places.rate])
      }
      rate = log2(signed)
    case .log2: rate = signed
    case .log10: rate = signed * log2(10)
    }
    guard rate.isFinite else {
      throw wrong(line, "\(header[places.rate]) to be finite", cells[places.rate])
    }
    let seed = try places.seed.map { column -> UInt64 in
      guard let seed = UInt64(exactly: try number(cells[column], line, "a seed")) else {
        throw wrong(line, "a seed as a whole number ≥ 0", cells[column])
      }
      return seed
    }
    let step = try places.step.map { column -> Double in
      guard let step = self.step(cells[column]), !step.isNaN else {
        throw wrong(line, "a step as a number or a time", DataError.quoted(cells[column]))
      }
      return step
    }
    return ResultsTable.Run(
      scale: whole, rate: SweepGrid.canonicalRate(rate),
      loss: try places.loss.flatMap { try loss(cells[$0], line) }, seed: seed,
      group: places.group.map { cells[$0].isEmpty ? "(no \(header[$0]))" : cells[$0] }, line: line,
      step: step)
  }

  /// NaN and +∞ are runs that diverged, an empty cell is none.
  private func loss(_ text: String, _ line: Int) throws -> Double? {
    let lower = text.lowercased()
    if ["", "null", "none"].contains(lower) { return nil }
    if ["nan", "inf", "+inf", "infinity", "diverged"].contains(lower) { return .infinity }
    let value = try number(text, line, "a loss")
    if value == -.infinity { throw wrong(line, "a loss above −∞", text) }
    return value.isNaN ? .infinity : value
  }

  private func number(_ text: String, _ line: Int, _ what: String) throws -> Double {
    guard let value = numbers.value(of: text) else {
      throw wrong(line, "\(what) as a number", DataError.quoted(text))
    }
    return value
  }

  /// Refuses decimal points beside decimal commas in the columns that are used.
  private func checkDecimals(_ places: ResultsTable.Columns) throws {
    var numbers = numbers
    let columns = [places.scale, places.rate, places.loss, places.seed, places.step]
      .compactMap { $0 }
    for (line, cells) in rows {
      for column in columns { _ = numbers.value(of: cells[column], at: line, as: Double.self) }
    }
    try numbers.check(path: path) { $0 }
  }

  private func wrong(_ line: Int, _ expected: String, _ found: String) -> ResultsTableError {
    .wrongCell(path: path, line: line, expected: expected, found: found)
  }

  /// The losses of a group's runs. Those without a seed are numbered in their order.
  func losses(
    _ runs: [ResultsTable.Run], _ places: ResultsTable.Columns
  ) throws -> TransferReport.Losses {
    var losses: TransferReport.Losses = [:]
    var seen: [String: ResultsTable.Run] = [:]
    var counts: [Int: [Double: UInt64]] = [:]
    for run in runs {
      var cell = losses[run.scale]?[run.rate] ?? [:]
      // Those without a loss are counted too.
      counts[run.scale, default: [:]][run.rate, default: 0] += 1
      let count = counts[run.scale]?[run.rate] ?? 1
      let seed = run.seed ?? count
      let key = "\(run.scale) \(run.rate) \(seed)"
      if let other = seen[key] { throw sameRun(other.line, run.line, places) }
      if run.seed == nil && count > 1 && places.run == nil {
        let other = runs.first { $0.scale == run.scale && $0.rate == run.rate } ?? run
        throw sameRun(other.line, run.line, places)
      }
      seen[key] = run
      if let loss = run.loss { cell[seed] = loss }
      losses[run.scale, default: [:]][run.rate] = cell
    }
    return losses
  }

  /// The row of a line, and the next one of its place.
  private func sameRun(_ line: Int, _ places: ResultsTable.Columns) -> ResultsTableError {
    let first = rows.first { $0.line == line }
    let second = rows.first { row in
      row.line > line && first.map { place($0.cells, places) == place(row.cells, places) } ?? false
    }
    return sameRun(line, second?.line ?? line, places)
  }

  /// Two rows for one run, which something must tell apart.
  private func sameRun(
    _ first: Int, _ second: Int, _ places: ResultsTable.Columns
  ) -> ResultsTableError {
    func cells(_ line: Int) -> [String] { rows.first { $0.line == line }?.cells ?? [] }
    let known = Set(
      [
        places.scale, places.rate, places.seed, places.loss, places.group, places.run, places.step,
      ].compactMap { $0 })
    let differ = zip(cells(first), cells(second)).enumerated().compactMap {
      !known.contains($0) && $1.0 != $1.1 && !header[$0].isEmpty ? header[$0] : nil
    }
    let own = cells(first)
    func named(_ column: Int?) -> String? {
      guard let column, !own.isEmpty, own[column] == cells(second)[column] else { return nil }
      return "\(header[column]) \(own[column])"
    }
    let what = [places.scale, places.rate, places.group, places.seed, places.run].compactMap(named)
    return .sameRun(
      path: path, lines: [first, second],
      run: what.joined(separator: ", ")
        + (places.seed == nil && places.run == nil ? " and there is no column of seeds" : ""),
      differ: differ)
  }

  /// What to say of runs that a column of states calls ended before their time; nil where there are none.
  func stateNote(_ runs: [ResultsTable.Run], _ places: ResultsTable.Columns) -> String? {
    let states = ["crashed", "failed", "killed", "preempted", "interrupted"]
    guard
      let column = header.indices.first(where: {
        ["state", "status"].contains(ResultsTable.Columns.key(header[$0]))
      })
    else { return nil }
    let lines = Set(runs.filter { $0.loss?.isFinite == true }.map(\.line))
    let ended = rows.filter {
      lines.contains($0.line) && states.contains($0.cells[column].lowercased())
    }
    guard let first = ended.first else { return nil }
    return
      "\(ended.count) of \(runs.count) runs are \(first.cells[column]) by \(header[column]), that of line "
      + "\(first.line) among them: their losses count all the same"
  }

  /// What to say of runs that stopped before others; nil where none did. Those that diverged had to.
  func stepNote(_ runs: [ResultsTable.Run], _ places: ResultsTable.Columns) -> String? {
    // Runs end at times of their own.
    if let step = places.step, ResultsTable.Columns.isTime(header[step]) { return nil }
    let finished = runs.filter { $0.loss?.isFinite == true && $0.step != nil }
    guard let most = finished.compactMap(\.step).max() else { return nil }
    let short = finished.filter { $0.step != most }
    guard let first = short.min(by: { $0.step! < $1.step! }) else { return nil }
    func text(_ step: Double) -> String { DecimalText.trimmed(step, digits: 3) }
    return
      "\(short.count) of \(runs.count) runs stopped before step \(text(most)), that of line "
      + "\(first.line) at \(text(first.step!)): their losses are compared all the same"
  }
}
