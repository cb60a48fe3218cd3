import GPUTrain

/// The layer's gradient of Σ c∘y against central differences of the formula in Double.
///
/// - Returns: the greatest deviation, relative to the greatest entry of the gradient.
func gradientDeviation(compute: Compute) throws -> Double {
  let (replicas, rows, columns) = (2, 5, 37)
  var random = Philox(seed: 1, stream: 0)
  func numbers() -> [Float] {
    (0..<replicas * rows * columns).map { _ in random.uniform(-1, 1) }
  }
  let (x, c) = (numbers(), numbers())
  let input = try compute.tensor(x, replicas: replicas, rows: rows, columns: columns)
  let (_, pullback) = try RMSNorm()(input, compute: compute)
  let delta = try compute.tensor(c, replicas: replicas, rows: rows, columns: columns)
  let gradient = try compute.read(pullback(delta, true) { _, _ in }!)

  /// Σ c∘y of the row that starts at `first`.
  func loss(_ x: [Double], row first: Int) -> Double {
    let row = x[first..<first + columns]
    let meanSquare = row.reduce(0) { $0 + $1 * $1 } / Double(columns)
    let r = 1 / (meanSquare + Double(RMSNorm.epsilon)).squareRoot()
    return row.indices.reduce(0) { $0 + Double(c[$1]) * r * row[$1] }
  }
  let step = 1e-5
  let expected = x.indices.map { index in
    var shifted = x.map(Double.init)
    let first = index / columns * columns
    shifted[index] += step
    let above = loss(shifted, row: first)
    shifted[index] -= 2 * step
    return (above - loss(shifted, row: first)) / (2 * step)
  }
  let largest = expected.map(abs).max()!
  return zip(gradient, expected).map { abs(Double($0) - $1) }.max()! / largest
}
