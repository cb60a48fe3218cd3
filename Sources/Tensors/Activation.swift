import Foundation

/// An elementwise nonlinearity φ; a layer computes h = φ(z).
public enum Activation: String, Codable, Hashable, Sendable, CaseIterable {
  /// φ(z) = z.
  case identity
  /// φ(z) = max(z, 0), with φ'(0) = 0.
  case relu
  /// φ(z) = tanh z.
  case tanh
  /// The tanh form, ½z(1 + tanh(√(2/π)(z + 0.044715 z³))) (Hendrycks & Gimpel, arXiv:1606.08415).
  case gelu
  /// z/(1 + e^−z), also called swish (Hendrycks & Gimpel, arXiv:1606.08415).
  case silu

  /// Whether φ'(z) cannot be told from h = φ(z), so that whoever keeps h alone has to keep φ'(z) too.
  var hidesDerivative: Bool { self == .gelu || self == .silu }

  /// φ(z) in Double, on the host.
  func value(at z: Double) -> Double {
    switch self {
    case .identity: return z
    case .relu: return z < 0 ? 0 : z
    case .tanh: return Foundation.tanh(z)
    case .gelu:
      let inner = (2 / Double.pi).squareRoot() * (z + 0.044715 * z * z * z)
      return 0.5 * z * (1 + Foundation.tanh(inner))
    case .silu: return z / (1 + exp(-z))
    }
  }
}
