import COpenBLAS
import Foundation
import Tensors
import Testing

/// Matrices of known structure for norm tests, row-major.
enum MatrixFamily: String, CaseIterable, CustomTestStringConvertible {
  case gaussian, orthogonal, rankOne, rankDeficient, zero, twinTop, decaying

  var testDescription: String { rawValue }

  func make(_ rows: Int, _ columns: Int, seed: UInt64) -> [Float] {
    switch self {
    case .gaussian: return gaussianNumbers(rows * columns, seed: seed)
    case .orthogonal: return withSingularValues(rows, columns, seed: seed) { _ in 1 }
    case .rankOne: return withSingularValues(rows, columns, seed: seed) { $0 == 0 ? 3 : 0 }
    case .rankDeficient:
      return withSingularValues(rows, columns, seed: seed) { $0 < 3 ? 2 / Double($0 + 1) : 0 }
    case .zero: return [Float](repeating: 0, count: rows * columns)
    case .twinTop: return withSingularValues(rows, columns, seed: seed) { $0 < 2 ? 1 : 0.5 }
    case .decaying:
      return withSingularValues(rows, columns, seed: seed) { exp(-Double($0) / 20) }
    }
  }
}

func gaussianNumbers(_ count: Int, seed: UInt64) -> [Float] {
  var random = Philox(seed: seed, stream: 77)
  return (0..<count).map { _ in
    let radius = (-2 * log(Double(random.uniform()) + 0x1p-25)).squareRoot()
    return Float(radius * cos(2 * Double.pi * Double(random.uniform())))
  }
}

/// U diag(σ) Vᵀ with few reflections for U and V, so that large ones are cheap: exact up to
/// float32.
private func withSingularValues(
  _ rows: Int, _ columns: Int, seed: UInt64, _ value: (Int) -> Double
) -> [Float] {
  var matrix = [Double](repeating: 0, count: rows * columns)
  for index in 0..<min(rows, columns) { matrix[index * columns + index] = value(index) }
  for round in 0..<3 {
    let u = unit(rows, seed: seed &+ UInt64(round))
    let v = unit(columns, seed: seed &+ 100 &+ UInt64(round))
    // M ← (I − 2uuᵀ) M (I − 2vvᵀ)
    var left = [Double](repeating: 0, count: columns)
    cblas_dgemv(
      CblasRowMajor, CblasTrans, blasint(rows), blasint(columns), 1, matrix, blasint(columns), u,
      1, 0, &left, 1)
    cblas_dger(
      CblasRowMajor, blasint(rows), blasint(columns), -2, u, 1, left, 1, &matrix,
      blasint(columns))
    var right = [Double](repeating: 0, count: rows)
    cblas_dgemv(
      CblasRowMajor, CblasNoTrans, blasint(rows), blasint(columns), 1, matrix, blasint(columns),
      v, 1, 0, &right, 1)
    cblas_dger(
      CblasRowMajor, blasint(rows), blasint(columns), -2, right, 1, v, 1, &matrix,
      blasint(columns))
  }
  return matrix.map(Float.init)
}

private func unit(_ count: Int, seed: UInt64) -> [Double] {
  let vector = gaussianNumbers(count, seed: seed &+ 7).map(Double.init)
  let length = cblas_dnrm2(blasint(count), vector, 1)
  return vector.map { $0 / length }
}

/// The references: LAPACK's dgesdd in Double, called here and not through the library.
func referenceSingularValues(_ matrix: [Float], _ rows: Int, _ columns: Int) -> [Double] {
  var a = matrix.map(Double.init)
  var (m, n) = (blasint(columns), blasint(rows))
  var values = [Double](repeating: 0, count: min(rows, columns))
  var job = CChar(UInt8(ascii: "N"))
  var one: blasint = 1
  var (size, info): (blasint, blasint) = (-1, 0)
  var integers = [blasint](repeating: 0, count: 8 * values.count)
  var (u, vt, query) = (0.0, 0.0, 0.0)
  dgesdd_(
    &job, &m, &n, &a, &m, &values, &u, &one, &vt, &one, &query, &size, &integers, &info)
  size = blasint(query)
  var work = [Double](repeating: 0, count: Int(size))
  dgesdd_(
    &job, &m, &n, &a, &m, &values, &u, &one, &vt, &one, &work, &size, &integers, &info)
  precondition(info == 0, "dgesdd: \(info)")
  return values
}

func referenceFrobenius(_ matrix: some Collection<Float>) -> Double {
  matrix.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
}
