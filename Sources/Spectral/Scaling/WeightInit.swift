/// How a weight is drawn that starts with entries of deviation σ.
///
/// A row of an embedding is a matrix of its own, as its input is one-hot: under `spectral` and `orthogonal`
/// its norm is σ√fanOut exactly.
public enum WeightInit: String, Codable, Hashable, Sendable, CaseIterable {
  /// Entries N(0, σ²).
  case gaussian
  /// The same, scaled to the spectral norm that they have on average: ‖W‖_* = σ(√fanOut + √fanIn).
  case spectral
  /// Semi-orthogonal, uniformly drawn, times σ√max(fanOut, fanIn), which every singular value then is: the
  /// Frobenius norm that Gaussian entries have on average.
  ///
  /// With the σ of the spectral parametrization that is √(fanOut/fanIn) for every shape.
  /// Source: Saxe et al., arXiv:1312.6120; with that norm Large et al., arXiv:2405.14813.
  case orthogonal

  /// ‖W‖_*/σ of a weight of this shape, of Gaussian ones on average.
  public func normRatio(of shape: ParameterShape) -> Double {
    switch self {
    case .gaussian, .spectral: shape.normRatio
    case .orthogonal: Double(max(shape.fanOut, shape.fanIn)).squareRoot()
    }
  }
}
