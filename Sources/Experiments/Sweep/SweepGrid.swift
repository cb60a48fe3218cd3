import Training

/// What is wrong with the axes of a sweep.
public enum SweepGridError: Error, Hashable, Sendable, CustomStringConvertible {
  /// An axis has no values.
  case empty(axis: String)
  /// An axis has a value twice.
  case duplicate(axis: String, value: String)
  /// A value lies outside its axis.
  case outOfRange(axis: String, expected: String, got: String)
  /// A setting that no axis can step through, or values that it cannot have.
  case unfit(axis: String, reason: String)
  /// A text does not read.
  case malformed(what: String, expected: String, got: String)

  /// One line: the axis, what was expected and what was given.
  public var description: String {
    switch self {
    case .empty(let axis): "\(axis): expected at least one, got none"
    case .duplicate(let axis, let value): "\(axis): expected each value once, got \(value) twice"
    case .unfit(let axis, let reason): "\(axis): \(reason)"
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
  /// The setting that grows in place of the width, which is then one; nil: the width does.
  public let scale: SweepAxis?
  /// The setting that is tuned in place of the learning rate, which is then one; nil: the rate is.
  public let tune: SweepAxis?

  /// A grid; rates are rounded by `canonicalRate`.
  ///
  ///     let grid = try SweepGrid(
  ///       parametrizations: ["mup"], optimizers: [.momentum], widths: [128],
  ///       log2LearningRates: [-6], seeds: [1, 2], scale: SweepAxis("depth", [2, 4, 8]),
  ///       tune: SweepAxis("momentum", [0.5, 0.8, 0.95]))
  ///
  /// - Throws: `SweepGridError.empty`, `.duplicate` (for rates after rounding), `.outOfRange` for
  ///   a width < 1, or a rate that is infinite or 0 in the device's arithmetic; `.unfit` for an axis
  ///   whose setting is none, or a value that it cannot have.
  public init(
    parametrizations: [String], optimizers: [OptimizerKind], widths: [Int],
    log2LearningRates: [Double], seeds: [UInt64], scale: SweepAxis? = nil, tune: SweepAxis? = nil
  ) throws(SweepGridError) {
    if let width = widths.first(where: { $0 < 1 }) {
      throw SweepGridError.outOfRange(axis: "widths", expected: "integers ≥ 1", got: "\(width)")
    }
    // Rates beyond are infinite or 0 in the device's arithmetic.
    if let rate = log2LearningRates.first(where: { !(-126...127).contains($0) }) {
      throw SweepGridError.outOfRange(
        axis: "log2-lr", expected: "numbers from -126 to 127", got: "\(rate)")
    }
    let rates = log2LearningRates.map(Self.canonicalRate)
    try Self.check("parametrization", parametrizations) { $0 }
    try Self.check("optimizer", optimizers, text: \.rawValue)
    try Self.check("widths", widths) { "\($0)" }
    try Self.check("log2-lr", rates) { DecimalText.trimmed($0, digits: 6) }
    try Self.check("seeds", seeds) { "\($0)" }
    (self.scale, self.tune) = try Self.axes(scale, tune, widths: widths, rates: rates)
    let count = [
      parametrizations.count, optimizers.count, widths.count, rates.count, seeds.count,
      scale?.values.count ?? 1, tune?.values.count ?? 1,
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

  /// Reads a grid.
  ///
  /// - Throws: `DecodingError`, also where `init` would throw.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    do {
      try self.init(
        parametrizations: container.decode([String].self, forKey: .parametrizations),
        optimizers: container.decode([OptimizerKind].self, forKey: .optimizers),
        widths: container.decode([Int].self, forKey: .widths),
        log2LearningRates: container.decode([Double].self, forKey: .log2LearningRates),
        seeds: container.decode([UInt64].self, forKey: .seeds),
        scale: container.decodeIfPresent(SweepAxis.self, forKey: .scale),
        tune: container.decodeIfPresent(SweepAxis.self, forKey: .tune))
    } catch let error as SweepGridError {
      throw decoder.refusal("\(error)")
    }
    try decoder.require(
      widths.allSatisfy { $0 <= Limits.size }, "widths of at most \(Limits.size)")
  }

  private static func axes(
    _ scale: SweepAxis?, _ tune: SweepAxis?, widths: [Int], rates: [Double]
  ) throws(SweepGridError) -> (SweepAxis?, SweepAxis?) {
    func unfit(_ axis: String, _ reason: String) -> SweepGridError {
      .unfit(axis: axis, reason: reason)
    }
    if let name = tune?.name, ["log2-lr", "learning-rate"].contains(name) {
      throw unfit("tune", "the learning rate is tuned where nothing else is: give --log2-lr")
    }
    if let name = tune?.name, name == "width" {
      throw unfit("tune", "width is no setting to tune, but a scale: give --widths")
    }
    if let scale, !SweepAxis.scales.contains(scale.name) {
      throw unfit(
        "scale", "expected one of \(SweepAxis.scales.joined(separator: ", ")), got '\(scale.name)'")
    }
    if scale?.name == "width" {
      throw unfit("scale", "the width grows where nothing else does: give --widths")
    }
    let checked = (try scale?.checked(as: "scale"), try tune?.checked(as: "tune"))
    if let name = scale?.name, name == tune?.name {
      throw unfit("tune", "\(name) is the scale already")
    }
    if let scale, widths.count > 1 {
      let list = widths.map(String.init).joined(separator: ", ")
      throw unfit("scale", "along \(scale.name) there is one width, got widths \(list)")
    }
    if let tune, rates.count > 1 {
      throw unfit(
        "tune", "while \(tune.name) is tuned there is one log2-lr, got \(rates.count) of them")
    }
    do {
      // Names that exclude each other do so at any values.
      _ = try Configuration().replacing(overrides(checked.0, checked.1).first ?? [:])
    } catch {
      throw unfit("tune", error.problems.map(\.text).joined(separator: "; "))
    }
    return checked
  }

  /// Which axes the sweep has.
  public var axes: SweepAxes { SweepAxes(scale: scale?.name, tune: tune?.name) }

  /// What sets runs apart beside parametrization, optimizer, width, rate and seed; once nothing where
  /// there are no such axes. The scale varies slower.
  public var overrides: [[String: JSONValue]] { Self.overrides(scale, tune) }

  /// Of these, one for each shape of runs: those that `RunGroup` trains together count once.
  var shapes: [[String: JSONValue]] {
    var seen: Set<[String: JSONValue]> = []
    return overrides.filter { seen.insert(RunGroup.shape(of: $0)).inserted }
  }

  private static func overrides(
    _ scale: SweepAxis?, _ tune: SweepAxis?
  ) -> [[String: JSONValue]] {
    func choices(_ axis: SweepAxis?) -> [[String: JSONValue]] {
      axis.map { axis in axis.values.map { [axis.name: $0] } } ?? [[:]]
    }
    return choices(scale).flatMap { scale in
      choices(tune).map { scale.merging($0) { $1 } }
    }
  }

  /// Every cell: parametrization varies slowest, then optimizer, width, scale, tuned value, rate, and
  /// seed fastest.
  public var cells: [RunCell] {
    var cells: [RunCell] = []
    let choices = overrides
    for parametrization in parametrizations {
      for optimizer in optimizers {
        for width in widths {
          for overrides in choices {
            for rate in log2LearningRates {
              for seed in seeds {
                cells.append(
                  RunCell(
                    parametrization: parametrization, optimizer: optimizer, width: width,
                    log2LearningRate: rate, seed: seed, overrides: overrides))
              }
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
