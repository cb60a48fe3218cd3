import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// Causal attention and its gradients against plain loops in Double, by both variants of the kernels
/// and, of the item variant, vectors of 4, 8 and 16.
@Suite(.serialized) struct AttentionTests {
  /// What attention is computed by, with the sizes of heads that are tried: each has a program of its
  /// own to compile. Sizes of no vector, of several, of one and a part, and, for groups, of several
  /// parts.
  struct Kernels: CustomTestStringConvertible, Sendable {
    let variant: KernelVariant, width: Int, headSizes: [Int]

    var testDescription: String { "\(variant) \(width)" }

    func compute() throws -> Compute {
      try Compute.idle(vectorWidth: width, kernelVariant: variant)
    }
  }
  static let kernels = [
    Kernels(variant: .item, width: 4, headSizes: [1, 5, 8, 16, 32, 64]),
    Kernels(variant: .item, width: 8, headSizes: [5, 16]),
    Kernels(variant: .item, width: 16, headSizes: [5, 16, 32]),
    Kernels(variant: .group, width: 4, headSizes: [1, 5, 16, 32, 64, 80, 150]),
  ]
  /// Replicas, sequences, heads and tokens.
  static let sizes = [
    (1, 1, 1, 1), (3, 1, 1, 2), (1, 3, 3, 7), (1, 1, 1, 16), (3, 1, 3, 17), (1, 1, 1, 64),
    (1, 3, 3, 65),
  ]

  /// |got − reference| ≤ 1e-6·scale for every element, a few roundings of its terms; NaN fails. Terms
  /// below 1e-30 are of p that are next to the least float, and may have lost their digits.
  private func expect(
    _ got: [Float], _ reference: [Double], scale: [Double], _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(got.count == reference.count, sourceLocation: sourceLocation)
    var (worst, wrong) = (0.0, 0)
    for index in got.indices {
      let error = abs(Double(got[index]) - reference[index])
      let size = scale[index] + 1e-24
      if !(error <= 1e-6 * size) { wrong += 1 }
      worst = max(worst, error / size)
    }
    #expect(
      wrong == 0, "\(what): \(wrong) of \(got.count), worst \(worst)",
      sourceLocation: sourceLocation)
  }

  private func expectAgreement(_ problem: AttentionProblem, on compute: Compute) throws {
    let (want, scale) = problem.reference()
    let got = try problem.run(compute)
    let name = "\(problem.name) \(compute.kernelVariant) \(compute.vectorWidth)"
    expect(got.output, want.output, scale: scale.output, "\(name): output")
    expect(got.logSums, want.logSums, scale: scale.logSums, "\(name): logSums")
    expect(got.query, want.query, scale: scale.query, "\(name): ∂query")
    expect(got.key, want.key, scale: scale.key, "\(name): ∂key")
    expect(got.value, want.value, scale: scale.value, "\(name): ∂value")
  }

  // MARK: Against Double

  @Test(arguments: kernels) func attention_andItsGradients_matchDouble(kernels: Kernels) throws {
    let compute = try kernels.compute()
    for headSize in kernels.headSizes {
      for (replicas, sequences, heads, context) in Self.sizes {
        let problem = AttentionProblem(
          replicas: replicas, sequences: sequences, heads: heads, headSize: headSize,
          context: context)
        try expectAgreement(problem, on: compute)
      }
    }
  }

  /// Several blocks of a work-group's tokens.
  @Test(arguments: kernels) func attention_ofManyTokens_matchesDouble(kernels: Kernels) throws {
    let problem = AttentionProblem(
      replicas: 1, sequences: 1, heads: 2, headSize: 16, context: 263)
    try expectAgreement(problem, on: kernels.compute())
  }

  /// A negative scale, and logits of about ±1e2 and ±1e4, of which one has nearly all of p.
  @Test(arguments: kernels) func attention_ofLargeLogits_matchesDouble(kernels: Kernels) throws {
    let compute = try kernels.compute()
    for sharpness in [Float(-1), 50, 4000] {
      let problem = AttentionProblem(
        replicas: 1, sequences: 2, heads: 2, headSize: 16, context: 33, sharpness: sharpness)
      try expectAgreement(problem, on: compute)
    }
  }

  /// Equal logits, of any size, give means.
  @Test(arguments: kernels) func equalLogits_giveMeans(kernels: Kernels) throws {
    let compute = try kernels.compute()
    for size in [0.0, 100, -100] {
      var problem = AttentionProblem(
        replicas: 1, sequences: 1, heads: 1, headSize: 16, context: 40)
      problem.query = problem.query.map { _ in size }
      problem.key = problem.key.map { _ in abs(size) }
      let got = try problem.run(compute)
      var sums = [Double](repeating: 0, count: 16)
      for token in 0..<40 {
        for c in 0..<16 {
          sums[c] += problem.value[token * 16 + c]
          #expect(abs(Double(got.output[token * 16 + c]) - sums[c] / Double(token + 1)) <= 2e-6)
        }
      }
    }
  }

  @Test func gradients_ofTheReference_matchCentralDifferences() {
    for (headSize, context) in [(1, 2), (5, 7), (8, 1)] {
      var problem = AttentionProblem(
        replicas: 2, sequences: 2, heads: 3, headSize: headSize, context: context)
      let want = problem.reference().numbers
      func check(
        _ path: WritableKeyPath<AttentionProblem, [Double]>, _ slopes: [Double], _ name: String
      ) {
        for index in stride(from: 0, to: slopes.count, by: max(1, slopes.count / 29)) {
          let (step, value) = (1e-5, problem[keyPath: path][index])
          problem[keyPath: path][index] = value + step
          let up = problem.loss()
          problem[keyPath: path][index] = value - step
          let slope = (up - problem.loss()) / (2 * step)
          problem[keyPath: path][index] = value
          #expect(abs(slopes[index] - slope) <= 1e-7 * (1 + abs(slope)), "\(name) \(index)")
        }
      }
      check(\.query, want.query, "∂query")
      check(\.key, want.key, "∂key")
      check(\.value, want.value, "∂value")
    }
  }

  @Test(arguments: kernels) func statistics_matchDouble(kernels: Kernels) throws {
    let compute = try kernels.compute()
    for (replicas, sequences, heads, context) in Self.sizes {
      for sharpness in [Float(1), 4000] {
        var problem = AttentionProblem(
          replicas: replicas, sequences: sequences, heads: heads, headSize: 5, context: context,
          sharpness: sharpness)
        func statistics() throws -> (largestLogit: [Float], entropy: [Float]) {
          let got = try compute.attentionStatistics(
            query: problem.tensor(problem.query, compute),
            key: problem.tensor(problem.key, compute), shape: problem.shape, scale: problem.scale)
          #expect(got.entropy.shape == [replicas, 1, heads])
          return (try compute.read(got.largestLogit), try compute.read(got.entropy))
        }
        let (want, got) = (problem.statistics(), try statistics())
        // Logits of up to 5·1.7² times the scale, which take p off by as many roundings.
        let slack = 1 + 15 * Double(problem.scale)
        let ones = [Double](repeating: slack, count: replicas * heads)
        expect(got.largestLogit, want.largestLogit, scale: ones, "\(problem.name): largest")
        expect(got.entropy, want.entropy, scale: ones, "\(problem.name): entropy")
        problem.query[0] = .nan
        let spoilt = try statistics()
        #expect(spoilt.largestLogit[0].isNaN && spoilt.entropy[0].isNaN)
        #expect(spoilt.largestLogit.dropFirst() == got.largestLogit.dropFirst())
        #expect(spoilt.entropy.dropFirst() == got.entropy.dropFirst())
      }
    }
  }

  // MARK: What depends on what

  /// The rows of one head are another's columns: those of `values` that are not among `changed`'s
  /// sequence and head from `changed.token` on, or, where `later`, up to it.
  private func untouched(
    _ values: [Float], _ problem: AttentionProblem, columns: Int,
    by changed: (sequence: Int, token: Int, head: Int), later: Bool = false
  ) -> [Float] {
    values.indices.filter { index in
      let row = index / (problem.shape.heads * columns)
      let (sequence, token) = (row / problem.shape.context, row % problem.shape.context)
      let head = index / columns % problem.shape.heads
      guard sequence == changed.sequence && head == changed.head else { return true }
      return later ? token > changed.token : token < changed.token
    }.map { values[$0] }
  }

  /// A later token, another sequence and another head change nothing, to the bit, be they NaN. Of the
  /// gradients this is true of the query's; a key's and value's are those of the tokens from it on.
  @Test(arguments: kernels) func outputs_doNotDependOnLaterTokens(kernels: Kernels) throws {
    let compute = try kernels.compute()
    for headSize in [5, 16] {
      for context in [2, 17, 65, 140] {
        let problem = AttentionProblem(
          replicas: 1, sequences: 3, heads: 2, headSize: headSize, context: context)
        let before = try problem.run(compute)
        for token in Set([0, 1, context / 2, 15, 16, context - 1]) where token < context {
          let place = (sequence: 1, token: token, head: 1)
          for value in [Double.nan, .infinity, 1e4] {
            var changed = problem
            let start = ((context + token) * 2 + 1) * headSize
            for index in start..<start + headSize {
              changed.query[index] = value
              changed.key[index] = value
              changed.value[index] = value
              changed.delta[index] = value
            }
            let after = try changed.run(compute)
            let name = "\(problem.name), token \(token) \(value)"
            func same(_ path: KeyPath<AttentionProblem.Numbers<Float>, [Float]>, _ columns: Int)
              -> Bool
            {
              untouched(before[keyPath: path], problem, columns: columns, by: place)
                == untouched(after[keyPath: path], problem, columns: columns, by: place)
            }
            #expect(same(\.output, headSize), "\(name): output")
            #expect(same(\.logSums, 1), "\(name): logSums")
            #expect(same(\.query, headSize), "\(name): ∂query")
            let own = after.output[start..<start + headSize]
            #expect(value.isFinite || own.allSatisfy { !$0.isFinite }, "\(name)")
          }
        }
      }
    }
  }

  /// Nor do gradients of keys and values depend on queries before them.
  @Test(arguments: kernels) func gradients_doNotDependOnEarlierQueries(kernels: Kernels) throws {
    let compute = try kernels.compute()
    for context in [17, 65, 140] {
      let problem = AttentionProblem(
        replicas: 1, sequences: 2, heads: 2, headSize: 16, context: context)
      let before = try problem.run(compute)
      for token in [0, 3, 15, context - 2] {
        var changed = problem
        let start = ((context + token) * 2 + 1) * 16
        for index in start..<start + 16 {
          changed.query[index] = .nan
          changed.delta[index] = .nan
        }
        let after = try changed.run(compute)
        for path in [\AttentionProblem.Numbers<Float>.key, \.value] {
          func others(_ values: [Float]) -> [Float] {
            untouched(
              values, problem, columns: 16, by: (sequence: 1, token: token, head: 1), later: true)
          }
          #expect(
            others(before[keyPath: path]) == others(after[keyPath: path]),
            "\(problem.name), token \(token)")
        }
      }
    }
  }

  /// A token that is alone has p = 1, whatever its logit: no gradient goes to its query and key.
  @Test(arguments: kernels) func gradients_ofOneToken_areZero(kernels: Kernels) throws {
    let compute = try kernels.compute()
    let problem = AttentionProblem(
      replicas: 2, sequences: 3, heads: 2, headSize: 16, context: 1, sharpness: 100)
    let got = try problem.run(compute)
    #expect(got.output == problem.value.map(Float.init))
    let ones = [Double](repeating: 100, count: problem.delta.count)
    expect(got.value, problem.delta, scale: ones, "∂value")
    #expect(got.query.allSatisfy { $0 == 0 } && got.key.allSatisfy { $0 == 0 })
  }

  @Test(arguments: kernels) func replica_aloneAndInAGroup_isTheSame(kernels: Kernels) throws {
    let compute = try kernels.compute()
    for headSize in [5, 16] {
      for (sequences, heads, context) in [(1, 1, 65), (3, 3, 17), (1, 2, 7)] {
        var problem = AttentionProblem(
          replicas: 3, sequences: sequences, heads: heads, headSize: headSize, context: context)
        let group = try problem.run(compute)
        for replica in 0..<3 {
          let solo = try problem.replica(replica).run(compute)
          #expect(solo == group.replica(replica, of: 3), "\(problem.name), replica \(replica)")
        }
        // The second replica has diverged.
        let count = problem.query.count / 3
        for index in count..<2 * count {
          problem.query[index] = .nan
          problem.value[index] = .infinity
        }
        let spoilt = try problem.run(compute)
        for replica in [0, 2] {
          #expect(spoilt.replica(replica, of: 3) == group.replica(replica, of: 3))
        }
        #expect(spoilt.replica(1, of: 3).output.allSatisfy { $0.isNaN })
      }
    }
  }

  // MARK: Memory

  @Test(arguments: kernels) func backward_leavesItsOperandsAlone(kernels: Kernels) throws {
    let compute = try kernels.compute()
    let problem = AttentionProblem(
      replicas: 2, sequences: 2, heads: 2, headSize: 5, context: 19)
    let operands = try [problem.query, problem.key, problem.value, problem.delta].map {
      try problem.tensor($0, compute)
    }
    let (output, logSums) = try compute.attention(
      query: operands[0], key: operands[1], value: operands[2], shape: problem.shape, scale: 1)
    let forward = (try compute.read(output), try compute.read(logSums))
    _ = try compute.attentionBackward(
      operands[3], query: operands[0], key: operands[1], value: operands[2], output: output,
      logSums: logSums, shape: problem.shape, scale: 1)
    #expect(try compute.read(output) == forward.0 && compute.read(logSums) == forward.1)
    for (tensor, values) in zip(
      operands, [problem.query, problem.key, problem.value, problem.delta])
    {
      #expect(try compute.read(tensor) == values.map(Float.init))
    }
  }

  /// Nothing is read or written behind a tensor: operands have NaN there, results a sentinel.
  @Test(arguments: kernels) func attention_staysWithinItsTensors(kernels: Kernels) throws {
    let compute = try kernels.compute()
    let sentinel: Float = -77
    for headSize in [5, 16] {
      for (sequences, heads, context) in [(1, 1, 1), (1, 1, 7), (2, 1, 17), (1, 3, 65)] {
        let shape = AttentionShape(heads: heads, headSize: headSize, context: context)
        func guarded(_ columns: Int, _ value: Float, _ behind: Float) throws -> Tensor {
          let tensor = try Tensor(
            replicas: 2, rows: sequences * context, columns: columns, guarded: 1024,
            pool: compute.pool)
          try tensor.buffer.write(
            (0..<tensor.count).map { value * Float($0 % 7 + 1) }
              + [Float](repeating: behind, count: 1024), queue: compute.queue)
          return tensor
        }
        let operand = try guarded(shape.columns, 0.1, .nan)
        let (output, logSums) = (
          try guarded(shape.columns, .nan, sentinel), try guarded(heads, .nan, sentinel)
        )
        try compute.attention(
          query: operand, key: operand, value: operand, shape: shape, scale: 1, output: output,
          logSums: logSums)
        let slopes = (
          query: try guarded(shape.columns, .nan, sentinel),
          key: try guarded(shape.columns, .nan, sentinel),
          value: try guarded(shape.columns, .nan, sentinel)
        )
        try compute.attentionBackward(
          operand, query: operand, key: operand, value: operand, output: output,
          logSums: logSums, shape: shape, scale: 1, into: slopes)
        for tensor in [output, logSums, slopes.query, slopes.key, slopes.value] {
          let values = try compute.read(tensor)
          #expect(
            values.suffix(1024).allSatisfy { $0 == sentinel }
              && values.dropLast(1024).allSatisfy { $0.isFinite }, "\(shape)")
        }
      }
    }
  }

  @Test func attention_isCountedInPlaceOfBeingMade() throws {
    let recording = Recording()
    let compute = try Compute(recording: recording, device: .find(.best))
    let problem = AttentionProblem(
      replicas: 2, sequences: 3, heads: 2, headSize: 16, context: 9)
    #expect(try problem.run(compute).output.allSatisfy { $0 == 0 })
    #expect(recording.launches == (compute.kernelVariant == .group ? 3 : 2))
  }
}
