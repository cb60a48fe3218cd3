import ArgumentParser
import Experiments
import Foundation
import Networks
import Spectral
import Tensors
import Training

extension OptimizerKind: ExpressibleByArgument {}
extension Activation: ExpressibleByArgument {}
extension LossFunction: ExpressibleByArgument {}
extension Objective: ExpressibleByArgument {}
extension Compute.MultiplierChoice: ExpressibleByArgument {}
extension ProductPrecision: ExpressibleByArgument {}

extension Parametrizations {
  /// Every name, for help texts: "sp, ntp or mup".
  static var choice: String {
    let names = all.map(\.name)
    return names.dropLast().joined(separator: ", ") + " or \(names[names.count - 1])"
  }
}

/// An option whose value makes no sense; one line, without the usage.
struct InvalidOption: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// Bounds that `sweep`, `train` and `scaling` share.
enum Limits {
  /// Sizes up to this give products that a Double counts exactly enough.
  static let size = 1 << 24
  static let depth = 1024

  static func check(_ name: String, _ value: Int, atMost most: Int = size) throws {
    if value < 1 || value > most {
      throw InvalidOption("\(name) must be from 1 to \(most), got \(value)")
    }
  }

  static func check(_ name: String, positive value: Double) throws {
    if !(value > 0 && value.isFinite) {
      throw InvalidOption("\(name) must be positive, got \(value)")
    }
  }

  /// At least two different widths.
  static func widths(_ text: String) throws -> [Int] {
    let widths: [Int] = try SweepGrid.parseList(text, what: "--widths", "integers a,b,c")
    for width in widths { try check("widths", width) }
    guard widths.count >= 2, Set(widths).count == widths.count else {
      throw InvalidOption("--widths: expected at least two different widths, got \(text)")
    }
    return widths
  }

  /// A hidden pattern whose widths stay within bounds at `width`.
  static func pattern(_ text: String, width: Int) throws -> [Int] {
    let pattern = try SweepGrid.parsePattern(text)
    if let factor = pattern.first(where: { $0 > size / width }) {
      throw InvalidOption(
        "--hidden-pattern: factor \(factor) at width \(width) gives more than \(size) units")
    }
    return pattern
  }
}

/// λ or λ:KIND.
struct WeightDecayArgument: ExpressibleByArgument {
  /// As it was given.
  let text: String
  let strength: Double
  let kind: WeightDecayKind?

  /// No decay.
  static let none = Self(argument: "0")!

  var defaultValueDescription: String { "0" }

  init?(argument: String) {
    text = argument
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let strength = Double(parts[0]), strength >= 0, strength.isFinite else {
      return nil
    }
    self.strength = strength
    if parts.count == 2 {
      guard let kind = WeightDecayKind(rawValue: String(parts[1])) else { return nil }
      self.kind = kind
    } else {
      kind = nil
    }
  }

  /// The decay for optimizers that may differ in how they take it; nil for λ = 0.
  ///
  /// - Throws: `InvalidOption` where no kind is named and the optimizers' own differ.
  func resolved(for optimizers: [OptimizerKind]) throws -> WeightDecay? {
    if strength == 0 { return nil }
    let kinds = Set(optimizers.map(\.defaultWeightDecayKind))
    guard let kind = kind ?? (kinds.count == 1 ? kinds.first : nil) else {
      throw InvalidOption(
        "--weight-decay: these optimizers take decay in different ways; name one: "
          + "\(strength):coupled, \(strength):decoupled or \(strength):independent")
    }
    if kind == .coupled, let rule = optimizers.first(where: { !$0.supportsCoupledDecay }) {
      throw InvalidOption("--weight-decay: \(rule.rawValue) takes decay beside its update only")
    }
    return WeightDecay(strength: strength, kind: kind)
  }
}

/// EVERY or EVERY:CONTENTS.
struct DiagnosisArgument: ExpressibleByArgument {
  let plan: DiagnosisPlan

  init?(argument: String) {
    guard let plan = DiagnosisPlan(text: argument) else { return nil }
    self.plan = plan
  }
}

/// PLACE=RULE or PLACE=RULE:FAMILY.
struct RateRuleArgument: ExpressibleByArgument {
  /// As it was given.
  let text: String
  let place, parametrization: String
  let family: UpdateFamily?

  init?(argument: String) {
    text = argument
    let sides = argument.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
    guard sides.count == 2, !sides[0].isEmpty else { return nil }
    let parts = sides[1].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2 else { return nil }
    family = parts.count == 2 ? UpdateFamily(rawValue: parts[1]) : nil
    if parts.count == 2 && family == nil { return nil }
    (place, parametrization) = (sides[0], parts[0])
  }
}

/// PLACE=FACTOR.
struct RateMultiplierArgument: ExpressibleByArgument {
  /// As it was given.
  let text: String
  let multiplier: RateMultiplier

  init?(argument: String) {
    text = argument
    let sides = argument.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
    guard sides.count == 2, !sides[0].isEmpty, let factor = Double(sides[1]), factor > 0,
      factor.isFinite
    else { return nil }
    multiplier = RateMultiplier(place: sides[0], factor: factor)
  }
}

/// NAME or NAME:WARMUP.
struct ScheduleArgument: ExpressibleByArgument {
  /// As it was given.
  let text: String
  let schedule: Schedule

  /// One rate throughout.
  static let constant = Self(argument: "constant")!

  var defaultValueDescription: String { "constant" }

  init?(argument: String) {
    text = argument
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    let name = String(parts[0])
    // `warmup` is constant after its rise; like wsd it takes a tenth of all steps by itself.
    guard parts.count <= 2,
      let shape = Schedule.Shape(rawValue: name == "warmup" ? "constant" : name)
    else { return nil }
    let own = name == "warmup" || shape == .warmupStableDecay ? 0.1 : 0
    guard let warmup = parts.count == 2 ? Double(parts[1]) : own, (0..<1).contains(warmup) else {
      return nil
    }
    schedule = Schedule(shape, warmup: warmup)
  }
}

/// A number of bytes: 512M, 8G, 1.5G.
struct ByteCount: ExpressibleByArgument {
  let bytes: Int

  init?(argument: String) {
    let units: [Character: Double] = ["K": 0x1p10, "M": 0x1p20, "G": 0x1p30, "T": 0x1p40]
    var text = argument.uppercased()
    if text.hasSuffix("IB") { text.removeLast(2) } else if text.hasSuffix("B") { text.removeLast() }
    var unit = 1.0
    if let last = text.last, let factor = units[last] {
      unit = factor
      text.removeLast()
    }
    guard let value = Double(text), value > 0, value * unit <= 1e18 else { return nil }
    bytes = Int(value * unit)
  }
}

/// Which normalisation of the data.
enum NormalizationArgument: String, ExpressibleByArgument, CaseIterable {
  /// The data's own default.
  case auto
  case none, fixed
  case perFeature = "per-feature"

  var normalization: Normalization? {
    switch self {
    case .auto: nil
    case .none: .identity
    case .fixed: .byteImage
    case .perFeature: .perFeature
    }
  }
}

/// Which architecture.
enum NetworkArgument: String, ExpressibleByArgument, CaseIterable {
  case mlp
  case residualMLP = "residual-mlp"
}

/// Which normalisation of a residual stream.
enum NormArgument: String, ExpressibleByArgument, CaseIterable {
  case none, rms, layer

  var kind: RowNormalization.Kind? { RowNormalization.Kind(rawValue: rawValue) }
}
