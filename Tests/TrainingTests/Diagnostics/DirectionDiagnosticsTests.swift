import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// What is measured of directions: Muon's singular values against LAPACK's in Double, Lion's signs against
/// what the data make of them.
@Suite(.serialized) struct DirectionDiagnosticsTests {
  let compute: Compute

  init() throws { compute = try Compute.idle() }

  /// Tall, wide, square, thin ones.
  private static let shapes = [
    (replicas: 4, rows: 5, columns: 5), (4, 33, 17), (4, 16, 64), (4, 1, 7), (4, 67, 131),
    (4, 128, 128), (4, 200, 96),
  ]

  private static let iterations = [
    NewtonSchulz(.polarExpress), NewtonSchulz(.jordan), NewtonSchulz(.polarExpress, steps: 1),
  ]

  /// A random matrix, one of rank 2 (or 1), one whose entries fall by rows, zeros.
  private func momenta(_ shape: PowerIteration.Shape, seed: UInt64) throws -> Tensor {
    var random = Philox(seed: seed, stream: 0)
    func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in random.uniform(-1, 1) } }
    let (rows, columns) = (shape.rows, shape.columns)
    let (left, right) = (numbers(2 * rows), numbers(2 * columns))
    let whole = numbers(rows * columns)
    let indices = 0..<rows * columns
    let lowRank = indices.map { index in
      let (row, column) = (index / columns, index % columns)
      return left[2 * row] * right[2 * column] + left[2 * row + 1] * right[2 * column + 1]
    }
    let steep = numbers(rows * columns).enumerated().map { index, value in
      value * exp(-6 * Float(index / columns) / Float(rows))
    }
    return try compute.tensor(
      whole + lowRank + steep + indices.map { _ in 0 }, replicas: 4, rows: rows, columns: columns)
  }

  @Test(arguments: iterations) func extremes_areThoseOfEverySingularValue(
    iteration: NewtonSchulz
  ) throws {
    let norms = try DirectionNorms(
      Self.shapes, heads: Self.shapes.map { _ in 1 }, compute: compute)
    var compared = 0
    // The second time from what the first has found.
    for seed: UInt64 in [1, 2] {
      var expected: [(direction: [[Double]], momentum: [[Double]])] = []
      for (index, shape) in Self.shapes.enumerated() {
        let momenta = try momenta(shape, seed: seed)
        let direction = try compute.orthogonalized(momenta, by: iteration)
        let values = try SingularValues.all(of: [direction, momenta], compute: compute)
        expected.append((values[0], values[1]))
        try norms.take(direction, of: momenta, index: index)
      }
      let found = try #require(try norms.norms())
      for (own, expected) in zip(found, expected) {
        let numbers = try [own.square, own.gap, own.momentumSpectral, own.momentumFrobenius].map {
          try compute.read($0).map(Double.init)
        }
        for replica in 0..<4 {
          let values = expected.direction[replica]
          let (largest, smallest) = (pow(values[0], 2), pow(values[values.count - 1], 2))
          let bound = 1e-3 * largest
          #expect(abs(numbers[0][replica] - largest) <= bound)
          #expect(abs(numbers[0][replica] - numbers[1][replica] - smallest) <= bound)
          let momentum = expected.momentum[replica]
          let frobenius = momentum.reduce(0) { $0 + $1 * $1 }.squareRoot()
          #expect(abs(numbers[2][replica] - momentum[0]) <= 1e-3 * momentum[0])
          #expect(abs(numbers[3][replica] - frobenius) <= 1e-5 * frobenius)
          compared += 1
        }
      }
      #expect(try norms.norms() == nil)
    }
    #expect(compared == 2 * 4 * Self.shapes.count)
  }

  private static let (inputs, count) = (6, 48)

  /// Rows whose last input is always 0.
  private func rows() throws -> DeviceRows {
    var random = Philox(seed: 5, stream: 0)
    let values = (0..<Self.inputs * Self.count).map {
      $0 % Self.inputs == Self.inputs - 1 ? 0 : random.uniform(-1, 1)
    }
    return try DeviceRows(
      .floats(values), labels: (0..<UInt32(Self.count)).map { $0 % 3 },
      scale: [Float](repeating: 1, count: Self.inputs),
      shift: [Float](repeating: 0, count: Self.inputs), compute: compute)
  }

  private func trainer(
    _ optimization: Optimization, hidden: [Int], rates: [Double] = [0.05, 0.02],
    zeroReadout: Bool = false
  ) throws -> Trainer {
    try Trainer(
      TrainingConfiguration(
        network: MLP(
          inputs: Self.inputs, hidden: hidden, outputs: 3, bias: true, activation: .gelu,
          zeroReadout: zeroReadout),
        optimization: optimization, batchSize: Self.count),
      replicas: try rates.enumerated().map {
        Replica(
          seed: UInt64($0.offset + 1), learningRate: $0.element,
          parametrization: try Parametrizations.named("spectral"))
      }, totalSteps: 6, compute: compute)
  }

  /// Against the step that was made, by its weights; of a matrix alone, and of several that are made
  /// together.
  @Test(arguments: [[20, 33], [24, 24, 24, 24]])
  func muonsQuantities_areThoseOfTheStepMade(hidden: [Int]) throws {
    var optimization = Optimization(.muon)
    optimization.muon = Muon.Settings(nesterov: false)
    let trainer = try trainer(optimization, hidden: hidden)
    let rows = try rows()
    let diagnostics = try trainer.diagnose(every: 1, probe: rows)
    let layers = diagnostics.layers
    func values(_ tensors: [Tensor]) throws -> [[Double]] {
      try tensors.map { try compute.read($0).map(Double.init) }
    }
    var weights = [try values(layers.map { $0.weight!.value })]
    var means: [[[[Double]]]] = []
    for _ in 0..<3 {
      _ = try trainer.trainEpoch(on: rows)
      weights.append(try values(layers.map { $0.weight!.value }))
      means.append(
        try layers.indices.map { layer in
          let state = trainer.optimizer.state(of: layers[layer].weight!)
          return try SingularValues.all(of: [state[0]], compute: compute)[0]
        })
    }
    let records = try diagnostics.records()
    for step in 0..<3 {
      for (index, layer) in layers.enumerated() {
        let own = records[step].layers[index]
        guard (1..<hidden.count).contains(index) else {
          #expect(own[.directionSpectralNorm] == nil && own[.momentumStableRank] == nil)
          continue
        }
        let shape = layer.weight!.shape
        let rates = trainer.optimizer.learningRates(of: layer.weight!)
        let size = shape.fanIn * shape.fanOut
        let directions = try compute.tensor(
          (0..<2 * size).map {
            Float((weights[step][index][$0] - weights[step + 1][index][$0]) / rates[$0 / size])
          }, replicas: 2, rows: shape.fanOut, columns: shape.fanIn)
        let singular = try SingularValues.all(of: [directions], compute: compute)[0]
        for replica in 0..<2 {
          func expect(_ quantity: DiagnosticQuantity, _ want: Double, within tolerance: Double) {
            let got = own[quantity]?[replica] ?? .nan
            #expect(
              abs(got - want) <= tolerance,
              "\(quantity), step \(step), layer \(index), replica \(replica): \(got), \(want)")
          }
          let values = singular[replica]
          let (largest, smallest) = (values[0], values[values.count - 1])
          expect(.directionSpectralNorm, largest, within: 2e-3)
          expect(.directionSmallestSingularValue, smallest, within: 4e-3)
          expect(
            .orthogonalityDefect, max(largest * largest - 1, 1 - smallest * smallest),
            within: 4e-3)
          let mean = means[step][index][replica]
          let rank = mean.reduce(0) { $0 + $1 * $1 } / (mean[0] * mean[0])
          expect(.momentumStableRank, rank, within: 2e-3 * rank)
        }
      }
    }
  }

  /// Of heads: the largest, and the smallest, singular value of any; the momentum is one matrix.
  @Test func headsQuantities_areThoseOfTheWorstHead() throws {
    var optimization = Optimization(.muon)
    optimization.muon = Muon.Settings(steps: 3, perHead: true)
    let (width, heads, context) = (24, 3, 4)
    let trainer = try Trainer(
      TrainingConfiguration(
        network: Transformer(
          vocabulary: 7, width: width, depth: 1, heads: .count(heads), context: context),
        optimization: optimization, batchSize: 5),
      replicas: (1...2).map {
        Replica(seed: UInt64($0), learningRate: 0.05, parametrization: SpectralParametrization())
      }, totalSteps: 2, compute: compute)
    let tokens = (0..<161).map { UInt16($0 * $0 % 7) }
    let rows = try DeviceRows(
      .narrow(tokens), TokenWindows(tokens: tokens.count, context: context), compute: compute)
    let diagnostics = try trainer.diagnose(every: 1, probe: rows)
    let value = try #require(
      diagnostics.layers.firstIndex { $0.name == "blocks.0.attention.value" })
    let weight = diagnostics.layers[value].weight!
    let before = try compute.read(weight.value)
    try trainer.train(on: rows, until: 1)
    let after = try compute.read(weight.value)
    let record = try diagnostics.records()[0].layers[value]
    let size = width * width
    let rates = trainer.optimizer.learningRates(of: weight)
    let steps = zip(before, after).enumerated().map { index, pair in
      Float((Double(pair.0) - Double(pair.1)) / rates[index / size])
    }
    let direction = try compute.tensor(steps, replicas: 2, rows: width, columns: width)
    let singular = try SingularValues.all(of: [direction.split(into: heads)], compute: compute)[0]
    for replica in 0..<2 {
      let own = singular[replica * heads..<(replica + 1) * heads]
      let (largest, smallest) = (own.map { $0[0] }.max()!, own.map { $0[7] }.min()!)
      let got = try [DiagnosticQuantity.directionSpectralNorm, .directionSmallestSingularValue].map
      {
        try #require(record[$0]?[replica])
      }
      #expect(abs(got[0] - largest) <= 4e-3 && abs(got[1] - smallest) <= 8e-3, "\(got), \(own)")
    }
  }

  /// A readout of 0 passes nothing back at first: there is no direction, and there is one afterwards.
  @Test func muonsQuantities_startFromNothing_andAreNoNumbersOfDivergedRuns() throws {
    let trainer = try trainer(
      Optimization(.muon), hidden: [20, 33], rates: [0.02, 1e30], zeroReadout: true)
    let rows = try rows()
    let diagnostics = try trainer.diagnose(every: 1, probe: rows)
    for _ in 0..<4 { _ = try trainer.trainEpoch(on: rows) }
    let records = try diagnostics.records()
    func value(_ step: Int, _ replica: Int, _ quantity: DiagnosticQuantity) -> Double? {
      records[step].layers[1][quantity]?[replica]
    }
    #expect(value(0, 0, .directionSpectralNorm) == 0)
    #expect(value(0, 0, .directionSmallestSingularValue) == 0)
    #expect(value(0, 0, .orthogonalityDefect) == 1)
    #expect(value(0, 0, .momentumStableRank)?.isNaN == true)
    for step in 1..<4 {
      #expect(try #require(value(step, 0, .directionSpectralNorm)) > 0.8)
      #expect(try #require(value(step, 0, .momentumStableRank)) >= 0.999)
    }
    for quantity in [
      DiagnosticQuantity.directionSpectralNorm, .directionSmallestSingularValue,
      .orthogonalityDefect, .momentumStableRank,
    ] {
      #expect(value(3, 1, quantity)?.isNaN == true, "\(quantity)")
    }
  }

  /// Entries behind an input that is always 0 have no gradient: their direction is 0, whatever decay does to
  /// them, which is here more than a step.
  @Test(arguments: [nil, WeightDecay(strength: 9, kind: .decoupled)])
  func signShare_leavesOutEntriesWithoutGradient(decay: WeightDecay?) throws {
    let trainer = try trainer(
      Optimization(.lion, weightDecay: decay, schedule: Schedule(.cosine)), hidden: [20, 33],
      zeroReadout: true)
    let rows = try rows()
    let diagnostics = try trainer.diagnose(every: 1, probe: rows)
    for _ in 0..<4 { _ = try trainer.trainEpoch(on: rows) }
    let records = try diagnostics.records()
    let shares = records.map { $0.layers.map { $0[.signShare] } }
    // Behind a readout of 0 there is no gradient at first.
    #expect(shares[0] == [[0, 0], [0, 0], [1, 1]])
    for step in 1..<4 {
      #expect(shares[step][1...] == [[1, 1], [1, 1]], "step \(step)")
      #expect(try #require(shares[step][0]).allSatisfy { abs($0 - 5.0 / 6) <= 1e-7 })
    }
  }

  @Test func otherRulesAndNormsAlone_haveNone() throws {
    let own: [DiagnosticQuantity] = [
      .directionSpectralNorm, .directionSmallestSingularValue, .orthogonalityDefect,
      .momentumStableRank, .signShare,
    ]
    let cases: [(OptimizerKind, Diagnostics.Contents)] = [
      (.adam, .all), (.spectralNormalized, .all), (.muon, .norms), (.lion, .norms),
    ]
    let rows = try rows()
    for (optimizer, contents) in cases {
      let trainer = try trainer(Optimization(optimizer), hidden: [20, 33])
      let diagnostics = try trainer.diagnose(every: 1, contents: contents, probe: rows)
      _ = try trainer.trainEpoch(on: rows)
      let record = try #require(diagnostics.records().first)
      for layer in record.layers { #expect(Set(layer.keys).isDisjoint(with: own)) }
    }
  }
}
