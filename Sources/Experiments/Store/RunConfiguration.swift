import Foundation
import OpenCL
import Training

/// What sets one run of a sweep apart from the others.
public struct RunCell: Codable, Hashable, Sendable {
  /// Name of the parametrization.
  public var parametrization: String
  /// The update rule.
  public var optimizer: OptimizerKind
  /// The sweep's width (≥ 1); hidden layers are multiples of it.
  public var width: Int
  /// log2 of the learning rate η, a multiple of 10⁻⁶.
  public var log2LearningRate: Double
  /// Seed of the weights and of the order of the data.
  public var seed: UInt64
  /// Settings of `Configuration` that have another value than in the rest of the sweep, by name: those
  /// of the sweep's axes beside width and learning rate. In JSON left out where there are none.
  public let overrides: [String: JSONValue]

  /// A cell; the rate is rounded by `SweepGrid.canonicalRate`.
  public init(
    parametrization: String, optimizer: OptimizerKind, width: Int, log2LearningRate: Double,
    seed: UInt64, overrides: [String: JSONValue] = [:]
  ) {
    precondition(width >= 1, "width must be ≥ 1, got \(width)")
    precondition(log2LearningRate.isFinite, "log2 learning rate must be finite")
    self.parametrization = parametrization
    self.optimizer = optimizer
    self.width = width
    self.log2LearningRate = SweepGrid.canonicalRate(log2LearningRate)
    self.seed = seed
    self.overrides = overrides.mapValues(\.canonicalNumber)
  }

  private enum CodingKeys: String, CodingKey {
    case parametrization, optimizer, width, log2LearningRate, seed, overrides
  }

  /// Reads a cell, without overrides where none are there.
  ///
  /// - Throws: `DecodingError`, also for a width or a rate that no grid has.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    parametrization = try container.decode(String.self, forKey: .parametrization)
    optimizer = try container.decode(OptimizerKind.self, forKey: .optimizer)
    width = try container.decode(Int.self, forKey: .width)
    log2LearningRate = try container.decode(Double.self, forKey: .log2LearningRate)
    seed = try container.decode(UInt64.self, forKey: .seed)
    let overrides = try container.decodeIfPresent([String: JSONValue].self, forKey: .overrides)
    self.overrides = overrides?.mapValues(\.canonicalNumber) ?? [:]
    try decoder.require(
      (1...Limits.size).contains(width), "a width of 1…\(Limits.size), got \(width)")
    try decoder.require(
      (-126...127).contains(log2LearningRate),
      "log2 of a rate from -126 to 127, got \(log2LearningRate)")
  }

  /// Writes the cell, its overrides where there are some.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(parametrization, forKey: .parametrization)
    try container.encode(optimizer, forKey: .optimizer)
    try container.encode(width, forKey: .width)
    try container.encode(log2LearningRate, forKey: .log2LearningRate)
    try container.encode(seed, forKey: .seed)
    if !overrides.isEmpty { try container.encode(overrides, forKey: .overrides) }
  }

  /// The overrides in words: "depth 4, momentum 0.8"; nil where there are none.
  public var overridesInWords: String? {
    overrides.isEmpty ? nil : Self.words(overrides)
  }

  static func words(_ overrides: [String: JSONValue]) -> String {
    overrides.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.optionText)" }
      .joined(separator: ", ")
  }

  /// The learning rate η = 2^log2LearningRate.
  public var learningRate: Double { exp2(log2LearningRate) }

  /// Every part by the name of its option.
  var leaves: [String: JSONValue] {
    [
      "parametrization": parametrization.setting, "optimizer": optimizer.setting,
      "width": width.setting, "log2-lr": log2LearningRate.setting, "seed": seed.setting,
    ].merging(overrides) { $1 }
  }
}

/// Everything that decides a run's numbers, apart from the device.
///
/// In JSON, `config.json`: `{"cell": …, "facts": …, "settings": …}`.
public struct RunConfiguration: Codable, Hashable, Sendable {
  /// What the run shares with the sweep.
  public var experiment: Experiment
  /// What is its own.
  public var cell: RunCell

  /// The run of `cell` in `experiment`.
  public init(_ experiment: Experiment, _ cell: RunCell) {
    self.experiment = experiment
    self.cell = cell
  }

  private enum CodingKeys: String, CodingKey {
    case cell
  }

  /// Reads an experiment with a cell beside it.
  public init(from decoder: any Decoder) throws {
    experiment = try Experiment(from: decoder)
    cell = try decoder.container(keyedBy: CodingKeys.self).decode(RunCell.self, forKey: .cell)
    do {
      _ = try experiment.replacing(cell.overrides)
    } catch {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath + [CodingKeys.cell], debugDescription: "\(error)"))
    }
  }

  /// Writes the experiment with the cell beside it.
  public func encode(to encoder: any Encoder) throws {
    try experiment.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(cell, forKey: .cell)
  }

  /// The run's name, 16 hexadecimal digits: FNV-1a, 64 bits, of the canonical JSON of its cell, its
  /// facts and those settings that are not as by default.
  ///
  /// Canonical is: keys sorted, no spaces, absent values left out. Not cryptographic: a store
  /// compares configurations, so a collision is an error and never a wrong result.
  public var identifier: String { experiment.texts.identifier(of: cell) }
}

extension Experiment {
  /// What is hashed: of the settings those that are not as by default, so that a later version with
  /// one more setting finds the runs that were made without it.
  fileprivate struct Identity: Encodable {
    let facts: Facts
    let settings: [String: JSONValue]

    init(_ experiment: Experiment) {
      (facts, settings) = (experiment.facts, experiment.settings.changes)
    }
  }

  /// A name of the settings and facts, 16 hexadecimal digits, in the way of a run's.
  var identifier: String { CanonicalJSON.fingerprint(Identity(self)) }
}

/// The JSON of an experiment's runs less their cells, so that of thousands of runs each takes the time of a
/// cell: "cell" sorts before "facts" and "settings", so what they share is the end of each text.
struct ExperimentTexts: Sendable {
  /// `,"facts":…,"settings":…}`, the end of what runs are named by.
  private let identity: [UInt8]
  /// The end of `config.json`, behind the cell; nil where the experiment does not write.
  private let end: Data?

  private static let begin = Data("{\n  \"cell\" : ".utf8)

  init(_ experiment: Experiment) {
    identity = [0x2C] + CanonicalJSON.bytes(Experiment.Identity(experiment)).dropFirst()
    // Without the brace and the line's end that it begins with.
    end = (try? CanonicalJSON.pretty(experiment)).map { Data(",\n".utf8) + $0.dropFirst(2) }
  }

  /// `RunConfiguration.identifier` of a cell.
  func identifier(of cell: RunCell) -> String {
    var hash = FNV1a()
    hash.combine(Array(#"{"cell":"#.utf8))
    hash.combine(CanonicalJSON.bytes(cell))
    hash.combine(identity)
    return hash.hexadecimal
  }

  /// The cell's run in the content of its `config.json`; nil where that is not of this experiment, or not
  /// exactly as it is written.
  func cell(in content: Data) -> RunCell? {
    guard let end, content.starts(with: Self.begin), content.suffix(end.count) == end else {
      return nil
    }
    let text = content.dropFirst(Self.begin.count).dropLast(end.count)
    return try? JSONDecoder().decode(RunCell.self, from: Data(text))
  }
}
