/// What a parametrization gives one tensor, as effective values.
///
/// Relative to a user's η, ε and λ: the tensor is initialised N(0, initialStd²) and trained with
/// η·learningRateFactor, ε·epsilonFactor and λ·weightDecayFactor, its product multiplied by
/// `multiplier`.
public struct WidthScaling: Codable, Hashable, Sendable {
  public var multiplier: Double
  public var initialStd: Double
  public var learningRateFactor: Double
  public var epsilonFactor: Double
  public var weightDecayFactor: Double

  public init(
    multiplier: Double = 1, initialStd: Double, learningRateFactor: Double,
    epsilonFactor: Double = 1, weightDecayFactor: Double = 1
  ) {
    self.multiplier = multiplier
    self.initialStd = initialStd
    self.learningRateFactor = learningRateFactor
    self.epsilonFactor = epsilonFactor
    self.weightDecayFactor = weightDecayFactor
  }
}
