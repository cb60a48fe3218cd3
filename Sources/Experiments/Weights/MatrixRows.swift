/// A matrix whose rows are handed over as they are needed, so that it need not fit any memory.
public protocol MatrixRows {
  /// Number of rows, ≥ 1: a weight's fan-out.
  var rows: Int { get }
  /// Number of columns, ≥ 1: a weight's fan-in.
  var columns: Int { get }
  /// Whether `values` are rounded to float32 from what they stand for, as those of float64 files.
  var isRounded: Bool { get }

  /// The values of whole rows, row-major, all finite.
  ///
  /// May be called again for the same rows; in growing order it is fastest.
  /// - Throws: what reading throws.
  func values(_ range: Range<Int>) throws -> [Float]
}

/// Norms of a matrix W.
public struct MatrixNorms: Hashable, Sendable {
  /// ‖W‖_*, the largest singular value.
  public let spectral: Double
  /// Bounds between which ‖W‖_* lies.
  public let lower, upper: Double
  /// ‖W‖_F, the root of the sum of squares.
  public let frobenius: Double

  /// Norms as measured.
  public init(spectral: Double, lower: Double, upper: Double, frobenius: Double) {
    self.spectral = spectral
    self.lower = lower
    self.upper = upper
    self.frobenius = frobenius
  }

  /// ‖W‖_F²/‖W‖_*², from 1 to the rank; nil for a matrix of zeros.
  public var stableRank: Double? {
    spectral > 0 ? (frobenius / spectral) * (frobenius / spectral) : nil
  }
}

/// A way to measure matrices.
public protocol MatrixMeasure {
  /// The norms of `matrix`.
  ///
  /// - Throws: what reading the matrix throws, and the measure's own errors.
  func norms(of matrix: any MatrixRows) throws -> MatrixNorms
}

/// W − W₀ of two stored matrices of one shape.
struct MatrixDifference: MatrixRows {
  let matrix, other: StoredMatrix

  var rows: Int { matrix.rows }
  var columns: Int { matrix.columns }
  var isRounded: Bool { true }

  /// The difference is taken in Double, so that for float64 files only the result is rounded.
  func values(_ range: Range<Int>) throws -> [Float] {
    let left = try matrix.values(range, as: Double.self)
    let right = try other.values(range, as: Double.self)
    let values: [Float] = try filled(left.count) { memory in
      for index in left.indices { memory[index] = Float(left[index] - right[index]) }
    }
    try checkFinite(values, firstRow: range.lowerBound, columns: columns)
    return values
  }
}
