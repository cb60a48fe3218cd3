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
  init(of values: [Float], columns: Int, rows: [Int]) {
    self.init(inputs: columns, rows: rows) { Double(values[$0]) }
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
