import COpenBLAS
import Tensors

/// Two certain bounds of a matrix's spectral norm, lower ≤ ‖W‖_* ≤ upper.
///
///     upper = ‖G^(2^k)‖_F^(1/2^(k+1)),  G = W Wᵀ or WᵀW, the smaller;  lower = ‖W x‖/‖x‖
///
/// x is the longest column of G^(2^k), or its image under the other factor. Computed on the host in
/// Double, with powers of two taken out between squarings; every rounding error has its a-priori
/// bound γ_n = nε/(1 − nε) in the result, so that the bounds hold for the float32 elements as they
/// are (for any order of summation; Higham, Accuracy and Stability of Numerical Algorithms, ch. 3).
/// For a matrix that is not finite both are NaN.
///
/// Source: Delattre, Barthélemy, Araujo, Allauzen, arXiv:2305.16173.
public struct NormBracket: Codable, Hashable, Sendable {
  /// A number that ‖W‖_* is not below.
  public let lower: Double
  /// A number that ‖W‖_* is not above.
  public let upper: Double
  /// ‖W‖_F.
  public let frobeniusNorm: Double

  /// Brackets of each matrix, [matrix][replica].
  ///
  /// - squarings: k. The upper bound is above the norm by p^(1/2^(k+2)) at most, p the smaller
  ///   side: 0.75 % at p = 2048 for the default 8, which costs nine p×p×max(side) products.
  /// - Throws: `OpenCLError.callFailed`.
  public static func brackets(of matrices: [Tensor], squarings: Int = 8, compute: Compute) throws
    -> [[NormBracket]]
  {
    precondition(squarings >= 0, "\(squarings) squarings")
    return try matrices.map { tensor in
      try HostMatrix.replicas(of: tensor, compute: compute).map {
        NormBracket($0, squarings: squarings)
      }
    }
  }

  init(_ matrix: HostMatrix, squarings: Int) {
    frobeniusNorm = matrix.notFinite ?? matrix.frobeniusNorm
    guard matrix.notFinite == nil, frobeniusNorm > 0 else {
      (lower, upper) = matrix.notFinite == nil ? (0, 0) : (.nan, .nan)
      return
    }
    let isWide = matrix.rows <= matrix.columns
    let (side, inner) = isWide ? (matrix.rows, matrix.columns) : (matrix.columns, matrix.rows)
    // G₀ scaled to Frobenius norm about 1, then squared and scaled again: G_{i+1} = 2^e_{i+1} G_i².
    var gram = Self.square(
      matrix.elements, side: side, inner: inner, transposed: !isWide)
    var norms: [Double] = []
    var exponents: [Int] = []
    for squaring in 0...squarings {
      if squaring > 0 { gram = Self.square(gram, side: side, inner: side, transposed: false) }
      let norm = cblas_dnrm2(blasint(gram.count), gram, 1)
      let exponent = -Int(norm.exponent)
      let factor = Double(sign: .plus, exponent: exponent, significand: 1)
      for index in gram.indices { gram[index] *= factor }
      norms.append(norm * factor)
      exponents.append(exponent)
    }
    upper = Self.upper(
      norms: norms, exponents: exponents, side: side, inner: inner, frobenius: frobeniusNorm)
    lower = Self.lower(matrix, gram: gram, side: side, isWide: isWide)
  }

  /// A Aᵀ for A [side, inner] row-major, or AᵀA for A [inner, side]; symmetric to the bit.
  private static func square(_ a: [Double], side: Int, inner: Int, transposed: Bool) -> [Double] {
    var result = [Double](repeating: 0, count: side * side)
    cblas_dsyrk(
      CblasRowMajor, CblasLower, transposed ? CblasTrans : CblasNoTrans, blasint(side),
      blasint(inner), 1, a, blasint(transposed ? side : inner), 0, &result, blasint(side))
    for row in 0..<side {
      for column in 0..<row { result[column * side + row] = result[row * side + column] }
    }
    return result
  }

  /// A bound of the rounding of sums of n products and some more operations.
  private static func gamma(_ n: Int) -> Double {
    let nε = Double(n + 8) * Double.ulpOfOne
    return nε / (1 - nε)
  }

  /// From the last Frobenius norm back: ‖G_i‖² ≤ 2^(−e)(‖G_{i+1}‖ + γ‖G_i‖_F²·2^e), and the first
  /// step's error γ‖W‖_F².
  private static func upper(
    norms: [Double], exponents: [Int], side: Int, inner: Int, frobenius: Double
  ) -> Double {
    let small = 1 + gamma(side * side)
    var bound = norms[norms.count - 1] * small
    for index in stride(from: norms.count - 1, to: 0, by: -1) {
      let unscaled = bound * power(-exponents[index])
      let before = norms[index - 1] * small
      bound = ((unscaled + gamma(side) * before * before) * (1 + gamma(4))).squareRoot()
    }
    let large = frobenius * (1 + gamma(side * inner))
    let square = bound * power(-exponents[0]) + gamma(inner) * large * large
    return square.squareRoot() * (1 + gamma(4))
  }

  private static func power(_ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }

  private static func lower(_ matrix: HostMatrix, gram: [Double], side: Int, isWide: Bool)
    -> Double
  {
    let longest = (0..<side).max { one, two in
      gram[one * side + one] < gram[two * side + two]
    }!
    let x = Array(gram[longest * side..<(longest + 1) * side])
    let length = cblas_dnrm2(blasint(side), x, 1)
    guard length > 0 else { return 0 }
    let image = matrix.times(x, transposed: isWide)
    let size = cblas_dnrm2(blasint(image.count), image, 1)
    // ‖fl(Wx)‖ is within γ‖|W||x|‖ ≤ γ‖W‖_F‖x‖ of ‖Wx‖.
    let ratio = size / length * (1 - gamma(side + image.count))
    return max(0, ratio - gamma(side) * matrix.frobeniusNorm)
  }
}
