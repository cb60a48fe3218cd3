import Spectral

/// One quantity of one layer over the widths or depths, as measured and as predicted.
public struct CheckedQuantity: Codable, Sendable {
  /// `layers.1`.
  public let layer: String
  /// What was measured.
  public let quantity: SpectralQuantity
  /// Means over the seeds at each size.
  public let values: [Double]
  /// The slope of log2 of the quantity against log2 of the size, mean over the seeds.
  public let exponent: Double
  /// 95 % interval of the exponent over the seeds, by Student's t.
  public let lower: Double
  /// 95 % interval of the exponent over the seeds, by Student's t.
  public let upper: Double
  /// The slope that the rule in use predicts over these sizes.
  public let predicted: Double
  /// The same as the size goes to infinity.
  public let predictedLimit: Double
  /// The slope of a network that meets the spectral condition, over these sizes.
  public let condition: Double
  /// The same as the size goes to infinity; along width 0 but for
  /// quotients of Frobenius norms, along depth in blocks what the depth rule asks of an update.
  public let conditionLimit: Double
  /// How far the layer's own initial size or rate, whichever the quantity rests on, is from what
  /// the condition asks, as an exponent; the rest comes from other layers.
  public let ownDeviation: Double
  /// What follows.
  public let verdict: Verdict
  /// Where the verdict is unclear: about how many seeds would tell, if they spread as those that are there; nil
  /// where 100 would not, or where the sizes are what is in doubt.
  public let seedsToTell: Int?

  /// What a measured exponent says of the condition.
  public enum Verdict: String, Codable, Hashable, Sendable {
    /// As the condition asks.
    case meets
    /// Not as the condition asks, and as the rule predicts: the rule is at fault. Updates of queries and keys of
    /// widening heads count where they lie between the two.
    case breaksAsPredicted = "breaks_as_predicted"
    /// Neither as the condition asks nor as the rule predicts.
    case breaksUnpredicted = "breaks_unpredicted"
    /// Off by more than it should, and by less than the seeds' spread, or at sizes too small or close
    /// for theory: more seeds or other sizes will tell. No pass.
    case unclear
    /// Off where the rule predicts that it is not, and no longer over the larger half of the sizes:
    /// an effect of small sizes, and no fault of the rule.
    case fades
    /// Shown, not judged: it follows from the others, or fades with size.
    case informative
  }

  /// Whether the condition is broken, or cannot be said to be met.
  public var isFailure: Bool { isBroken || verdict == .unclear }

  /// Whether the condition is broken.
  var isBroken: Bool { verdict == .breaksAsPredicted || verdict == .breaksUnpredicted }

  /// Whether the layer's own σ or rate is off, and not only what other layers hand it.
  var deviatesByItself: Bool { abs(ownDeviation) > quantity.tolerance }

  private enum CodingKeys: String, CodingKey {
    case layer, quantity, values, exponent, lower, upper, predicted
    case predictedLimit = "predicted_limit"
    case condition
    case conditionLimit = "condition_limit"
    case ownDeviation = "own_deviation"
    case verdict
    case seedsToTell = "seeds_to_tell"
  }
}

extension SpectralQuantity {
  /// How far a fitted exponent may lie from where it should.
  ///
  /// Theory is good to 0.1 at widths from 64, and to 0.2 from 32; the mildest known fault moves an
  /// exponent by a half. What features change sums up the finite-width errors of all layers before.
  var tolerance: Double { self == .featureChange ? 0.3 : 0.2 }
}
