import Spectral
import Training

/// What a check found: exponents, and which of them break the spectral condition.
public struct CheckReport: Codable, Sendable {
  /// A layer's mean |h| over the probe batch after a number of steps, at each size.
  public struct Coordinate: Codable, Sendable {
    /// `layers.1`; of the readout, the logits.
    public let layer: String
    /// Steps done.
    public let step: Int
    /// At each size, the mean over the seeds.
    public let meanAbsolute: [Double]

    private enum CodingKeys: String, CodingKey {
      case layer, step
      case meanAbsolute = "mean_abs"
    }
  }

  /// Name of the parametrization.
  public let parametrization: String
  /// Name of the update rule.
  public let optimizer: String
  /// What grows.
  public let scale: NetworkScale
  /// Its values, the widths or depths, ascending.
  public let sizes: [Int]
  /// Number of seeds.
  public let seeds: Int
  /// log2 of the learning rate.
  public let log2LearningRate: Double
  /// The step, from 1, whose updates the exponents are of.
  public let step: Int
  /// Every quantity that was measured, by quantity and layer.
  public let exponents: [CheckedQuantity]
  /// Mean |h| by layer, step and size: the coordinate check.
  public let coordinates: [Coordinate]
  /// What could not be fitted, in words.
  public let remarks: [String]
  /// Whether networks diverged, which leaves nothing to judge.
  public let diverged: Bool

  /// The broken ones by layer from input to readout, then those that more seeds have to decide.
  public var failures: [CheckedQuantity] {
    exponents.filter(\.isBroken) + exponents.filter { $0.verdict == .unclear }
  }

  /// What a check says.
  public enum Verdict: String, Codable, Hashable, Sendable {
    /// The condition is met.
    case pass
    /// It is broken.
    case fail
    /// It cannot be told: seeds spread, widths are narrow or close, or networks diverged.
    case unclear
  }

  /// What the exponents say together.
  public var verdict: Verdict {
    if diverged || exponents.isEmpty { return .unclear }
    return failures.isEmpty ? .pass : exponents.contains(where: \.isBroken) ? .fail : .unclear
  }

  /// Why exponents over these sizes say little against a rule that predicts what the condition asks; nil
  /// where they do.
  ///
  /// Theory is good to an exponent of 0.2 from width 32. Over less than two octaves the error of a single
  /// width counts for more than that: over 60, 64, 68 changes of features fall as n^−1.17 by chance.
  static func doubt(about sizes: [Int], _ scale: NetworkScale) -> String? {
    guard let least = sizes.min(), let most = sizes.max() else { return nil }
    if scale == .width, least < 32 {
      return "width \(least) is too narrow for theory; give widths from 32"
    }
    if most < 4 * least {
      return "\(scale.plural) \(least) to \(most) are too close; give the largest at least four "
        + "times the smallest"
    }
    return nil
  }

  /// Whether the condition is met.
  public var passes: Bool { verdict == .pass }

  /// The first layer that breaks on its own: of its failures the first in the order init, update,
  /// features. A layer whose σ and rate are right and which only passes on what another does
  /// comes last.
  public var culprit: CheckedQuantity? {
    if diverged { return nil }
    let broken = exponents.filter(\.isBroken)
    // Logits of attention, which has no rate of its own, tell of its scale, and so do then its queries and keys.
    let ofWeights: Set<SpectralQuantity> = [.weightNorm, .updateNorm]
    let weighted = Set(exponents.filter { ofWeights.contains($0.quantity) }.map(\.layer))
    return broken.first { $0.deviatesByItself || $0.verdict == .breaksUnpredicted }
      ?? broken.first { !weighted.contains($0.layer) } ?? failures.first
  }

  private enum CodingKeys: String, CodingKey {
    case verdict, failures, culprit, parametrization, optimizer, scale, sizes, seeds
    case log2LearningRate = "log2_learning_rate"
    case step, exponents, coordinates, remarks, diverged
  }

  /// A report of values measured before.
  init(
    parametrization: String, optimizer: String, scale: NetworkScale, sizes: [Int], seeds: Int,
    log2LearningRate: Double, step: Int, exponents: [CheckedQuantity], coordinates: [Coordinate],
    remarks: [String], diverged: Bool
  ) {
    self.parametrization = parametrization
    self.optimizer = optimizer
    (self.scale, self.sizes) = (scale, sizes)
    self.seeds = seeds
    self.log2LearningRate = log2LearningRate
    self.step = step
    self.exponents = exponents
    self.coordinates = coordinates
    self.remarks = remarks
    self.diverged = diverged
  }

  /// Reads the stored values, from which the others follow.
  ///
  /// - Throws: `DecodingError`, also where sizes, seeds and values do not fit together.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    parametrization = try container.decode(String.self, forKey: .parametrization)
    optimizer = try container.decode(String.self, forKey: .optimizer)
    scale = try container.decode(NetworkScale.self, forKey: .scale)
    sizes = try container.decode([Int].self, forKey: .sizes)
    seeds = try container.decode(Int.self, forKey: .seeds)
    log2LearningRate = try container.decode(Double.self, forKey: .log2LearningRate)
    step = try container.decode(Int.self, forKey: .step)
    exponents = try container.decode([CheckedQuantity].self, forKey: .exponents)
    coordinates = try container.decode([Coordinate].self, forKey: .coordinates)
    remarks = try container.decode([String].self, forKey: .remarks)
    diverged = try container.decode(Bool.self, forKey: .diverged)
    try decoder.require(
      Set(sizes).count >= 2 && sizes.allSatisfy { (1...Limits.size).contains($0) },
      "two different sizes or more, each of 1…\(Limits.size)")
    try decoder.require((2...Limits.size).contains(seeds), "two seeds or more, got \(seeds)")
    try decoder.require(
      exponents.allSatisfy { $0.values.count == sizes.count }
        && coordinates.allSatisfy { $0.meanAbsolute.count == sizes.count },
      "a value of each quantity at each of the \(sizes.count) sizes")
  }

  /// The stored values, the verdict, the failures and the culprit.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(verdict, forKey: .verdict)
    try container.encode(failures, forKey: .failures)
    try container.encodeIfPresent(culprit, forKey: .culprit)
    try container.encode(parametrization, forKey: .parametrization)
    try container.encode(optimizer, forKey: .optimizer)
    try container.encode(scale, forKey: .scale)
    try container.encode(sizes, forKey: .sizes)
    try container.encode(seeds, forKey: .seeds)
    try container.encode(log2LearningRate, forKey: .log2LearningRate)
    try container.encode(step, forKey: .step)
    try container.encode(exponents, forKey: .exponents)
    try container.encode(coordinates, forKey: .coordinates)
    try container.encode(remarks, forKey: .remarks)
    try container.encode(diverged, forKey: .diverged)
  }
}
