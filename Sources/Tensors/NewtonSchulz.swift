/// An iteration to the nearest semi-orthogonal matrix: what is left of X = U Σ Vᵀ is U Vᵀ, nearly.
///
///     X ← X/(margin·‖X‖_F),   then for each polynomial (a, b, c):  X ← aX + bXXᵀX + c(XXᵀ)²X
///
/// which maps each singular value σ to aσ + bσ³ + cσ⁵ and leaves the singular vectors as they are. Source of
/// the method: Björck & Bowie, SIAM J. Numer. Anal. 8 (1971).
public struct NewtonSchulz: Hashable, Sendable {
  /// An odd polynomial of degree five.
  public struct Polynomial: Hashable, Sendable {
    /// Factors of σ, σ³ and σ⁵.
    public let a, b, c: Double

    /// aσ + bσ³ + cσ⁵.
    public func callAsFunction(_ value: Double) -> Double {
      let square = value * value
      return value * (a + square * (b + square * c))
    }
  }

  /// Coefficients that are known by name.
  public enum Coefficients: String, Codable, Hashable, Sendable, CaseIterable {
    /// Each step's own, the best for what the step before leaves: within 0.859…1.141 after five of them for
    /// σ ≥ 1.02e-3·‖X‖_F. Further steps converge to 1. Source: Amsel et al., arXiv:2505.16932.
    case polarExpress = "polar-express"
    /// The same at every step, which raise small singular values the fastest and do not converge: within
    /// 0.68…1.203 after five for σ ≥ 3e-3·‖X‖_F. Source: Jordan et al., 2024, Muon.
    case jordan
  }

  /// In the order in which they are applied.
  public let polynomials: [Polynomial]
  /// What the largest possible singular value is divided by beyond 1, ≥ 1.
  public let margin: Double

  /// Any polynomials whose a and b are not 0.
  public init(_ polynomials: [Polynomial], margin: Double = 1) {
    precondition(
      !polynomials.isEmpty && margin >= 1 && polynomials.allSatisfy { $0.a != 0 && $0.b != 0 },
      "polynomials \(polynomials), margin \(margin)")
    (self.polynomials, self.margin) = (polynomials, margin)
  }

  /// `steps` ≥ 1 steps with coefficients of that name.
  public init(_ coefficients: Coefficients, steps: Int = 5) {
    switch coefficients {
    case .polarExpress:
      self.init(
        (0..<steps).map { $0 < Self.express.count ? Self.express[$0] : Self.convergent },
        margin: 1.02)
    case .jordan:
      self.init([Polynomial](repeating: Self.jordan, count: steps))
    }
  }

  /// The polar factor itself, of symmetric matrices the sign: singular values become 1 within 1e-5 for
  /// σ ≥ 5.8e-5·‖X‖_F, nine steps. Polar Express with its second polynomial three times, which keeps what is at
  /// most 1.98 so, and with two steps that converge.
  static let precise = NewtonSchulz(
    express.prefix(2) + [express[1], express[1]] + express.dropFirst(2) + [convergent, convergent],
    margin: 1.02)

  /// The polar factor of matrices that are nearly singular, as random square ones are: singular values become 1
  /// within 1e-5 for σ ≥ 2.2e-7·‖X‖_F, thirteen steps.
  public static let thorough = NewtonSchulz(
    precise.polynomials.prefix(2) + [Polynomial](repeating: express[1], count: 4)
      + precise.polynomials.dropFirst(2), margin: 1.02)

  /// What becomes of a singular value that is `share` of the matrix's Frobenius norm.
  public func value(ofShare share: Double) -> Double {
    polynomials.reduce(share / margin) { $1($0) }
  }

  private static let express = [
    Polynomial(a: 8.156554524902461, b: -22.48329292557795, c: 15.878769915207462),
    Polynomial(a: 4.042929935166739, b: -2.808917465908714, c: 0.5000178451051316),
    Polynomial(a: 3.8916678022926607, b: -2.772484153217685, c: 0.5060648178503393),
    Polynomial(a: 3.285753657755655, b: -2.3681294933425376, c: 0.46449024233003106),
    Polynomial(a: 2.3465413258596377, b: -1.7097828382687081, c: 0.42323551169305323),
  ]
  /// Of the highest order of convergence about 1.
  private static let convergent = Polynomial(a: 15.0 / 8, b: -10.0 / 8, c: 3.0 / 8)
  private static let jordan = Polynomial(a: 3.4445, b: -4.7750, c: 2.0315)
}
