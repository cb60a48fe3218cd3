/// How stored features become network inputs: `x·scale + shift`, one pair for each feature.
public enum Normalization: Codable, Hashable, Sendable {
  /// Inputs are the stored values.
  case identity
  /// `x·scale + offset`, the same for every feature.
  case fixed(scale: Float, offset: Float)
  /// Mean 0 and standard deviation 1 for each feature over the training rows.
  ///     (x − mean)/std,  std = √(Σ(x − mean)²/n)
  /// A feature that is constant over the training rows becomes 0 everywhere.
  case perFeature

  /// Byte images to −1…1.
  ///     (x/255 − 0.5)/0.5 = x·(2/255) − 1
  public static let byteImage = Normalization.fixed(scale: 2 / 255, offset: -1)

  /// The scale and shift of each feature.
  /// - trainIndices: rows of `dataSet` that statistics may see: the training part only, so that
  ///   nothing leaks from validation. Used by `perFeature` alone, which traps on an empty list.
  public func resolved(for dataSet: DataSet, trainIndices: [Int]) -> ResolvedNormalization {
    let inputs = dataSet.inputs
    switch self {
    case .identity:
      return ResolvedNormalization(
        scale: [Float](repeating: 1, count: inputs), shift: [Float](repeating: 0, count: inputs))
    case .fixed(let scale, let offset):
      return ResolvedNormalization(
        scale: [Float](repeating: scale, count: inputs),
        shift: [Float](repeating: offset, count: inputs))
    case .perFeature:
      return ResolvedNormalization(FeatureMoments(of: dataSet, rows: trainIndices))
    }
  }
}

/// Scale and shift of each feature, ready to upload: input = `x·scale + shift`.
public struct ResolvedNormalization: Codable, Hashable, Sendable {
  /// Factor of each feature, [inputs], finite.
  public let scale: [Float]
  /// Term of each feature, [inputs], finite.
  public let shift: [Float]

  /// Takes the two arrays as they are; traps where their lengths differ.
  public init(scale: [Float], shift: [Float]) {
    precondition(
      scale.count == shift.count,
      "ResolvedNormalization: scale [\(scale.count)], shift [\(shift.count)], expected equal")
    self.scale = scale
    self.shift = shift
  }

  init(_ moments: FeatureMoments) {
    var scale: [Float] = []
    var shift: [Float] = []
    for column in moments.mean.indices {
      let mean = moments.mean[column]
      let deviation = moments.deviation[column]
      let factor = Float(1 / deviation)
      let term = Float(-mean / deviation)
      // x·scale + shift cancels: its rounding error is about ulp(1)·|mean|/std. Spreads within
      // 16 ulp of the mean are rounding, not signal, and count as constant; so does a std so
      // small that its inverse is no Float.
      let constant = deviation <= 16 * Double(Float.ulpOfOne) * mean.magnitude
      let usable = !constant && factor.isFinite && term.isFinite
      scale.append(usable ? factor : 0)
      shift.append(usable ? term : 0)
    }
    self.init(scale: scale, shift: shift)
  }
}

/// Scale and shift of each target, [targets], in Double: what is learned is `value·scale + shift`, of
/// mean 0 and standard deviation 1 over the training rows.
///     scale = 1/std,  shift = −mean/std
/// Rounded to Float after it only: of seconds since 1970 Float tells those of a minute apart from no others.
struct TargetScaling: Hashable, Sendable {
  let scale, shift: [Double]

  /// - values: [count, names.count]. rows: those that train.
  /// - path: of the data, for errors.
  /// - Throws: `DataError.constantTarget`; `.malformed` where the spread is no more than rounding, or
  ///   beyond Double.
  init(of values: [Double], names: [String], rows: [Int], path: String) throws {
    for (column, name) in names.enumerated() {
      let first = rows.first.map { values[$0 * names.count + column] } ?? 0
      guard rows.contains(where: { values[$0 * names.count + column] != first }) else {
        throw DataError.constantTarget(path: path, name: name, value: "\(first)")
      }
    }
    let moments = FeatureMoments(of: values, columns: names.count, rows: rows)
    for (column, name) in names.enumerated() {
      let (mean, deviation) = (moments.mean[column], moments.deviation[column])
      guard deviation > 16 * Double.ulpOfOne * mean.magnitude, (1 / deviation).isNormal,
        (mean / deviation).isFinite
      else {
        throw DataError.malformed(
          path: path, expected: "target \(name): numbers whose spread 64 bits hold",
          found: "a mean of \(mean) and a standard deviation of \(deviation)")
      }
    }
    scale = moments.deviation.map { 1 / $0 }
    shift = zip(moments.mean, moments.deviation).map { -$0 / $1 }
  }
}

extension DataSet {
  /// The normalisation that fits what is stored: `byteImage` for bytes, `perFeature` for floats.
  public var defaultNormalization: Normalization {
    switch features {
    case .bytes: .byteImage
    case .floats: .perFeature
    }
  }
}

/// Mean and standard deviation of each feature over some rows, [inputs] each, in Double.
struct FeatureMoments {
  let mean: [Double]
  let deviation: [Double]

  init(of dataSet: DataSet, rows: [Int]) {
    precondition(!rows.isEmpty, "perFeature normalization: 0 training rows, expected ≥ 1")
    for row in rows {
      precondition(
        row >= 0 && row < dataSet.count,
        "perFeature normalization: row \(row), expected 0..<\(dataSet.count)")
    }
    let inputs = dataSet.inputs
    switch dataSet.features {
    case .bytes(let values): self.init(inputs: inputs, rows: rows) { Double(values[$0]) }
    case .floats(let values): self.init(inputs: inputs, rows: rows) { Double(values[$0]) }
    }
  }

  /// Of the columns of `values`, [count, columns].
  init(of values: [Double], columns: Int, rows: [Int]) {
    self.init(inputs: columns, rows: rows) { values[$0] }
  }

  /// Two passes, so that a large mean does not swallow a small spread.
  private init(inputs: Int, rows: [Int], value: (Int) -> Double) {
    var sum = [Double](repeating: 0, count: inputs)
    for row in rows {
      for column in 0..<inputs { sum[column] += value(row * inputs + column) }
    }
    let mean = sum.map { $0 / Double(rows.count) }
    var squares = [Double](repeating: 0, count: inputs)
    for row in rows {
      for column in 0..<inputs {
        let difference = value(row * inputs + column) - mean[column]
        squares[column] += difference * difference
      }
    }
    self.mean = mean
    self.deviation = squares.map { ($0 / Double(rows.count)).squareRoot() }
  }
}
