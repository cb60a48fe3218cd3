extension ResultsTable {
  /// Which column is what.
  struct Columns {
    let scale, rate: Int
    let loss, seed, step, group, run: Int?

    init(_ table: Table, named: [Role: String]) throws {
      func find(_ role: Role) throws -> Int? { try Self.find(role, in: table, named: named) }
      guard let scale = try find(.scale) else { throw Self.missing(.scale, table) }
      guard let rate = try find(.rate) else { throw Self.missing(.rate, table) }
      (self.scale, self.rate) = (scale, rate)
      (loss, seed, step) = (try find(.loss), try find(.seed), try find(.step))
      (group, run) = (try find(.group), try find(.run))
    }

    /// A column's name without what is before a dot or slash: config.lr, config/lr.
    static func bare(_ name: String) -> String {
      name.split(whereSeparator: { "./".contains($0) }).last.map(String.init) ?? name
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
          throw ResultsTableError(
            "\(table.path): \(found.isEmpty ? "no column" : "\(found.count) columns") named "
              + "\(DataError.quoted(name)); there are \(list(table))")
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
        throw ResultsTableError(
          "\(table.path): the \(role.title) may be "
            + found.map { table.header[$0] }.joined(separator: " or ")
            + "; choose with --\(role.rawValue)-column")
      }
      return found.first
    }

    private static func missing(_ role: Role, _ table: Table) -> ResultsTableError {
      ResultsTableError(
        "\(table.path): no column is known for the \(role.title); name it with "
          + "--\(role.rawValue)-column, of \(list(table))")
    }

    private static func list(_ table: Table) -> String {
      table.header.filter { !$0.isEmpty }.prefix(20).joined(separator: ", ")
        + (table.header.count > 20 ? ", …" : "")
    }

    /// As the rate's column begins.
    func rateForm(of table: Table) -> RateForm {
      let name = Self.key(table.header[rate])
      return name.hasPrefix("log2") ? .log2 : name.hasPrefix("log10") ? .log10 : .plain
    }

    /// What was read as what.
    func reading(of table: Table, _ form: RateForm, runs: Int) -> Reading {
      let roles: [(Role, Int?)] = [
        (.scale, scale), (.rate, rate), (.loss, loss), (.seed, seed), (.step, step),
        (.group, group),
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
}
