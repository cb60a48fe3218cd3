import Foundation

/// Student's t distribution.
enum StudentT {
  /// The point that a share of `probability` lies below, ½ ≤ probability < 1.
  static func quantile(_ probability: Double, degreesOfFreedom: Int) -> Double {
    precondition(degreesOfFreedom >= 1, "t needs ≥ 1 degree of freedom, got \(degreesOfFreedom)")
    precondition(probability >= 0.5 && probability < 1, "got the probability \(probability)")
    var (low, high) = (0.0, 1.0)
    while below(high, degreesOfFreedom) < probability { (low, high) = (high, 2 * high) }
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if below(middle, degreesOfFreedom) < probability { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// The share below t ≥ 0, by the finite sums for whole degrees of freedom (Abramowitz & Stegun
  /// 26.7.3 and 26.7.4).
  private static func below(_ t: Double, _ degrees: Int) -> Double {
    let nu = Double(degrees)
    let square = nu / (nu + t * t)
    let (sine, cosine) = ((1 - square).squareRoot(), square.squareRoot())
    let isOdd = !degrees.isMultiple(of: 2)
    // Terms cos θ·(2·4…)/(3·5…)·cos²ᵏθ of odd ν, (1·3…)/(2·4…)·cos²ᵏθ of even ν.
    var term = isOdd ? cosine : 1
    var sum = degrees == 1 ? 0 : term
    for k in stride(from: isOdd ? 3 : 2, through: degrees - 2, by: 2) {
      term *= square * Double(k - 1) / Double(k)
      sum += term
    }
    let within =
      isOdd ? 2 / Double.pi * (atan(t / nu.squareRoot()) + sine * sum) : sine * sum
    return (1 + within) / 2
  }
}
