import Networks
import Spectral
import Tensors

/// Orthogonalised momentum: every singular value of the update is nearly the same.
///
///     m ← β·m + (1 − β)·g,   u = β·m + (1 − β)·g with Nesterov's look-ahead, else m
///     W ← (1 − s·η·λ)·W − s·η·scale·O,   O ≈ U Vᵀ of u = U Σ Vᵀ
///
/// For hidden matrices: O is the steepest direction by the spectral norm. The scale takes the place of the
/// parametrization's factor; decay is by the rate without it. The rows of each of attention's heads may be a
/// matrix of their own, with an O and a scale by its shape.
///
/// Source: Jordan et al., 2024, Muon; Bernstein & Newhouse, arXiv:2409.20325.
public struct Muon: MatrixUpdateRule {
  /// What all runs that train together share.
  public struct Settings: Codable, Hashable, Sendable {
    /// What O is multiplied by.
    public var scale: MuonScale
    /// How O is found.
    public var coefficients: NewtonSchulz.Coefficients
    /// Steps of the iteration, ≥ 1.
    public var steps: Int
    /// Whether the momentum looks one step ahead.
    public var nesterov: Bool
    /// Whether each head's rows of attention's queries, keys and values are a matrix of their own.
    public var perHead: Bool

    /// The values given.
    public init(
      scale: MuonScale = .condition, coefficients: NewtonSchulz.Coefficients = .polarExpress,
      steps: Int = 5, nesterov: Bool = true, perHead: Bool = false
    ) {
      precondition(steps >= 1, "\(steps) steps of Newton–Schulz")
      (self.scale, self.coefficients) = (scale, coefficients)
      (self.steps, self.nesterov, self.perHead) = (steps, nesterov, perHead)
    }
  }

  /// β in [0, 1).
  public let momentum: Double
  /// The rest.
  public let settings: Settings
  /// Matrices that a parameter's rows are cut into, each orthogonalised for itself.
  public let heads: Int
  /// Of spectral norm 1, before the scale.
  public let family = UpdateFamily.normalized
  private let iteration: NewtonSchulz

  /// Momentum β; 0.95 is every publication's value.
  ///
  /// - heads: ≥ 1, a divisor of the rows.
  public init(_ momentum: Double = 0.95, _ settings: Settings = Settings(), heads: Int = 1) {
    (self.momentum, self.settings, self.heads) = (momentum, settings, heads)
    iteration = NewtonSchulz(settings.coefficients, steps: settings.steps)
  }

  /// m and u.
  public var elementwise: ElementwiseRule { settings.nesterov ? Self.lookingAhead : .runningMean }

  /// β.
  public var hyperparameters: [Double] { [momentum] }

  /// The scale's, of a head's shape.
  public func ownRateFactor(for shape: ParameterShape) -> Double? {
    settings.scale.factor(fanOut: shape.fanOut / heads, fanIn: shape.fanIn)
  }

  /// O of each.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func directions(of matrices: Tensor, compute: Compute) throws -> Tensor {
    try compute.orthogonalized(matrices.split(into: heads), by: iteration).joined(from: heads)
  }

  private static let lookingAhead = ElementwiseRule(
    name: "muon-nesterov", state: ["mean"], hyperparameters: ["momentum"],
    direction: """
      mean = momentum * mean + (1.0f - momentum) * g;
      T d = momentum * mean + (1.0f - momentum) * g;
      """)
}

extension ElementwiseRule {
  /// m ← β·m + (1 − β)·g, and m.
  static let runningMean = ElementwiseRule(
    name: "running-mean", state: ["mean"], hyperparameters: ["momentum"],
    direction: """
      mean = momentum * mean + (1.0f - momentum) * g;
      T d = mean;
      """)
}
