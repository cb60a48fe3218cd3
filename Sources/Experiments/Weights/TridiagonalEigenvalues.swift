/// Eigenvalues of a symmetric tridiagonal matrix T, with the last component of each eigenvector.
///
/// Implicit QL with Wilkinson's shift, in Double. Only the last row of the eigenvectors' matrix is
/// carried along, which is all that Lanczos' residuals need.
/// Source: Golub and Welsch, "Calculation of Gauss Quadrature Rules" (1969), where it is the first
/// row; Parlett, "The Symmetric Eigenvalue Problem", section 8.9.
struct TridiagonalEigenvalues {
  /// Eigenvalues with components, greatest eigenvalue first.
  let pairs: [(value: Double, lastComponent: Double)]

  /// - diagonal: k values. offDiagonal: the k − 1 beside them.
  init(diagonal: [Double], offDiagonal: [Double]) {
    precondition(
      diagonal.count == offDiagonal.count + 1,
      "\(diagonal.count) and \(offDiagonal.count) values of a tridiagonal matrix")
    var d = diagonal
    var e = offDiagonal + [0]
    var row = [Double](repeating: 0, count: d.count)
    row[d.count - 1] = 1
    for start in d.indices {
      // Three steps an eigenvalue are usual; far more than enough end the loop whatever comes.
      for _ in 0..<60 {
        let end =
          (start..<(d.count - 1)).first { index in
            abs(e[index]) <= 0x1p-53 * (abs(d[index]) + abs(d[index + 1]))
          } ?? d.count - 1
        if end == start { break }
        Self.step(&d, &e, &row, start..<end)
      }
    }
    pairs = zip(d, row).map { ($0, $1) }.sorted { $0.0 > $1.0 }
  }

  /// One QL step on the unreduced block from `range.lowerBound` to `range.upperBound`.
  private static func step(
    _ d: inout [Double], _ e: inout [Double], _ row: inout [Double], _ range: Range<Int>
  ) {
    let (first, last) = (range.lowerBound, range.upperBound)
    let half = (d[first + 1] - d[first]) / (2 * e[first])
    let root = hypotenuse(half, 1)
    var g = d[last] - d[first] + e[first] / (half + (half < 0 ? -root : root))
    var (sine, cosine, shift) = (1.0, 1.0, 0.0)
    for index in range.reversed() {
      let f = sine * e[index]
      let b = cosine * e[index]
      let r = hypotenuse(f, g)
      e[index + 1] = r
      if r == 0 {
        d[index + 1] -= shift
        e[last] = 0
        return
      }
      (sine, cosine) = (f / r, g / r)
      g = d[index + 1] - shift
      let t = (d[index] - g) * sine + 2 * cosine * b
      shift = sine * t
      d[index + 1] = g + shift
      g = cosine * t - b
      (row[index], row[index + 1]) = (
        cosine * row[index] - sine * row[index + 1], sine * row[index] + cosine * row[index + 1]
      )
    }
    d[first] -= shift
    e[first] = g
    e[last] = 0
  }

  private static func hypotenuse(_ a: Double, _ b: Double) -> Double {
    (a * a + b * b).squareRoot()
  }
}
