import Foundation
import Spectral
import Tensors

/// Norms by Lanczos' iteration on WᵀW, whose products the device makes over blocks of rows.
///     z = Σ_b W_bᵀ(W_b v),  T = VᵀWᵀWV tridiagonal,  ‖W‖_*² ≈ λ_max(T)
///
/// A matrix that fits the device's memory is copied there once. A larger one is read again for every
/// product, block after block, so that it need not fit the host's memory either. The
/// basis V is kept on the host in Double and made orthogonal against all of itself twice, so that
/// rounding in the device's products does not spoil T.
/// The bracket of a matrix whose smaller side is at most 512 is `NormBracket`'s, which is certain;
/// that of a larger one holds but for one in 10⁹ random starts.
/// Source: Golub and Van Loan, "Matrix Computations", 4th edition, section 10.1.
public struct LanczosMeasure: MatrixMeasure {
  /// Iteration stops where λ_max(T)'s error is estimated below this share of it.
  static let tolerance = 1e-7
  /// Fewest products: where the other singular values are nearly equal, a residual is small before
  /// the largest one is seen.
  static let minimumSteps = 16
  /// Most products; then the bracket says how far the value is known.
  static let maximumSteps = 300
  /// Largest smaller side, and most values, that a certain bracket is computed for: below a tenth of
  /// a second.
  static let certainSide = 512
  static let certainCount = 1 << 22
  /// How often the upper bound of larger matrices may be too low.
  static let failureProbability = 1e-9

  private let compute: Compute
  private let maximumBlockBytes: Int
  private let maximumResidentBytes: Int

  /// A measure that computes with `compute`.
  ///
  /// - maximumBlockBytes: largest block of rows; the device's largest buffer where nil, and 256 MiB
  ///   at most, since a block is also in the host's memory while it is read.
  /// - maximumResidentBytes: largest matrix that is kept on the device; half of the device's memory
  ///   where nil.
  public init(
    compute: Compute, maximumBlockBytes: Int? = nil, maximumResidentBytes: Int? = nil
  ) {
    let device = compute.queue.device
    self.compute = compute
    self.maximumBlockBytes =
      maximumBlockBytes ?? Int(min(device.maximumAllocation, 1 << 28))
    self.maximumResidentBytes =
      maximumResidentBytes ?? Int(min(device.globalMemory / 2, 1 << 62))
  }

  /// - Throws: `OpenCLError`, `CLBlastError`, and what reading the matrix throws.
  public func norms(of matrix: any MatrixRows) throws -> MatrixNorms {
    defer { try? compute.releaseUnusedMemory() }
    var survey = try Survey(matrix, blocks: blocks(of: matrix))
    guard survey.largest > 0 else {
      return MatrixNorms(spectral: 0, lower: 0, upper: 0, frobenius: 0)
    }
    let isResident = matrix.rows * matrix.columns <= maximumResidentBytes / 4
    let gram = try Gram(matrix, &survey, isResident: isResident, compute)
    let norms = try iterate(matrix, gram, survey)
    guard matrix.isRounded else { return norms }
    // Rounding moves a value by 2^-24 of it, or by 2^-150 below the normal range, and so ‖W‖_* by
    // no more than the Frobenius norm of these.
    let count = Double(matrix.rows) * Double(matrix.columns)
    let slack = 0x1p-24 * norms.frobenius + 0x1p-150 * count.squareRoot()
    return MatrixNorms(
      spectral: norms.spectral, lower: max(0, norms.lower - slack), upper: norms.upper + slack,
      frobenius: norms.frobenius)
  }

  /// Ranges of rows, each of at most the block size and of one row at least.
  private func blocks(of matrix: any MatrixRows) -> [Range<Int>] {
    let height = max(1, maximumBlockBytes / (4 * matrix.columns))
    return stride(from: 0, to: matrix.rows, by: height).map {
      $0..<min($0 + height, matrix.rows)
    }
  }

  private func iterate(
    _ matrix: any MatrixRows, _ gram: Gram, _ survey: Survey
  ) throws -> MatrixNorms {
    let columns = matrix.columns
    // Exactly, W's rank and one more step are enough; rounding asks for a few more.
    let limit = min(Self.maximumSteps, columns, matrix.rows + 8)
    // Where steps cost no reading, as many as bring the random bound within 1 % of the norm.
    let least = gram.isResident ? Self.steps(columns: columns, margin: 0.02) : Self.minimumSteps
    var basis = [Self.start(columns)]
    var diagonal: [Double] = []
    var offDiagonal: [Double] = []
    var eigenvalues = TridiagonalEigenvalues(diagonal: [0], offDiagonal: [])
    for step in 1...limit {
      var next = try gram.product(basis[step - 1])
      diagonal.append(dot(next, basis[step - 1]))
      // Twice is enough (Kahan and Parlett).
      for _ in 0..<2 {
        for vector in basis { add(-dot(next, vector), vector, to: &next) }
      }
      let length = dot(next, next).squareRoot()
      eigenvalues = TridiagonalEigenvalues(diagonal: diagonal, offDiagonal: offDiagonal)
      let (value, component) = eigenvalues.pairs[0]
      let residual = length * abs(component)
      let gap = eigenvalues.pairs.count > 1 ? value - eigenvalues.pairs[1].value : 0
      let error = gap > residual ? residual * residual / gap : residual
      let isDone = step >= least && error <= Self.tolerance * value
      if isDone || length <= 0x1p-40 * value { break }
      offDiagonal.append(length)
      basis.append(next.map { $0 / length })
    }
    let measured = norms(
      eigenvalues, steps: diagonal.count, survey: survey, rows: matrix.rows, columns: columns)
    guard let resident = gram.whole, min(matrix.rows, columns) <= Self.certainSide,
      resident.count <= Self.certainCount
    else { return measured }
    let bracket = try NormBracket.brackets(of: [resident], compute: compute)[0][0]
    let (lower, upper) = (bracket.lower * survey.scale, bracket.upper * survey.scale)
    return MatrixNorms(
      spectral: min(max(measured.spectral, lower), upper), lower: lower, upper: upper,
      frobenius: measured.frobenius)
  }

  /// The bracket: λ_max(T) is a lower bound of λ, and upper bounds are, the least of them,
  ///     Σλ − Σ_{i>1} θ_i   since Lanczos' θ_i are at most the eigenvalues λ_i, and Σλ = ‖W‖_F²
  ///     θ_1/(1 − ε)        but for a share 1.648·√n·exp(−√ε·(2k − 1)) of random starts
  /// each widened by the rounding of float32 products. The second is Kuczyński and Woźniakowski,
  /// "Estimating the Largest Eigenvalue by the Power and Lanczos Algorithms" (1992).
  private func norms(
    _ eigenvalues: TridiagonalEigenvalues, steps: Int, survey: Survey, rows: Int, columns: Int
  ) -> MatrixNorms {
    let value = max(eigenvalues.pairs[0].value, 0)
    let trace = survey.sumOfSquares
    let rest = eigenvalues.pairs.dropFirst().reduce(0) { $0 + max($1.value, 0) }
    // Errors of sums of n rounded products grow like √n (Higham and Mary, 2019).
    let rounding = 0x1p-23 * (2 + Double(max(rows, columns)).squareRoot())
    var upper = min(trace, max(value, trace - rest * (1 - rounding)))
    let root = Self.logarithm(columns: columns) / Double(2 * steps - 1)
    if root < 1 { upper = min(upper, value / (1 - root * root)) }
    let spectral = min(value, trace).squareRoot()
    let scale = survey.scale
    return MatrixNorms(
      spectral: spectral * scale, lower: spectral * (1 - rounding) * scale,
      upper: max(upper.squareRoot(), spectral) * (1 + rounding) * scale,
      frobenius: trace.squareRoot() * scale)
  }

  /// √ε·(2k − 1) at which the random bound fails with `failureProbability`.
  private static func logarithm(columns: Int) -> Double {
    log(1.648 * Double(columns).squareRoot() / failureProbability)
  }

  /// Steps k for the random bound with ε = `margin`.
  private static func steps(columns: Int, margin: Double) -> Int {
    Int((logarithm(columns: columns) / margin.squareRoot() + 1) / 2) + 1
  }

  /// A unit vector in a random direction, always the same one.
  private static func start(_ count: Int) -> [Double] {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    func uniform() -> Double {
      // SplitMix64 (Steele, Lea and Flood, 2014).
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
      return (Double((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53
    }
    // Box and Muller: normal numbers, so that no direction is preferred.
    let vector = (0..<count).map { _ in
      (-2 * log(uniform())).squareRoot() * cos(2 * .pi * uniform())
    }
    let length = dot(vector, vector).squareRoot()
    return vector.map { $0 / length }
  }
}

/// One pass over a matrix: what has to be known before the first product.
private struct Survey {
  let blocks: [Range<Int>]
  /// The largest absolute value.
  private(set) var largest: Float = 0
  /// Σ(w/scale)².
  private(set) var sumOfSquares = 0.0
  /// The values of the only block, until they are on the device; nil where there are several.
  var values: [Float]?

  /// A power of two near `largest`: division by it is exact, and squares neither overflow nor
  /// vanish in float32.
  var scale: Double { Double(sign: .plus, exponent: Int(largest.exponent), significand: 1) }

  init(_ matrix: any MatrixRows, blocks: [Range<Int>]) throws {
    self.blocks = blocks
    var sum = 0.0
    for block in blocks {
      let values = try matrix.values(block)
      for value in values {
        largest = max(largest, abs(value))
        // Squares of float32 values stay within a Double's range, from 2^-298 to 2^256.
        sum += Double(value) * Double(value)
      }
      if blocks.count == 1 { self.values = values }
    }
    if largest > 0 { sumOfSquares = sum / (scale * scale) }
  }
}

/// Products with WᵀW/scale² on the device.
private struct Gram {
  private let matrix: any MatrixRows
  private let blocks: [Range<Int>]
  /// In Double, since that of the smallest float32 is beyond the largest.
  private let inverseScale: Double
  private let compute: Compute
  /// The blocks on the device; none where they are read for every product.
  private var resident: [Tensor] = []

  /// Whether products read nothing.
  var isResident: Bool { !resident.isEmpty }
  /// The matrix/scale on the device, where it is one block.
  var whole: Tensor? { resident.count == 1 ? resident[0] : nil }

  init(
    _ matrix: any MatrixRows, _ survey: inout Survey, isResident: Bool, _ compute: Compute
  ) throws {
    self.matrix = matrix
    self.compute = compute
    blocks = survey.blocks
    inverseScale = 1 / survey.scale
    guard isResident else { return }
    if var values = survey.values {
      survey.values = nil
      resident = [try tensor(&values)]
    } else {
      resident = try blocks.map { try tensor($0) }
    }
  }

  func product(_ vector: [Double]) throws -> [Double] {
    let v = try compute.tensor(vector.map { Float($0) }, rows: 1, columns: matrix.columns)
    var sum = [Double](repeating: 0, count: matrix.columns)
    for (index, block) in blocks.enumerated() {
      let part = try isResident ? resident[index] : tensor(block)
      let z = try compute.product(.tn, part, compute.product(.nt, part, v))
      for (index, value) in try compute.read(z).enumerated() { sum[index] += Double(value) }
    }
    return sum
  }

  private func tensor(_ block: Range<Int>) throws -> Tensor {
    var values = try matrix.values(block)
    return try tensor(&values)
  }

  private func tensor(_ values: inout [Float]) throws -> Tensor {
    let columns = matrix.columns
    for index in values.indices { values[index] = Float(Double(values[index]) * inverseScale) }
    return try compute.tensor(values, rows: values.count / columns, columns: columns)
  }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
  var sum = 0.0
  for index in a.indices { sum += a[index] * b[index] }
  return sum
}

private func add(_ factor: Double, _ a: [Double], to b: inout [Double]) {
  for index in a.indices { b[index] += factor * a[index] }
}

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
