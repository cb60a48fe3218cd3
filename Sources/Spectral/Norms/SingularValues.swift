import Tensors

/// Every singular value of matrices, by LAPACK's dgesdd on the host, in Double.
public enum SingularValues {
  /// min(rows, columns) values, largest first, of each matrix: [matrix][replica][value]. All are
  /// NaN, or infinite, for a matrix that is not finite.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public static func all(of matrices: [Tensor], compute: Compute) throws -> [[[Double]]] {
    try matrices.map { tensor in
      try HostMatrix.replicas(of: tensor, compute: compute).map { $0.singularValues().values }
    }
  }

  /// σ_max/σ_min of each matrix, [matrix][replica]; infinite where σ_min is 0, and above about 1e15
  /// nothing but rounding tells it from infinity.
  ///
  /// - Throws: `OpenCLError.callFailed`.
  public static func conditionNumbers(of matrices: [Tensor], compute: Compute) throws
    -> [[Double]]
  {
    try all(of: matrices, compute: compute).map {
      $0.map { values in
        let (largest, smallest) = (values[0], values[values.count - 1])
        return smallest == 0 ? .infinity : largest / smallest
      }
    }
  }
}
