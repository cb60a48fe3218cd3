/// An elementwise nonlinearity φ; a layer computes h = φ(z).
public enum Activation: String, Codable, Hashable, Sendable, CaseIterable {
  case identity
  case relu
  case tanh
  /// The tanh form, ½z(1 + tanh(√(2/π)(z + 0.044715 z³))) (Hendrycks & Gimpel, arXiv:1606.08415).
  case gelu
}
