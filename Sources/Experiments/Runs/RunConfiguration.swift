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

  /// A cell; the rate is rounded by `SweepGrid.canonicalRate`.
  public init(
    parametrization: String, optimizer: OptimizerKind, width: Int, log2LearningRate: Double,
    seed: UInt64
  ) {
    precondition(width >= 1, "width must be ≥ 1, got \(width)")
    precondition(log2LearningRate.isFinite, "log2 learning rate must be finite")
    self.parametrization = parametrization
    self.optimizer = optimizer
    self.width = width
    self.log2LearningRate = SweepGrid.canonicalRate(log2LearningRate)
    self.seed = seed
  }

  /// The learning rate η = 2^log2LearningRate.
  public var learningRate: Double { exp2(log2LearningRate) }
}

/// Everything that decides a run's numbers, apart from the device.
public struct RunConfiguration: Codable, Hashable, Sendable {
  /// What the run shares with the sweep.
  public var settings: RunSettings
  /// What is its own.
  public var cell: RunCell

  /// The run of `cell` under `settings`.
  public init(settings: RunSettings, cell: RunCell) {
    self.settings = settings
    self.cell = cell
  }

  /// The run's name, 16 hexadecimal digits: FNV-1a, 64 bits, of the canonical JSON.
  ///
  /// Canonical is: keys sorted, no spaces, absent options left out. Not cryptographic: a store
  /// compares configurations, so a collision is an error and never a wrong result.
  public var identifier: String {
    // Every value was checked finite when it was made; encoding such a value cannot fail.
    guard let data = try? CanonicalJSON.compact(self) else {
      preconditionFailure("configuration holds a non-finite number: \(self)")
    }
    var hash = FNV1a()
    hash.combine(Array(data))
    return hash.hexadecimal
  }
}
