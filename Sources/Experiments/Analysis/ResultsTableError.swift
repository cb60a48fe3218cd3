/// What is wrong with a table of results, and what to do.
public enum ResultsTableError: Error, Hashable, CustomStringConvertible {
  /// Nothing is in the file.
  case empty(path: String)
  /// The first row names no columns.
  case noHeader(path: String)
  /// Nothing is below the header.
  case noRows(path: String)
  /// A row with more or fewer fields than the header.
  case unevenRow(path: String, line: Int, expected: Int, found: Int)
  /// No column has a usual name of its role; names: the columns.
  case noColumn(path: String, role: ResultsTable.Role, names: [String])
  /// A chart of Weights & Biases, which has a column a run and nothing of its settings.
  case chart(path: String)
  /// No column, or more than one, is called as was asked; names: the columns.
  case noSuchColumn(path: String, name: String, count: Int, names: [String])
  /// Several columns may be it.
  case severalColumns(path: String, role: ResultsTable.Role, names: [String])
  /// A column of rates whose name says that they are not written plainly, and not how.
  case unclearRates(path: String, name: String)
  /// The column of losses is of something that is better the higher.
  case notALoss(path: String, name: String)
  /// A cell that is not what its column is of.
  case wrongCell(path: String, line: Int, expected: String, found: String)
  /// Two rows for one run; differ: the columns in which they do.
  case sameRun(path: String, lines: [Int], run: String, differ: [String])
  /// Every row has a run of its own, and may be a step all the same.
  case unclearRuns(path: String, run: String, step: String)

  /// One line: the file and its line, what was expected and found, what to do.
  public var description: String { message.printable() }

  private var message: String {
    switch self {
    case .empty(let path): "\(path): empty"
    case .noHeader(let path):
      "\(path): no header; the first row must name the columns, such as width,lr,seed,loss"
    case .noRows(let path): "\(path): no rows below the header"
    case .unevenRow(let path, let line, let expected, let found):
      "\(path): line \(line): expected \(expected) fields, found \(found)"
    case .noColumn(let path, let role, let names):
      "\(path): no column is known for the \(role.title); name it with "
        + "--\(role.rawValue)-column, of \(Self.list(names))"
    case .chart(let path):
      "\(path): the export of a chart, which has a column a run, without widths and learning rates; export "
        + "the table of runs"
    case .noSuchColumn(let path, let name, let count, let names):
      "\(path): \(count == 0 ? "no column" : "\(count) columns") named "
        + "\(DataError.quoted(name)); there are \(Self.list(names))"
    case .severalColumns(let path, let role, let names):
      "\(path): the \(role.title) may be \(names.joined(separator: " or "))"
        + "; choose with --\(role.rawValue)-column"
    case .unclearRates(let path, let name):
      "\(path): \(DataError.quoted(name)) does not say how rates are written; say it with --rates "
        + "plain, log2 or log10"
    case .notALoss(let path, let name):
      "\(path): \(DataError.quoted(name)) is better the higher, and the least of a loss is looked for; name a "
        + "column of losses with --loss-column"
    case .wrongCell(let path, let line, let expected, let found):
      "\(path): line \(line): expected \(expected), got \(found)"
    case .sameRun(let path, let lines, let run, let differ):
      "\(path): lines \(lines.map(String.init).joined(separator: " and ")) are both of \(run); "
        + (differ.isEmpty
          ? "leave one"
          : "they differ in \(differ.prefix(5).joined(separator: ", ")): name it as --seed-column, "
            + "--step-column or --group-column, or leave rows out")
    case .unclearRuns(let path, let run, let step):
      "\(path): every line has its own \(run), and \(step) differs within one scale and rate: where "
        + "lines are of one run at different times say --step-column \(step), where each is a run leave "
        + "that column out"
    }
  }

  private static func list(_ names: [String]) -> String {
    names.filter { !$0.isEmpty }.prefix(20).joined(separator: ", ")
      + (names.count > 20 ? ", …" : "")
  }
}
