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
  public var widths = [64, 96, 128, 256, 384]

  /// The learning rates.
  @Setting(
    "log2-lr",
    "log2 of the learning rates: START:STOP:COUNT, both ends included, or a list.", value: "rates",
    in: .log2Rate)
  public var rates = LearningRateAxis.standard

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
      log2LearningRates: rates.values, seeds: (1...seeds).map(UInt64.init))
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
  @Setting("log2-lr", "log2 of the learning rate.", value: "rate", in: .log2Rate)
  public var log2LearningRate = -7.0

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
    case .outOfRange(let axis, let expected, let got) where names.contains(axis):
      return SettingProblem(axis, "expected \(expected), got \(got)")
    default: return SettingProblem(nil, description)
    }
  }
}
