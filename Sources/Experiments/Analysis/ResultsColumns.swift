import Foundation

extension ResultsTable {
  /// Which column is what.
  struct Columns {
    let scale, rate: Int
    let loss, seed, step, group: Int?
    var run: Int?

    init(_ table: Table, named: [Role: String]) throws {
      func find(_ role: Role) throws -> Int? { try Self.find(role, in: table, named: named) }
      guard let scale = try find(.scale) else { throw Self.missing(.scale, table) }
      guard let rate = try find(.rate) else { throw Self.missing(.rate, table) }
      (self.scale, self.rate) = (scale, rate)
      (loss, seed, step) = (try find(.loss), try find(.seed), try find(.step))
      if let loss, Self.isBetterTheHigher(table.header[loss]) {
        throw ResultsTableError.notALoss(path: table.path, name: table.header[loss])
      }
      (group, run) = (try find(.group), try find(.run))
    }

    /// A column's name without what is before a dot or slash: config.lr, config/lr; of 1/lr and log2(1/lr)
    /// nothing is left out.
    static func bare(_ name: String) -> String {
      guard let cut = name.lastIndex(where: { "./".contains($0) }) else { return name }
      let (head, tail) = (name[..<cut], name[name.index(after: cut)...])
      let isWhole = tail.count { $0 == "(" } == tail.count { $0 == ")" }
      return isWhole && !tail.isEmpty && head.contains(where: \.isLetter) ? String(tail) : name
    }

    /// Whether a column's usual contents are times, of which a run has as many as rows.
    static func isTime(_ name: String) -> Bool {
      [
        "timestamp", "time", "walltime", "datetime", "date", "runtime", "relativetime", "elapsed",
        "elapsedtime", "createdat", "loggedat",
      ].contains(key(name))
    }

    /// Whether a column's usual contents are better the higher: `eval/acc`, `val_accuracy`, `F1`.
    static func isBetterTheHigher(_ name: String) -> Bool {
      let key = key(name)
      return [
        "acc", "accuracy", "f1", "bleu", "rouge", "auc", "auroc", "iou", "top1", "top5", "reward",
      ]
      .contains(where: key.hasSuffix)
    }

    /// Without case and signs.
    static func key(_ name: String) -> String {
      bare(name).lowercased().filter { $0.isLetter || $0.isNumber }
    }

    private static func find(
      _ role: Role, in table: Table, named: [Role: String]
    ) throws -> Int? {
      if let name = named[role] {
        let found = table.header.indices.filter { table.header[$0] == name }
        guard found.count == 1 else {
          throw ResultsTableError.noSuchColumn(
            path: table.path, name: name, count: found.count, names: table.header)
        }
        return found[0]
      }
      let taken = Set(named.values)
      let usual = table.header.indices.filter {
        role.usualNames.contains(key(table.header[$0])) && !taken.contains(table.header[$0])
      }
      // What does not vary is no axis, and tells nothing apart.
      let varying = usual.filter { table.values($0).count > 1 }
      let found = role == .loss || (varying.isEmpty && usual.count == 1) ? usual : varying
      // Steps are finer than epochs, a run's identifier is surer than its name.
      if [.step, .run].contains(role) {
        return role.usualNames.lazy.compactMap { name in
          found.first { key(table.header[$0]) == name }
        }.first
      }
      guard found.count <= 1 else {
        throw ResultsTableError.severalColumns(
          path: table.path, role: role, names: found.map { table.header[$0] })
      }
      return found.first
    }

    static func missing(_ role: Role, _ table: Table) -> ResultsTableError {
      let names = Set(table.header)
      let isChart = names.contains { names.isSuperset(of: ["\($0)__MIN", "\($0)__MAX"]) }
      return isChart
        ? .chart(path: table.path)
        : .noColumn(path: table.path, role: role, names: table.header)
    }

    /// What was read as what.
    func reading(of table: Table, _ form: RateForm, runs: Int) -> Reading {
      let roles: [(Role, Int?)] = [
        (.scale, scale), (.rate, rate), (.loss, loss), (.seed, seed), (.step, step),
        (.group, group), (.run, run),
      ]
      return Reading(
        path: table.path, rows: table.rows.count, runs: runs,
        columns: roles.compactMap { role, column in column.map { (role, table.header[$0]) } },
        form: form)
    }
  }

  /// How a table was read.
  struct Reading {
    /// The file, as it was named.
    let path: String
    /// Rows below the header, and runs made of them.
    let rows, runs: Int
    /// The columns that were used.
    let columns: [(role: Role, name: String)]
    let form: RateForm

    /// In a line.
    var note: String {
      "\(runs) runs in \(rows) rows; "
        + columns.map { "\($0.role.title) from \($0.name)" }.joined(separator: ", ")
        + (form == .plain ? "" : " (as \(form.rawValue))")
    }
  }
  /// How rates are written, by the name of their column.
  struct RateWriting {
    /// nil where the name says that they are not plain, and no form that is known.
    let form: RateForm?
    /// Whether the sign is turned: -log2(lr).
    let isNegated: Bool

    init(_ name: String) {
      let bare = Columns.bare(name).trimmingCharacters(in: .whitespaces)
      var key = Columns.key(name)[...]
      var isNegated = bare.hasPrefix("-") || bare.hasPrefix("−")
      if let word = ["negative", "neg", "minus"].first(where: key.hasPrefix) {
        isNegated = true
        key = key.dropFirst(word.count)
      }
      let isOther = isNegated || key.hasPrefix("log") || key.hasPrefix("ln")
      form =
        bare.contains("1/")
        ? nil
        : key.hasPrefix("log2") ? .log2 : key.hasPrefix("log10") ? .log10 : isOther ? nil : .plain
      self.isNegated = isNegated
    }
  }
}
