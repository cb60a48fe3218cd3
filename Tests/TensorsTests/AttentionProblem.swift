import Foundation
import Tensors

/// An attention's operands, and what it is in Double.
struct AttentionProblem {
  let replicas: Int, sequences: Int
  let shape: AttentionShape
  let scale: Float
  /// Floats as Doubles: the reference computes with what the device has.
  var query: [Double], key: [Double], value: [Double], delta: [Double]

  var rows: Int { sequences * shape.context }
  var name: String {
    "\(replicas)×\(sequences)×\(shape.context), \(shape.heads) heads of \(shape.headSize)"
  }

  /// - sharpness: the logits' standard deviation, or so.
  init(
    replicas: Int, sequences: Int, heads: Int, headSize: Int, context: Int, sharpness: Float = 1
  ) {
    (self.replicas, self.sequences) = (replicas, sequences)
    shape = AttentionShape(heads: heads, headSize: headSize, context: context)
    scale = sharpness / Float(headSize).squareRoot()
    let count = replicas * sequences * context * heads * headSize
    func values(_ stream: UInt64) -> [Double] {
      var random = Philox(seed: 23, stream: stream)
      return (0..<count).map { _ in Double(random.uniform(-1.7, 1.7)) }
    }
    (query, key, value, delta) = (values(0), values(1), values(2), values(3))
  }

  private init(_ problem: Self, only replica: Int) {
    func part(_ values: [Double]) -> [Double] { values.part(replica, of: problem.replicas) }
    (replicas, sequences) = (1, problem.sequences)
    (shape, scale) = (problem.shape, problem.scale)
    (query, key) = (part(problem.query), part(problem.key))
    (value, delta) = (part(problem.value), part(problem.delta))
  }

  func replica(_ index: Int) -> Self { Self(self, only: index) }

  struct Numbers<Value: Equatable>: Equatable {
    var output: [Value], logSums: [Value], query: [Value], key: [Value], value: [Value]

    func replica(_ index: Int, of replicas: Int) -> Self {
      Self(
        output: output.part(index, of: replicas), logSums: logSums.part(index, of: replicas),
        query: query.part(index, of: replicas), key: key.part(index, of: replicas),
        value: value.part(index, of: replicas))
    }
  }

  // MARK: On the device

  func tensor(_ values: [Double], _ compute: Compute) throws -> Tensor {
    try compute.tensor(
      values.map { Float($0) }, replicas: replicas, rows: rows, columns: shape.columns)
  }

  /// What the device makes of it.
  func run(_ compute: Compute) throws -> Numbers<Float> {
    let (q, k) = (try tensor(query, compute), try tensor(key, compute))
    let (v, delta) = (try tensor(value, compute), try tensor(delta, compute))
    let (output, logSums) = try compute.attention(
      query: q, key: k, value: v, shape: shape, scale: scale)
    let slopes = try compute.attentionBackward(
      delta, query: q, key: k, value: v, output: output, logSums: logSums, shape: shape,
      scale: scale)
    return Numbers(
      output: try compute.read(output), logSums: try compute.read(logSums),
      query: try compute.read(slopes.query), key: try compute.read(slopes.key),
      value: try compute.read(slopes.value))
  }

  // MARK: In Double

  /// Where a token's head's columns start.
  private func start(_ sequence: Int, _ token: Int, _ head: Int) -> Int {
    (sequence * shape.context + token) * shape.columns + head * shape.headSize
  }

  private func dot(_ x: [Double], _ i: Int, _ y: [Double], _ j: Int) -> Double {
    var sum = 0.0
    for c in 0..<shape.headSize { sum += x[i + c] * y[j + c] }
    return sum
  }

  /// Σ |x·y|, which errors of `dot` are measured by.
  private func size(_ x: [Double], _ i: Int, _ y: [Double], _ j: Int) -> Double {
    var sum = 0.0
    for c in 0..<shape.headSize { sum += abs(x[i + c] * y[j + c]) }
    return sum
  }

  /// BODY(sequence of all replicas, head).
  private func forHeads(_ body: (Int, Int) -> Void) {
    for sequence in 0..<replicas * sequences {
      for head in 0..<shape.heads { body(sequence, head) }
    }
  }

  /// A token's logits, and the log of the sum of their exponentials.
  private func logits(_ sequence: Int, _ token: Int, _ head: Int) -> (s: [Double], logSum: Double) {
    let s = (0...token).map {
      Double(scale) * dot(query, start(sequence, token, head), key, start(sequence, $0, head))
    }
    let most = s.max()!
    return (s, most + log(s.reduce(0) { $0 + exp($1 - most) }))
  }

  /// What it is, and the sizes of the terms, with those of the logits, that errors are measured by.
  func reference() -> (numbers: Numbers<Double>, scale: Numbers<Double>) {
    let zeros = [Double](repeating: 0, count: query.count)
    let scalars = [Double](repeating: 0, count: replicas * rows * shape.heads)
    var result = Numbers(output: zeros, logSums: scalars, query: zeros, key: zeros, value: zeros)
    var sizes = result
    let scale = Double(scale)
    forHeads { sequence, head in
      for token in 0..<shape.context {
        let t = start(sequence, token, head)
        let (s, logSum) = logits(sequence, token, head)
        let p = s.map { exp($0 - logSum) }
        let starts = (0...token).map { start(sequence, $0, head) }
        // A logit that is off by ε takes its p off by ε·p.
        let slack = 1 + starts.reduce(0) { max($0, abs(scale) * size(query, t, key, $1)) }
        let scalar = t / shape.headSize
        result.logSums[scalar] = logSum
        sizes.logSums[scalar] = slack
        for (u, p) in zip(starts, p) {
          for c in 0..<shape.headSize {
            result.output[t + c] += p * value[u + c]
            sizes.output[t + c] += slack * p * abs(value[u + c])
          }
        }
        let along = dot(delta, t, result.output, t)
        let alongSize = size(delta, t, sizes.output, t)
        for (u, p) in zip(starts, p) {
          let slope = scale * p * (dot(delta, t, value, u) - along)
          let slopeSize = abs(scale) * p * (slack * size(delta, t, value, u) + alongSize)
          for c in 0..<shape.headSize {
            result.query[t + c] += slope * key[u + c]
            result.key[u + c] += slope * query[t + c]
            result.value[u + c] += p * delta[t + c]
            sizes.query[t + c] += slopeSize * abs(key[u + c])
            sizes.key[u + c] += slopeSize * abs(query[t + c])
            sizes.value[u + c] += slack * p * abs(delta[t + c])
          }
        }
      }
    }
    return (result, sizes)
  }

  /// Σ δ ∘ output.
  func loss() -> Double {
    var sum = 0.0
    forHeads { sequence, head in
      for token in 0..<shape.context {
        let (s, logSum) = logits(sequence, token, head)
        let t = start(sequence, token, head)
        for (u, s) in s.enumerated() {
          sum += exp(s - logSum) * dot(delta, t, value, start(sequence, u, head))
        }
      }
    }
    return sum
  }

  /// The greatest logit of each replica's heads, and the mean entropy; [replica, 1, heads].
  func statistics() -> (largestLogit: [Double], entropy: [Double]) {
    var largest = [Double](repeating: 0, count: replicas * shape.heads)
    var entropy = [Double](repeating: 0, count: replicas * shape.heads)
    forHeads { sequence, head in
      let at = sequence / sequences * shape.heads + head
      for token in 0..<shape.context {
        let (s, logSum) = logits(sequence, token, head)
        largest[at] = max(largest[at], s.map(abs).max()!)
        for s in s { entropy[at] -= exp(s - logSum) * (s - logSum) / Double(rows) }
      }
    }
    return (largest, entropy)
  }
}

extension Array {
  /// One of `count` equal parts.
  fileprivate func part(_ index: Int, of count: Int) -> Self {
    Array(self[index * self.count / count..<(index + 1) * self.count / count])
  }
}
