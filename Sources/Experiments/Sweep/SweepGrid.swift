import Training

/// What is wrong with the axes of a sweep.
public enum SweepGridError: Error, Hashable, Sendable, CustomStringConvertible {
  /// An axis has no values.
  case empty(axis: String)
  /// An axis has a value twice.
  case duplicate(axis: String, value: String)
  /// A value lies outside its axis.
  case outOfRange(axis: String, expected: String, got: String)
  /// A text does not read.
  case malformed(what: String, expected: String, got: String)

  /// One line: the axis, what was expected and what was given.
  public var description: String {
    switch self {
    case .empty(let axis): "\(axis): expected at least one, got none"
    case .duplicate(let axis, let value): "\(axis): expected each value once, got \(value) twice"
    case .outOfRange(let axis, let expected, let got): "\(axis): expected \(expected), got \(got)"
    case .malformed(let what, let expected, let got):
      "\(what): expected \(expected), got '\(got)'"
    }
  }
}

/// The axes of a sweep; a cell for every combination of their values.
public struct SweepGrid: Codable, Hashable, Sendable {
  /// Names of the parametrizations.
  public let parametrizations: [String]
  /// The update rules.
  public let optimizers: [OptimizerKind]
  /// The widths, each ≥ 1.
  public let widths: [Int]
  /// log2 of the learning rates, multiples of 10⁻⁶.
  public let log2LearningRates: [Double]
  /// The seeds; 0 is a seed like any other.
  public let seeds: [UInt64]

  /// A grid; rates are rounded by `canonicalRate`.
  ///
  /// - Throws: `SweepGridError.empty`, `.duplicate` (for rates after rounding), `.outOfRange` for
  ///   a width < 1, or a rate that is infinite or 0 in the device's arithmetic.
  public init(
    parametrizations: [String], optimizers: [OptimizerKind], widths: [Int],
    log2LearningRates: [Double], seeds: [UInt64]
  ) throws(SweepGridError) {
    if let width = widths.first(where: { $0 < 1 }) {
      throw SweepGridError.outOfRange(axis: "widths", expected: "integers ≥ 1", got: "\(width)")
    }
    let bounds = SettingBounds<Double>.log2Rate
    if let rate = log2LearningRates.first(where: { !bounds.contains($0) }) {
      throw SweepGridError.outOfRange(
        axis: "log2-lr", expected: "numbers \(bounds.text)", got: "\(rate)")
    }
    let rates = log2LearningRates.map(Self.canonicalRate)
    try Self.check("parametrization", parametrizations) { $0 }
    try Self.check("optimizer", optimizers, text: \.rawValue)
    try Self.check("widths", widths) { "\($0)" }
    try Self.check("log2-lr", rates) { DecimalText.trimmed($0, digits: 6) }
    try Self.check("seeds", seeds) { "\($0)" }
    let count = [
      parametrizations.count, optimizers.count, widths.count, rates.count, seeds.count,
    ].reduce(1.0) { $0 * Double($1) }
    guard count <= 1e6 else {
      throw SweepGridError.outOfRange(
        axis: "grid", expected: "at most 1000000 runs", got: DecimalText.trimmed(count, digits: 0))
    }
    self.parametrizations = parametrizations
    self.optimizers = optimizers
    self.widths = widths
    self.log2LearningRates = rates
    self.seeds = seeds
  }

  /// Every cell: parametrization varies slowest, then optimizer, width, rate, and seed fastest.
  public var cells: [RunCell] {
    var cells: [RunCell] = []
    for parametrization in parametrizations {
      for optimizer in optimizers {
        for width in widths {
          for rate in log2LearningRates {
            for seed in seeds {
              cells.append(
                RunCell(
                  parametrization: parametrization, optimizer: optimizer, width: width,
                  log2LearningRate: rate, seed: seed))
            }
          }
        }
      }
    }
    return cells
  }

  /// A log2 rate to six decimals, never a negative zero.
  ///
  /// A rate typed from a table then names the same run as the one computed from a range; it
  /// moves the learning rate by less than 4·10⁻⁷ of itself.
  public static func canonicalRate(_ log2LearningRate: Double) -> Double {
    // Beyond 2⁵³ a Double is an integer already, and a large one would overflow.
    guard abs(log2LearningRate) < 1e9 else { return log2LearningRate }
    return (log2LearningRate * 1e6).rounded() / 1e6 + 0
  }

  private static func check<Value: Hashable>(
    _ axis: String, _ values: [Value], text: (Value) -> String
  ) throws(SweepGridError) {
    if values.isEmpty { throw SweepGridError.empty(axis: axis) }
    var seen: Set<Value> = []
    for value in values where !seen.insert(value).inserted {
      throw SweepGridError.duplicate(axis: axis, value: text(value))
    }
  }

  // MARK: Text

  /// The rates of `START:STOP:COUNT`, evenly spaced with both ends, or of a list `a,b,c`.
  ///
  ///     r_i = START + i·(STOP − START)/(COUNT − 1),  i = 0 … COUNT − 1;  COUNT = 1 gives START
  ///
  /// - COUNT: 1 … 10 000.
  /// - Throws: `SweepGridError.malformed`.
  public static func parseRates(_ text: String) throws -> [Double] {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(trim)
    if parts.count == 1 { return try parseList(text, what: "log2-lr", "numbers a,b,c") }
    guard parts.count == 3, let start = Double(parts[0]), let stop = Double(parts[1]),
      let count = Int(parts[2]), start.isFinite, stop.isFinite, (1...10_000).contains(count)
    else {
      throw SweepGridError.malformed(
        what: "log2-lr", expected: "START:STOP:COUNT or a,b,c", got: text)
    }
    if count == 1 { return [start] }
    let step = (stop - start) / Double(count - 1)
    // The last is set, as start + (count − 1)·step can miss it by a rounding.
    return (0..<count - 1).map { start + Double($0) * step } + [stop]
  }

  /// The values of a list `a,b,c`; spaces around a value do not count.
  ///
  ///     let widths: [Int] = try SweepGrid.parseList("128, 256", what: "widths", "integers")
  ///
  /// - what, expected: for the error, such as "widths" and "integers".
  /// - Throws: `SweepGridError.malformed` where a value is empty or does not read.
  public static func parseList<Value: LosslessStringConvertible>(
    _ text: String, what: String, _ expected: String
  ) throws -> [Value] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      let part = trim(part)
      guard !part.isEmpty, let value = Value(part) else {
        throw SweepGridError.malformed(what: what, expected: expected, got: text)
      }
      return value
    }
  }

  private static func trim(_ text: Substring) -> String {
    String(
      text.trimmingPrefix(while: \.isWhitespace).reversed().drop(while: \.isWhitespace)
        .reversed())
  }
}
