import Spectral
import Training

/// What a sweep asks: its axes, and the loss whose minimum is the optimum.
public struct SweepSettings: SettingGroup {
  /// The defaults of `gputrain sweep`.
  public init() {}

  private let section = SettingSection.sweep

  /// Names of the parametrizations.
  @Setting(
    "parametrization",
    Parametrizations.all.map(\.name).joined(separator: ", ") + "; several with commas.",
    value: "list", offers: .parametrizations)
  public var parametrizations = ["sp", "spectral"]

  /// The update rules.
  @Setting(
    "optimizer", SettingNames.optimizers + "; several with commas.", value: "list",
    offers: .list(OptimizerKind.choices))
  public var optimizers = [OptimizerKind.adam]

  /// The widths.
  @Setting("widths", "Widths.", value: "list", in: .range(1...Limits.size))
  public var widths = [128, 192, 256, 384]

  /// The learning rates.
  @Setting(
    "log2-lr",
    "log2 of the learning rates: START:STOP:COUNT, both ends included, or a list.", value: "rates",
    in: .log2Rate, or: .plainRate)
  public var rates = LearningRateAxis.standard

  /// What grows in place of the width.
  @Setting(
    "scale",
    "What grows in place of the width, as depth=2,4,8: depth, batch-size, steps, epochs, context or "
      + "expansion. --widths is then one.", value: "name=values")
  public var scale: SweepAxis? = nil

  /// What is tuned in place of the learning rate.
  @Setting(
    "tune",
    "What is tuned in place of the learning rate, any setting that is a number: "
      + "weight-decay=1e-4,1e-3,1e-2 or output-multiplier=log2:-3:3:7. --log2-lr is then one.",
    value: "name=values")
  public var tune: SweepAxis? = nil

  /// The number of seeds, which are 1 … N.
  @Setting("seeds", "Seeds 1 … N.", value: "n", in: .range(1...100_000))
  public var seeds = 6

  /// The loss whose minimum is the optimum.
  @Setting("objective", "The loss whose minimum is the optimum.", value: "loss")
  public var objective = Objective.trainLoss

  /// The cells.
  ///
  /// - Throws: `SweepGridError`.
  public func grid() throws(SweepGridError) -> SweepGrid {
    try SweepGrid(
      parametrizations: parametrizations, optimizers: optimizers, widths: widths,
      log2LearningRates: rates.values, seeds: (1...seeds).map(UInt64.init), scale: scale,
      tune: tune)
  }

  /// The same settings as a command means them: `--scale width=…` is `--widths`, and width and rate
  /// are one where something else is the axis and they were not given.
  ///
  /// - given: names of the settings that were given.
  public mutating func complete(given: Set<String>) -> [SettingProblem] {
    var problems: [SettingProblem] = []
    if let axis = scale, axis.name == "width" {
      scale = nil
      if given.contains("widths") {
        problems.append(SettingProblem("scale", "give --widths or --scale width=…, not both"))
      }
      do {
        widths = try SweepSettings().replacing(["widths": .array(axis.values)]).widths
      } catch {
        problems += error.problems.map { SettingProblem("scale", "width: \($0.text)") }
      }
    }
    let one = CellSettings()
    if scale != nil && !given.contains("widths") { widths = [one.width] }
    if tune != nil && !given.contains("log2-lr") {
      rates = LearningRateAxis(setting: one.log2LearningRate.setting) ?? rates
    }
    return problems
  }
}

extension SweepSettings {
  /// Takes the axes that a Transformer has by default: widths from 64 to 256, rates from 2⁻¹⁰ to 2⁻⁴.
  ///
  /// - given: names of the settings that were given, which stay.
  public mutating func complete(for network: NetworkKind, given: Set<String>) {
    guard network == .transformer else { return }
    if !given.contains("widths") && scale == nil { widths = [64, 128, 256] }
    if !given.contains("log2-lr") && tune == nil { rates = .transformer }
  }
}

/// What sets one run apart.
public struct CellSettings: SettingGroup {
  /// The defaults of `gputrain train`.
  public init() {}

  private let section = SettingSection.run

  /// Name of the parametrization.
  @Setting(
    "parametrization", "\(SettingNames.parametrizations).", value: "name",
    offers: .parametrization)
  public var parametrization = "spectral"

  /// The update rule.
  @Setting("optimizer", "The update rule.", value: "name")
  public var optimizer = OptimizerKind.adam

  /// The width.
  @Setting("width", "Width of the network.", value: "width", in: .range(1...Limits.size))
  public var width = 256

  /// log2 of the learning rate.
  @Setting("log2-lr", "log2 of the learning rate.", value: "rate", in: .log2Rate, or: .plainRate)
  public var log2LearningRate = -9.0

  /// Decides initial values and the order of the data.
  @Setting("seed", "Decides initial values and the order of the data.", value: "seed")
  public var seed: UInt64 = 1

  /// The one cell.
  ///
  /// - Throws: `SweepGridError`.
  public func grid() throws(SweepGridError) -> SweepGrid {
    try SweepGrid(
      parametrizations: [parametrization], optimizers: [optimizer], widths: [width],
      log2LearningRates: [log2LearningRate], seeds: [seed])
  }
}

/// Names for help texts.
enum SettingNames {
  static let optimizers = OptimizerKind.choices.joined(separator: ", ")
  /// "sp, ntp or mup".
  static var parametrizations: String {
    let names = Parametrizations.all.map(\.name)
    return names.dropLast().joined(separator: ", ") + " or \(names[names.count - 1])"
  }
}

extension SweepGridError {
  /// What is wrong with the setting that is its axis.
  public var problem: SettingProblem {
    let names = SweepSettings.declarations.map(\.name)
    switch self {
    case .empty(let axis) where names.contains(axis):
      return SettingProblem(axis, "expected at least one, got none")
    case .duplicate(let axis, let value) where names.contains(axis):
      return SettingProblem(axis, "expected each value once, got \(value) twice")
    case .unfit(let axis, let reason): return SettingProblem(axis, reason)
    case .outOfRange(let axis, let expected, let got) where names.contains(axis):
      return SettingProblem(axis, "expected \(expected), got \(got)")
    default: return SettingProblem(nil, description)
    }
  }
}
