import Foundation
import Tensors

/// What a nonlinearity φ does to the size of Gaussian features and of gradients.
///
///     forward(q) = √E φ(qz)²,   backward(q) = √E φ'(qz)²,   z ~ N(0, 1)
///
/// By the trapezoidal rule over |z| ≤ 8, which for smooth integrands is exact to rounding.
/// Source: the signal propagation of Poole et al. (arXiv:1606.05340).
public struct ActivationMoments: Sendable {
  private let activation: Activation

  /// The moments of `activation`.
  public init(_ activation: Activation) {
    self.activation = activation
  }

  /// √E φ(qz)², the root mean square of features whose preactivations have that of q ≥ 0.
  public func forward(_ q: Double) -> Double {
    switch activation {
    case .identity: q
    case .relu: q / 2.0.squareRoot()
    case .tanh, .gelu, .silu: rootMeanSquare { value(q * $0) }
    }
  }

  /// √E φ'(qz)², by which a gradient shrinks on its way back through φ.
  public func backward(_ q: Double) -> Double {
    switch activation {
    case .identity: 1
    case .relu: 0.5.squareRoot()
    case .tanh, .gelu, .silu: rootMeanSquare { slope(q * $0) }
    }
  }

  private func value(_ z: Double) -> Double {
    switch activation {
    case .identity: z
    case .relu: max(z, 0)
    case .tanh: Foundation.tanh(z)
    case .gelu: 0.5 * z * (1 + Foundation.tanh(Self.inner(z)))
    case .silu: z / (1 + exp(-z))
    }
  }

  /// φ' by a central difference, right to 10⁻⁹.
  private func slope(_ z: Double) -> Double {
    let step = 1e-5
    return (value(z + step) - value(z - step)) / (2 * step)
  }

  private static func inner(_ z: Double) -> Double {
    0.797_884_560_802_865_4 * (z + 0.044715 * z * z * z)
  }

  private func rootMeanSquare(_ function: (Double) -> Double) -> Double {
    let (limit, count) = (8.0, 800)
    let width = 2 * limit / Double(count)
    // A plain loop: predictions of deep networks take it ten thousand times, in tests without optimization.
    var (sum, index) = (0.0, 0)
    while index <= count {
      let z = -limit + Double(index) * width
      let value = function(z)
      sum += value * value * exp(-z * z / 2)
      index += 1
    }
    return (sum * width / (2 * Double.pi).squareRoot()).squareRoot()
  }
}
