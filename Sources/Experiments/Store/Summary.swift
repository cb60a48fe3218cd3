import Foundation
import Training

/// One run as a row of `summary.csv`, which is also what the analysis reads.
public struct SummaryRow: Codable, Hashable, Sendable {
  /// Name of the parametrization.
  public let parametrization: String
  /// The update rule.
  public let optimizer: OptimizerKind
  /// The sweep's width.
  public let width: Int
  /// Number of hidden layers.
  public let depth: Int
  /// log2 of the learning rate.
  public let log2LearningRate: Double
  /// The run's seed.
  public let seed: UInt64
  /// The identifier of the run.
  public let run: String
  /// What the run found.
  public let result: RunResult
  /// Settings that the run has other values of than the rest of the sweep; nil: none.
  public let overrides: [String: JSONValue]?

  /// A row of its own, for data that comes from no store.
  public init(
    parametrization: String, optimizer: OptimizerKind, width: Int, depth: Int,
    log2LearningRate: Double, seed: UInt64, run: String, result: RunResult,
    overrides: [String: JSONValue]? = nil
  ) {
    self.parametrization = parametrization
    self.optimizer = optimizer
    self.width = width
    self.depth = depth
    self.log2LearningRate = log2LearningRate
    self.seed = seed
    self.run = run
    self.result = result
    self.overrides = overrides?.isEmpty == true ? nil : overrides
  }

  /// The row of a stored run.
  public init(_ stored: StoredRun) {
    let cell = stored.configuration.cell
    self.init(
      parametrization: cell.parametrization, optimizer: cell.optimizer, width: cell.width,
      depth: cell.overrides["depth"].flatMap { Int(setting: $0) }
        ?? stored.configuration.experiment.settings.depth,
      log2LearningRate: cell.log2LearningRate,
      seed: cell.seed, run: stored.configuration.identifier, result: stored.result,
      overrides: cell.overrides)
  }

  /// The header of `summary.csv`, without a line end.
  public static let header =
    "parametrization,optimizer,width,depth,log2_learning_rate,seed,epochs,steps,"
    + "first_epoch_train_loss,train_loss,validation_loss,validation_accuracy,outcome,seconds,run,"
    + "best_validation_loss,whole_train_loss"

  /// Rows by parametrization, optimizer, width, other axes, rate and seed.
  ///
  /// - parametrizations: the order of the parametrizations; others follow by name. Optimizers
  ///   stand in the order of their declaration.
  public static func sorted(_ rows: [Self], parametrizations: [String]) -> [Self] {
    var place: [String: Int] = [:]
    for name in parametrizations where place[name] == nil { place[name] = place.count }
    var optimizers: [OptimizerKind: Int] = [:]
    for kind in OptimizerKind.allCases { optimizers[kind] = optimizers.count }
    let names = axisNames(rows)
    func key(_ row: Self) -> (Int, String, Int, Int) {
      (
        place[row.parametrization] ?? place.count, row.parametrization,
        optimizers[row.optimizer] ?? 0, row.width
      )
    }
    func last(_ row: Self) -> (Double, UInt64) { (row.log2LearningRate, row.seed) }
    return rows.sorted { left, right in
      if key(left) != key(right) { return key(left) < key(right) }
      let values = [left, right].map { row in names.map { row.overrides?[$0]?.quantity ?? 0 } }
      return values[0] == values[1]
        ? last(left) < last(right) : values[0].lexicographicallyPrecedes(values[1])
    }
  }

  /// The text of `summary.csv`: header and one line a row, quoted as RFC 4180 says, ended by LF;
  /// a text that a spreadsheet would compute, such as `=1+1`, has an apostrophe before it.
  ///
  /// Losses are the shortest text that reads back to the same number, rates have at most six
  /// decimals and seconds three, and a missing value is an empty cell. Behind these columns are, of
  /// texts, `perplexity` and `bits_per_byte`; where several devices have trained, `device`; and where rows
  /// have overrides, one for each setting:
  /// `momentum`, or `set_steps` where a column is called `steps` already; that of the depth is among
  /// the first.
  public static func csv(_ rows: [Self]) -> String {
    let names = axisNames(rows).filter { $0 != "depth" }
    let own = tokenColumns.filter { _, value in rows.contains { $0.result[keyPath: value] != nil } }
    let isOfSeveral = Set(rows.map(\.result.device)).count > 1
    let header = ([Self.header] + own.map(\.name) + (isOfSeveral ? ["device"] : []))
      .joined(separator: ",")
    let taken = header.split(separator: ",").map(String.init)
    let columns = names.map { name -> String in
      let column = name.replacing("-", with: "_")
      return "," + (taken.contains(column) ? "set_\(column)" : column)
    }
    let lines = rows.map { $0.line(own.map(\.value), names, hasDevice: isOfSeveral) }
    return ([header + columns.joined()] + lines).map { $0 + "\n" }.joined()
  }

  /// Columns that only a text's runs have.
  private static var tokenColumns: [(name: String, value: KeyPath<RunResult, Double?>)] {
    [("perplexity", \.perplexity), ("bits_per_byte", \.bitsPerByte)]
  }

  /// The settings that some row has an own value of, sorted.
  private static func axisNames(_ rows: [Self]) -> [String] {
    Set(rows.flatMap { ($0.overrides ?? [:]).keys }).sorted()
  }

  private func line(
    _ figures: [KeyPath<RunResult, Double?>], _ names: [String], hasDevice: Bool
  ) -> String {
    func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
    let cells =
      [
        parametrization, optimizer.rawValue, "\(width)", "\(depth)",
        DecimalText.trimmed(log2LearningRate, digits: 6), "\(seed)", "\(result.epochs)",
        "\(result.steps)", text(result.firstEpochTrainLoss), text(result.trainLoss),
        text(result.validationLoss), text(result.validationAccuracy), result.outcome.rawValue,
        DecimalText.trimmed(result.seconds, digits: 3), run, text(result.bestValidationLoss),
        text(result.wholeTrainLoss),
      ] + figures.map { text(result[keyPath: $0]) } + (hasDevice ? [result.device] : [])
      + names.map { overrides?[$0]?.optionText ?? "" }
    return cells.map(\.csvCell).joined(separator: ",")
  }
}

/// Numbers as decimal text, the same under every locale.
enum DecimalText {
  /// With exactly `digits` decimals; never a negative zero.
  static func fixed(_ value: Double, digits: Int) -> String {
    let text = String(format: "%.\(digits)f", value)
    let isZero = text.utf8.allSatisfy { $0 == 0x2D || $0 == 0x30 || $0 == 0x2E }
    return isZero && text.hasPrefix("-") ? String(text.dropFirst()) : text
  }

  /// With at most `digits` decimals and no zeros at the end.
  static func trimmed(_ value: Double, digits: Int) -> String {
    var text = fixed(value, digits: digits)
    guard text.contains(".") else { return text }
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }
}
