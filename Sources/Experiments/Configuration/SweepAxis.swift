import Foundation
import Spectral

/// A setting of `Configuration` with the values that it takes in a sweep: `depth=2,4,8`.
public struct SweepAxis: SettingValue, Codable {
  /// The setting's name.
  public let name: String
  /// Its values as JSON has them, whole numbers as integers.
  public let values: [JSONValue]

  /// An axis of these values.
  ///
  ///     let depths = SweepAxis("depth", [2, 4, 8])
  public init(_ name: String, _ values: [Double]) {
    self.init(name, values: values.map(JSONValue.number))
  }

  /// An axis of values of any kind, such as weight decays with their kind.
  public init(_ name: String, values: [JSONValue]) {
    (self.name, self.values) = (name, values.map(\.canonicalNumber))
  }

  /// Reads `NAME=a,b,c`, `NAME=START:STOP:COUNT`, or `NAME=log2:START:STOP:COUNT`, whose values are
  /// powers of two. As a list or an object, it has one such member.
  public init?(setting: JSONValue) {
    switch setting {
    case .string(let text):
      let sides = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        .map { $0.trimmingCharacters(in: .whitespaces) }
      guard sides.count == 2, !sides[0].isEmpty, let values = Self.values(of: sides[1]) else {
        return nil
      }
      self.init(sides[0], values: values)
    case .array(let members) where members.count == 1: self.init(setting: members[0])
    case .object(let members):
      guard let (name, value) = members.first, members.count == 1 else { return nil }
      self.init(setting: .string("\(name)=\(value.optionText)"))
    default: return nil
    }
  }

  private static func values(of text: String) -> [JSONValue]? {
    if text.hasPrefix("log2:") {
      return (try? SweepGrid.parseRates(String(text.dropFirst(5))))?.map { .number(exp2($0)) }
    }
    if text.split(separator: ":").count == 3, let values = try? SweepGrid.parseRates(text) {
      return values.map(JSONValue.number)
    }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      .map { $0.trimmingCharacters(in: .whitespaces) }
    if parts.contains("") { return nil }
    return parts.map { part in Double(part).map(JSONValue.number) ?? .string(part) }
  }

  /// The text, with every value.
  public var setting: JSONValue {
    .string("\(name)=\(values.map(\.optionText).joined(separator: ","))")
  }
  /// For errors.
  public static var expected: String {
    "NAME=a,b,c, NAME=START:STOP:COUNT or, of powers of two, NAME=log2:START:STOP:COUNT"
  }
  /// Yes.
  public static var takesPairs: Bool { true }

  /// The settings that a network and its training grow with.
  public static let scales = [
    "width", "depth", "batch-size", "steps", "epochs", "context", "expansion",
  ]

  /// Settings of the data, which all runs share, and of when a run is looked at.
  private static let shared: Set = ["validation-fraction", "evaluate-every", "evaluate-batches"]

  /// The values, of a setting that has whole ones.
  ///
  /// - option: what the axis is given by, for errors.
  /// - Throws: `SweepGridError` where one is unfit or there twice.
  public func wholeValues(as option: String) throws(SweepGridError) -> [Int] {
    try checked(as: option).values.compactMap { value in
      if case .integer(let whole) = value { whole } else { nil }
    }
  }

  /// The same axis with values as the setting itself writes them.
  ///
  /// - option: what the axis is given by, for errors.
  /// - Throws: `SweepGridError` where no setting has this name, it is no positive number, or a value
  ///   is outside its bounds or there twice.
  func checked(as option: String) throws(SweepGridError) -> SweepAxis {
    func unfit(_ text: String) -> SweepGridError { .unfit(axis: option, reason: text) }
    guard let declaration = Configuration.declarations.first(where: { $0.name == name }) else {
      let known = Configuration.declarations.filter(\.isQuantity).map(\.name)
      let hint = Spelling.closest(to: name, among: known).map { "; did you mean '\($0)'?" }
      throw unfit("unknown setting '\(name)'" + (hint ?? ""))
    }
    guard declaration.isQuantity else {
      throw unfit("\(name) is no number, so no axis can step through it")
    }
    if Self.shared.contains(name) { throw unfit("all runs of a sweep have the same \(name)") }
    if values.isEmpty { throw SweepGridError.empty(axis: option) }
    var canonical: [JSONValue] = []
    var seen: Set<Double> = []
    for value in values {
      let settings: Configuration
      do {
        settings = try Configuration().replacing([name: value])
      } catch {
        throw unfit(error.problems.map(\.description).joined(separator: "; "))
      }
      let own = (settings.values[name] ?? value).canonicalNumber
      guard let number = own.quantity, number > 0 else {
        throw unfit("\(name): expected values above 0, got \(value.optionText)")
      }
      if !seen.insert(number).inserted {
        throw SweepGridError.duplicate(axis: option, value: "\(name) \(value.optionText)")
      }
      canonical.append(own)
    }
    return SweepAxis(name, values: canonical)
  }
}

extension JSONValue {
  /// Whole numbers as integers, which JSON's text does not tell from others.
  var canonicalNumber: JSONValue {
    if case .number(let value) = self, let whole = Int(exactly: value) { return .integer(whole) }
    return self
  }

  /// The number, also of a text that begins with one: `0.1:independent`; nil where there is none.
  var quantity: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    case .string(let text): text.split(separator: ":").first.flatMap { Double($0) }
    default: nil
    }
  }
}

/// What a sweep's axes are: does the best *tuned* value carry over along the *scale*?
public struct SweepAxes: Codable, Hashable, Sendable {
  /// The setting that grows; nil: the width.
  public let scale: String?
  /// The setting whose best value is looked for; nil: the learning rate.
  public let tune: String?

  /// Axes, by default the learning rate along the width.
  public init(scale: String? = nil, tune: String? = nil) {
    (self.scale, self.tune) = (scale, tune)
  }

  /// The settings that differ between runs beside width and learning rate.
  var names: Set<String> { Set([scale, tune].compactMap { $0 }) }

  // MARK: In words

  /// "momentum along depth".
  public var inWords: String { "\(tunedTitle) along \(scaleName)" }
  /// The scale in a sentence: "width".
  var scaleName: String { scale ?? "width" }
  /// Values of the scale: "widths".
  var scaleValues: String {
    switch scaleName {
    case "width", "depth": scaleName + "s"
    default: "values of \(scaleName)"
    }
  }
  /// What is tuned, in short: "rate".
  var tunedName: String { tune ?? "rate" }
  /// The same at greater length: "learning rate".
  var tunedTitle: String { tune ?? "learning rate" }
  /// Values of it: "rates".
  var tunedValues: String { tune == nil ? "rates" : "values of \(tunedName)" }

  /// What is best at a value of the scale: "width 64's rate".
  func rate(of value: Int) -> String { "\(scaleName) \(value)'s \(tunedName)" }

  /// What drifts, after "octaves": "a doubling", or with both axes by name.
  var ofDrift: String {
    names.isEmpty ? "a doubling" : "of \(tunedName) a doubling of \(scaleName)"
  }

  /// A tuned value by its log2: a rate as a power of two and as a number, others as they are given.
  func text(log2 value: Double) -> String {
    tune == nil ? "\(short(log2: value)) = \(Self.number(exp2(value)))" : short(log2: value)
  }

  /// The same in one form: a rate as a power of two, others as they are given.
  func short(log2 value: Double) -> String {
    tune == nil ? "2^\(ReportText.number(value, digits: 2))" : Self.number(exp2(value))
  }

  /// To three significant digits.
  private static func number(_ value: Double) -> String {
    let text = String(format: "%.3g", value)
    return text.replacing("-", with: "−")
  }
}
