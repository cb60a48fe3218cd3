import Tensors

/// A normalisation's operands, and what it is in Double.
struct NormalizationProblem {
  let replicas: Int, rows: Int, columns: Int
  let isCentered: Bool, hasGain: Bool, hasBias: Bool
  /// Floats as Doubles: the reference computes with what the device has.
  var x: [Double], gain: [Double], bias: [Double]
  let delta: [Double]

  var name: String {
    "\(isCentered ? "layer" : "rms")\(hasGain ? " gain" : "")\(hasBias ? " bias" : "") "
      + "\(replicas)×\(rows)×\(columns)"
  }

  init(
    replicas: Int, rows: Int, columns: Int, isCentered: Bool, hasGain: Bool, hasBias: Bool,
    mean: Float = 0.25
  ) {
    (self.replicas, self.rows, self.columns) = (replicas, rows, columns)
    (self.isCentered, self.hasGain, self.hasBias) = (isCentered, hasGain, hasBias)
    func values(_ count: Int, _ stream: UInt64, _ low: Float, _ high: Float) -> [Double] {
      var random = Philox(seed: 11, stream: stream)
      return (0..<count).map { _ in Double(random.uniform(low, high)) }
    }
    let count = replicas * rows * columns
    x = values(count, 0, mean - 1.7, mean + 1.7)
    delta = values(count, 1, -1, 1)
    gain = values(replicas * columns, 2, 0.5, 1.5)
    bias = values(replicas * columns, 3, -1, 1)
  }

  private init(_ problem: Self, only replica: Int) {
    func part(_ values: [Double]) -> [Double] {
      let count = values.count / problem.replicas
      return Array(values[replica * count..<(replica + 1) * count])
    }
    (replicas, rows, columns) = (1, problem.rows, problem.columns)
    (isCentered, hasGain, hasBias) = (problem.isCentered, problem.hasGain, problem.hasBias)
    (x, delta) = (part(problem.x), part(problem.delta))
    (gain, bias) = (part(problem.gain), part(problem.bias))
  }

  func replica(_ index: Int) -> Self { Self(self, only: index) }

  struct Numbers<Value: Equatable>: Equatable {
    var output: [Value], mean: [Value], inverse: [Value], input: [Value]
    var gain: [Value]?, bias: [Value]?

    func replica(_ index: Int, of replicas: Int) -> Self {
      func part(_ values: [Value]) -> [Value] {
        let count = values.count / replicas
        return Array(values[index * count..<(index + 1) * count])
      }
      return Self(
        output: part(output), mean: part(mean), inverse: part(inverse), input: part(input),
        gain: gain.map(part), bias: bias.map(part))
    }
  }

  struct Reference {
    var output: [Double] = [], mean: [Double] = [], inverse: [Double] = [], input: [Double] = []
    var gain: [Double]?, bias: [Double]?
    /// Sums of the terms' sizes, which errors are measured by.
    var inputScale: [Double] = [], gainScale: [Double] = []
  }

  /// What the device makes of it.
  func run(_ compute: Compute) throws -> Numbers<Float> {
    func tensor(_ values: [Double], _ rows: Int) throws -> Tensor {
      try compute.tensor(
        values.map { Float($0) }, replicas: replicas, rows: rows, columns: columns)
    }
    let (x, delta) = (try tensor(x, rows), try tensor(delta, rows))
    let gain = hasGain ? try tensor(gain, 1) : nil
    let epsilon = NormalizationTests.epsilon
    guard isCentered else {
      let forward = try compute.rmsNorm(x, gain: gain, epsilon: epsilon)
      let backward = try compute.rmsNormBackward(
        delta, input: x, inverse: forward.inverse, gain: gain)
      return Numbers(
        output: try compute.read(forward.output), mean: [],
        inverse: try compute.read(forward.inverse), input: try compute.read(backward.input),
        gain: try backward.gain.map(compute.read), bias: nil)
    }
    let forward = try compute.layerNorm(
      x, gain: gain, bias: hasBias ? tensor(bias, 1) : nil, epsilon: epsilon)
    let backward = try compute.layerNormBackward(
      delta, input: x, mean: forward.mean, inverse: forward.inverse, gain: gain,
      wantsBias: hasBias)
    return Numbers(
      output: try compute.read(forward.output), mean: try compute.read(forward.mean),
      inverse: try compute.read(forward.inverse), input: try compute.read(backward.input),
      gain: try backward.gain.map(compute.read), bias: try backward.bias.map(compute.read))
  }

  /// A row's μ, which is 0 for the root mean square, and r.
  private func moments(row: Int) -> (mean: Double, inverse: Double) {
    let n = Double(columns)
    var mean = 0.0
    if isCentered {
      for c in row * columns..<(row + 1) * columns { mean += x[c] }
      mean /= n
    }
    var square = 0.0
    for c in row * columns..<(row + 1) * columns { square += (x[c] - mean) * (x[c] - mean) }
    return (mean, 1 / (square / n + Double(NormalizationTests.epsilon)).squareRoot())
  }

  private func gain(_ row: Int, _ c: Int) -> Double {
    hasGain ? gain[row / rows * columns + c] : 1
  }

  func reference() -> Reference {
    var result = Reference()
    var gains = [Double](repeating: 0, count: replicas * columns)
    var (biases, scale) = (gains, gains)
    let n = Double(columns)
    for row in 0..<replicas * rows {
      let (mean, inverse) = moments(row: row)
      result.mean.append(mean)
      result.inverse.append(inverse)
      var (level, along, levelSize, alongSize) = (0.0, 0.0, 0.0, 0.0)
      for c in 0..<columns {
        let normal = (x[row * columns + c] - mean) * inverse
        let slope = delta[row * columns + c] * gain(row, c)
        let parameter = row / rows * columns + c
        result.output.append(gain(row, c) * normal + (hasBias ? bias[parameter] : 0))
        level += slope / n
        along += slope * normal / n
        levelSize += abs(slope) / n
        alongSize += abs(slope * normal) / n
        gains[parameter] += delta[row * columns + c] * normal
        biases[parameter] += delta[row * columns + c]
        scale[parameter] += abs(delta[row * columns + c]) * (1 + abs(normal))
      }
      for c in 0..<columns {
        let normal = (x[row * columns + c] - mean) * inverse
        let slope = delta[row * columns + c] * gain(row, c)
        result.input.append(
          inverse * (slope - (isCentered ? level : 0) - normal * along))
        result.inputScale.append(
          inverse * (abs(slope) + levelSize + (1 + abs(normal)) * alongSize))
      }
    }
    result.gain = gains
    result.bias = biases
    result.gainScale = scale
    return result
  }

  /// The rows that an element of `x`, or of a gain or bias, is in.
  func rows(of index: Int, isInput: Bool) -> Range<Int> {
    if isInput { return index / columns..<index / columns + 1 }
    let replica = index / columns
    return replica * rows..<(replica + 1) * rows
  }

  /// Σ δ ∘ output over some rows.
  func loss(rows range: Range<Int>) -> Double {
    var sum = 0.0
    for row in range {
      let (mean, inverse) = moments(row: row)
      for c in 0..<columns {
        let normal = (x[row * columns + c] - mean) * inverse
        let output = gain(row, c) * normal + (hasBias ? bias[row / rows * columns + c] : 0)
        sum += delta[row * columns + c] * output
      }
    }
    return sum
  }

  /// The greatest |x| of a row.
  func largest(row: Int) -> Double {
    x[row * columns..<(row + 1) * columns].reduce(0) { max($0, abs($1)) }
  }
}
