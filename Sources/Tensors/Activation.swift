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
}
