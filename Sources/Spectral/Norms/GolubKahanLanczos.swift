import COpenBLAS
import Tensors

/// Leading singular values by Golub–Kahan–Lanczos bidiagonalisation on the host, in Double.
///
///     W V = U B,  Wᵀ U = V Bᵀ + β v eᵀ;  the singular values of the small bidiagonal B
///
/// U and V are kept orthogonal in full (two Gram–Schmidt passes a step); where the iteration breaks
/// down it continues with a new random vector, and after min(rows, columns) steps it is exact. The
/// accuracy is that of `tolerance`, down to about 1e-14; float32 elements enter as they are. A
/// value that occurs several times may count once.
///
/// Source: Golub & Kahan, SIAM J. Numer. Anal. B 2 (1965) 205.
public struct GolubKahanLanczos: Sendable {
  /// What ends the iteration: residuals of the wanted values, as a part of the largest value.
  public let tolerance: Double
  /// Of the start vectors.
  public let seed: UInt64

  /// An estimator of this accuracy; the error is below the residual, and its square for values that
  /// stand apart.
  public init(tolerance: Double = 1e-7, seed: UInt64 = 0) {
    self.tolerance = tolerance
    self.seed = seed
  }

  /// What a bidiagonalisation found.
  public struct Values: Sendable {
    /// The leading singular values, largest first.
    public let singularValues: [Double]
    /// Residual ‖Wᵀu − σv‖ of each.
    public let residuals: [Double]
    /// ‖W‖_F.
    public let frobeniusNorm: Double
    /// Steps made, each with one product by W and one by Wᵀ.
    public let steps: Int
  }

  /// The `count` largest singular values of each matrix, fewer where it has fewer:
  /// [matrix][replica]. Matrices that are not finite have the value NaN or infinity.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func leading(_ count: Int, of matrices: [Tensor], compute: Compute) throws -> [[Values]] {
    precondition(count > 0, "\(count) singular values")
    return try matrices.map { tensor in
      try HostMatrix.replicas(of: tensor, compute: compute).map { values(count, of: $0) }
    }
  }

  /// The largest singular value of each matrix, [matrix][replica].
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public func estimate(_ matrices: [Tensor], compute: Compute) throws -> [[SpectralNormEstimate]] {
    try leading(1, of: matrices, compute: compute).map { replicas in
      replicas.map { found in
        let norm = found.singularValues[0]
        return SpectralNormEstimate(
          norm: norm, relativeResidual: norm == 0 ? 0 : found.residuals[0] / norm,
          frobeniusNorm: found.frobeniusNorm, iterations: found.steps)
      }
    }
  }

  func values(_ count: Int, of matrix: HostMatrix) -> Values {
    let rank = min(matrix.rows, matrix.columns)
    let wanted = min(count, rank)
    let frobenius = matrix.frobeniusNorm
    if let value = matrix.notFinite {
      let values = [Double](repeating: value, count: wanted)
      return Values(singularValues: values, residuals: values, frobeniusNorm: value, steps: 0)
    }
    // The right vectors are of the shorter side, so that after `rank` steps they span it.
    let isWide = matrix.rows < matrix.columns
    var left = Basis(length: max(matrix.rows, matrix.columns), seed: seed, stream: 1)
    var right = Basis(length: rank, seed: seed, stream: 2)
    var (alpha, beta): ([Double], [Double]) = ([], [])
    // Below this a norm is rounding, and the space is exhausted.
    let nothing = 1e-15 * frobenius
    var next = right.random()!
    var nextCheck = 1
    while true {
      right.append(next)
      alpha.append(left.extend(matrix.times(next, transposed: isWide), nothing: nothing))
      let steps = alpha.count
      var image = matrix.times(left.last, transposed: !isWide)
      let size = right.orthogonalize(&image)
      beta.append(size > nothing ? size : 0)
      if steps >= rank || steps >= max(nextCheck, wanted) {
        let found = Self.bidiagonal(alpha, beta, count: wanted)
        let bound = tolerance * found.values[0]
        if steps >= rank || found.residuals.allSatisfy({ $0 <= bound }) {
          return Values(
            singularValues: found.values, residuals: found.residuals, frobeniusNorm: frobenius,
            steps: steps)
        }
        nextCheck = steps + max(1, steps / 8)
      }
      if size > nothing {
        next = image.map { $0 / size }
      } else {
        next = right.random()!
      }
    }
  }

  /// Leading singular values of the upper bidiagonal matrix, diagonal α, above it β; and β_last
  /// times the last component of their left vectors, which is the residual in W.
  private static func bidiagonal(_ alpha: [Double], _ beta: [Double], count: Int) -> (
    values: [Double], residuals: [Double]
  ) {
    let size = alpha.count
    var b = [Double](repeating: 0, count: size * size)
    for index in 0..<size {
      b[index * size + index] = alpha[index]
      if index + 1 < size { b[index * size + index + 1] = beta[index] }
    }
    let svd = HostMatrix(rows: size, columns: size, b).singularValues(withLeftVectors: true)
    // left is column-major [value, row] as LAPACK's VT: element (value, row) at row·size + value.
    return (
      Array(svd.values.prefix(count)),
      (0..<min(count, size)).map { abs(beta[size - 1] * svd.left[(size - 1) * size + $0]) }
    )
  }
}

/// Orthonormal vectors of one length.
private struct Basis {
  let length: Int
  private var vectors: [Double] = []
  private var generator: Philox
  private(set) var count = 0

  init(length: Int, seed: UInt64, stream: UInt64) {
    self.length = length
    generator = Philox(seed: seed, stream: stream)
  }

  var last: [Double] { Array(vectors[(count - 1) * length..<count * length]) }

  mutating func append(_ vector: [Double]) {
    vectors += vector
    count += 1
  }

  /// Takes the part of `vector` that lies outside the basis into it, normalised, and returns its
  /// length; where that is `nothing`, a random vector and 0.
  mutating func extend(_ vector: [Double], nothing: Double) -> Double {
    var vector = vector
    let size = orthogonalize(&vector)
    if size > nothing {
      append(vector.map { $0 / size })
      return size
    }
    append(random()!)
    return 0
  }

  /// Removes the basis from `vector`, twice, and returns the length that is left.
  func orthogonalize(_ vector: inout [Double]) -> Double {
    if count > 0 {
      for _ in 0..<2 {
        var along = [Double](repeating: 0, count: count)
        cblas_dgemv(
          CblasRowMajor, CblasNoTrans, blasint(count), blasint(length), 1, vectors,
          blasint(length), vector, 1, 0, &along, 1)
        cblas_dgemv(
          CblasRowMajor, CblasTrans, blasint(count), blasint(length), -1, vectors,
          blasint(length), along, 1, 1, &vector, 1)
      }
    }
    return cblas_dnrm2(blasint(length), vector, 1)
  }

  /// A random unit vector outside the basis; nil where the basis spans everything.
  mutating func random() -> [Double]? {
    guard count < length else { return nil }
    while true {
      var vector = (0..<length).map { _ in Double(generator.uniform(-1, 1)) }
      let before = cblas_dnrm2(blasint(length), vector, 1)
      let size = orthogonalize(&vector)
      // What is left after heavy cancellation is rounding: draw again.
      if size > 1e-6 * before { return vector.map { $0 / size } }
    }
  }
}
