import COpenBLAS
import Tensors

/// A matrix in the host's memory, in Double, for estimators whose accuracy float32 does not give.
struct HostMatrix {
  let rows: Int
  let columns: Int
  /// Row-major.
  let elements: [Double]

  init(rows: Int, columns: Int, _ elements: [Double]) {
    precondition(
      elements.count == rows * columns, "\(elements.count) elements for [\(rows), \(columns)]")
    self.rows = rows
    self.columns = columns
    self.elements = elements
  }

  /// The replicas of `tensor`; waits for the commands before.
  static func replicas(of tensor: Tensor, compute: Compute) throws -> [HostMatrix] {
    let values = try compute.read(tensor)
    return (0..<tensor.replicas).map { replica in
      HostMatrix(
        rows: tensor.rows, columns: tensor.columns,
        values[replica * tensor.stride..<(replica + 1) * tensor.stride].map(Double.init))
    }
  }

  /// ‖W‖_F; no float32 elements over- or underflow when squared in Double.
  var frobeniusNorm: Double { cblas_dnrm2(blasint(elements.count), elements, 1) }

  /// What a norm of a matrix with elements that are not numbers is, else nil: NaN, or infinite
  /// where there is no NaN among them.
  var notFinite: Double? {
    if elements.allSatisfy(\.isFinite) { return nil }
    return elements.contains(where: \.isNaN) ? .nan : .infinity
  }

  /// W x, or Wᵀ x.
  func times(_ x: [Double], transposed: Bool = false) -> [Double] {
    precondition(x.count == (transposed ? rows : columns), "vector of \(x.count)")
    var result = [Double](repeating: 0, count: transposed ? columns : rows)
    cblas_dgemv(
      CblasRowMajor, transposed ? CblasTrans : CblasNoTrans, blasint(rows), blasint(columns), 1,
      elements, blasint(columns), x, 1, 0, &result, 1)
    return result
  }

  /// Every singular value, largest first, by LAPACK's dgesdd in Double; the left singular vectors
  /// too where asked, as columns [rows, rank].
  func singularValues(withLeftVectors: Bool = false) -> (values: [Double], left: [Double]) {
    if let value = notFinite {
      return ([Double](repeating: value, count: min(rows, columns)), [])
    }
    // Row-major W is Wᵀ to LAPACK, whose right vectors, [rank, rows] column-major, are W's left.
    var a = elements
    var m = blasint(columns)
    var n = blasint(rows)
    let rank = min(m, n)
    var values = [Double](repeating: 0, count: Int(rank))
    var u = [Double](repeating: 0, count: withLeftVectors ? Int(m * rank) : 1)
    var vt = [Double](repeating: 0, count: withLeftVectors ? Int(rank * n) : 1)
    var job = CChar(UInt8(ascii: withLeftVectors ? "S" : "N"))
    var info: blasint = 0
    var integers = [blasint](repeating: 0, count: 8 * Int(rank))
    var size: blasint = -1
    var query = 0.0
    var (ldu, ldvt) = withLeftVectors ? (m, rank) : (1, 1)
    dgesdd_(
      &job, &m, &n, &a, &m, &values, &u, &ldu, &vt, &ldvt, &query, &size, &integers, &info)
    size = blasint(query)
    var work = [Double](repeating: 0, count: max(1, Int(size)))
    dgesdd_(
      &job, &m, &n, &a, &m, &values, &u, &ldu, &vt, &ldvt, &work, &size, &integers, &info)
    precondition(info >= 0, "dgesdd, argument \(-info)")
    // The iteration did not converge, which has no number to go with it.
    if info > 0 { values = values.map { _ in .nan } }
    return (values, withLeftVectors ? vt : [])
  }
}
