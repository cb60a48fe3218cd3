import ArgumentParser
import Experiments
import Foundation
import Networks
import Spectral
import Tensors
import Training

extension OptimizerKind: ExpressibleByArgument {}

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

  /// Problems with settings, a line each with the option's name.
  init(_ problems: [SettingProblem]) {
    description = problems.map(Self.text).joined(separator: "\n")
  }

  static func text(_ problem: SettingProblem) -> String {
    (problem.name.map { "--\($0): " } ?? "") + problem.text
  }
}

extension Limits {
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
}

extension WeightDecayChoice: ExpressibleByArgument {
  /// Reads what a setting reads.
  public init?(argument: String) { self.init(setting: .string(argument)) }
  /// The text.
  public var defaultValueDescription: String { setting.optionText }
}

extension HiddenPattern: ExpressibleByArgument {
  /// Reads what a setting reads.
  public init?(argument: String) { self.init(setting: .string(argument)) }
  /// The text.
  public var defaultValueDescription: String { setting.optionText }
}

extension Configuration {
  /// Every setting's name.
  static let names = Set(declarations.map(\.name))

  /// Refuses settings that make no sense together.
  func throwProblems(
    parametrizations names: [String] = [], optimizers: [OptimizerKind], widths: [Int]
  ) throws {
    let problems = problems(parametrizations: names, optimizers: optimizers, widths: widths)
    if !problems.isEmpty { throw InvalidOption(problems) }
  }
}
