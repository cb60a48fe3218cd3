import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Every quantity of diagnostics against its definition in Double, from the weights themselves and
/// LAPACK's singular values; and training left as it is.
@Suite(.serialized) struct DiagnosticsTests {
  let compute: Compute
  let rows: DeviceRows
  static let (inputs, count) = (6, 48)

  init() throws {
    compute = try Compute.idle()
    var random = Philox(seed: 5, stream: 0)
    let values = (0..<Self.inputs * Self.count).map { _ in random.uniform(-1, 1) }
    rows = try DeviceRows(
      .floats(values), labels: (0..<UInt32(Self.count)).map { $0 % 3 },
      scale: [Float](repeating: 1, count: Self.inputs),
      shift: [Float](repeating: 0, count: Self.inputs), compute: compute)
  }

  private func trainer(
    _ optimizer: OptimizerKind, decay: WeightDecay? = nil, zeroReadout: Bool = false
  ) throws -> Trainer {
    let configuration = TrainingConfiguration(
      network: MLP(
        inputs: Self.inputs, hidden: [20, 33], outputs: 3, bias: true, activation: .gelu,
        inputMultiplier: 0.25, outputMultiplier: 3, zeroReadout: zeroReadout),
      optimization: Optimization(optimizer, weightDecay: decay), batchSize: Self.count)
    return try Trainer(
      configuration,
      replicas: try [(1, 0.05), (2, 0.02)].map {
        Replica(
          seed: $0.0, learningRate: $0.1, parametrization: try Parametrizations.named("spectral"))
      }, totalSteps: 6, compute: compute)
  }

  /// Each replica's singular values, largest first.
  private func singularValues(_ values: [Double], _ rows: Int, _ columns: Int) throws -> [[Double]]
  {
    let replicas = values.count / (rows * columns)
    let tensor = try compute.tensor(
      values.map { Float($0) }, replicas: replicas, rows: rows, columns: columns)
    return try SingularValues.all(of: [tensor], compute: compute)[0]
  }

  @Test(arguments: [
    OptimizerKind.sgd, .momentum, .adam, .spectralNormalized, .frobeniusNormalized,
  ])
  func quantities_meetTheirDefinitions(_ optimizer: OptimizerKind) throws {
    let trainer = try trainer(optimizer)
    let diagnostics = try trainer.diagnose(every: 1, probe: rows)
    let layers = diagnostics.layers
    func weights() throws -> [[Double]] {
      try layers.map { try compute.read($0.weight!.value).map(Double.init) }
    }
    var history = [try weights()]
    for _ in 0..<3 {
      _ = try trainer.trainEpoch(on: rows)
      history.append(try weights())
    }
    try diagnostics.measure(step: 3)
    let records = try diagnostics.records()
    #expect(records.map(\.step) == [0, 1, 2, 3])
    for (step, record) in records.enumerated() {
      for (index, layer) in layers.enumerated() {
        let (out, into) = (layer.weight!.shape.fanOut, layer.weight!.shape.fanIn)
        let target = (Double(out) / Double(into)).squareRoot()
        func expect(_ quantity: DiagnosticQuantity, _ want: [Double], _ tolerance: Double) {
          let got = record.layers[index][quantity] ?? []
          #expect(got.count == want.count, "\(quantity) at \(step), layer \(index)")
          for (got, want) in zip(got, want) {
            #expect(
              abs(got - want) <= tolerance * abs(want),
              "\(quantity) at step \(step), layer \(index): \(got), expected \(want)")
          }
        }
        let norms = try singularValues(history[step][index], out, into)
        expect(.spectralNorm, norms.map { $0[0] }, 2e-3)
        expect(.weightNorm, norms.map { $0[0] / target }, 2e-3)
        expect(.frobeniusNorm, norms.map { root($0) }, 1e-5)
        if step > 0 {
          let change = zip(history[step][index], history[0][index]).map { $0 - $1 }
          let totals = try singularValues(change, out, into)
          expect(.totalUpdateSpectralNorm, totals.map { $0[0] }, 5e-3)
          expect(.totalUpdateFrobeniusNorm, totals.map { root($0) }, 1e-3)
        }
        guard step < 3 else { continue }
        // Weights of size one hold a step to about 1e-4 of itself.
        let update = zip(history[step + 1][index], history[step][index]).map { $0 - $1 }
        let steps = try singularValues(update, out, into)
        expect(.updateSpectralNorm, steps.map { $0[0] }, 5e-3)
        expect(.updateNorm, steps.map { $0[0] / target }, 5e-3)
        expect(.updateFrobeniusNorm, steps.map { root($0) }, 2e-3)
        expect(.updateStableRank, steps.map { pow(root($0) / $0[0], 2) }, 2e-2)
        expect(
          .learningRate,
          optimizer.family == .sgd
            ? [0.05, 0.02].map { $0 * Double(out) / Double(into) }
            : optimizer.family == .adam
              ? [0.05, 0.02].map { $0 / Double(into) }
              : [0.05, 0.02].map { $0 * target }, 1e-6)
      }
    }
  }

  /// After a measured step too, when the optimizer knows what measures it.
  @Test(arguments: [OptimizerKind.sgd, .adam, .muon])
  func nothingIsKept_ofATrainerThatIsGone(_ optimizer: OptimizerKind) throws {
    weak var diagnostics: Diagnostics?
    weak var own: Optimizer?
    do {
      let trainer = try trainer(optimizer)
      diagnostics = try trainer.diagnose(every: 1, probe: rows)
      own = trainer.optimizer
      _ = try trainer.trainEpoch(on: rows)
      #expect(try trainer.diagnostics?.records().count == 1)
    }
    #expect(diagnostics == nil && own == nil)
  }

  /// Norms keep up with weights that a high rate moves in directions of their own, from a readout of
  /// 0, batch after batch, whether measured each step or rarely.
  @Test(arguments: [OptimizerKind.adam, .momentum, .sgd], [1, 10, 30])
  func norms_areFollowedAsWeightsMove(_ optimizer: OptimizerKind, _ every: Int) throws {
    let (inputs, width, steps) = (40, 128, 61)
    let configuration = TrainingConfiguration(
      network: MLP(inputs: inputs, hidden: [width, width], outputs: 10, zeroReadout: true),
      baseNetwork: MLP(inputs: inputs, hidden: [32, 32], outputs: 10),
      optimization: Optimization(optimizer),
      batchSize: 64)
    let rate = optimizer == .adam ? 0.0078 : optimizer == .sgd ? 0.2 : 0.02
    let trainer = try Trainer(
      configuration,
      replicas: [
        Replica(
          seed: 1, learningRate: rate, parametrization: try Parametrizations.named("spectral"))
      ], totalSteps: steps, compute: compute)
    // Rows around ten centres, another batch each step.
    var random = Philox(seed: 8, stream: 0)
    let centres = (0..<10 * inputs).map { _ in random.uniform(-1, 1) }
    let batches = try (0..<7).map { _ in
      let values = (0..<64 * inputs).map { index in
        centres[index / inputs % 10 * inputs + index % inputs] + random.uniform(-1, 1)
      }
      return try DeviceRows(
        .floats(values), labels: (0..<64).map { UInt32($0 % 10) },
        scale: [Float](repeating: 1, count: inputs), shift: [Float](repeating: 0, count: inputs),
        compute: compute)
    }
    let diagnostics = try trainer.diagnose(every: every, probe: batches[0])
    let layers = diagnostics.layers
    func weights() throws -> [[Double]] {
      try layers.map { try compute.read($0.weight!.value).map(Double.init) }
    }
    // [step]: the weights before and after it.
    var seen: [Int: (before: [[Double]], after: [[Double]])] = [:]
    for step in 0..<steps {
      let isSeen = step % every == 0 && step % 6 < 2
      let before = isSeen ? try weights() : []
      _ = try trainer.trainEpoch(on: batches[step % batches.count])
      if isSeen { seen[step] = (before, try weights()) }
    }
    var compared = 0
    for record in try diagnostics.records() {
      for (index, layer) in layers.enumerated() {
        for quantity in [DiagnosticQuantity.alignment, .updateAlignment] {
          // 0/0 of a matrix of zeros.
          if let value = record.layers[index][quantity]?[0], value.isFinite {
            #expect(value <= 1.01, "\(quantity) of layer \(index) at step \(record.step)")
          }
        }
        guard let seen = seen[record.step] else { continue }
        let (out, into) = (layer.weight!.shape.fanOut, layer.weight!.shape.fanIn)
        let change = zip(seen.after[index], seen.before[index]).map { $0 - $1 }
        for (quantity, matrix) in [
          (DiagnosticQuantity.spectralNorm, seen.before[index]), (.updateSpectralNorm, change),
        ] {
          let want = try singularValues(matrix, out, into)[0][0]
          let got = try #require(record.layers[index][quantity]?[0])
          #expect(
            abs(got - want) <= 0.02 * want,
            "\(quantity) of layer \(index) at step \(record.step): \(got), expected \(want)")
          compared += 1
        }
      }
    }
    #expect(compared >= 12)
  }

  private func root(_ values: [Double]) -> Double {
    values.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  /// Features, alignments and the gradient's norms against a forward pass in Double.
  @Test func featuresAndAlignment_meetTheirDefinitions() throws {
    let trainer = try trainer(.sgd)
    let diagnostics = try trainer.diagnose(every: 1, probe: rows)
    let layers = diagnostics.layers
    let order = try DeviceRows.Order([(0..<32).map { $0 }], compute: compute)
    let probe = try compute.read(
      rows.gather(
        order, offset: 0, rows: 32, labels: Buffer(context: compute.queue.context, count: 32),
        compute: compute)
    ).map(Double.init)
    func forward(_ replica: Int) throws -> [(input: [Double], product: [Double], output: [Double])]
    {
      var input = probe
      return try layers.map { layer in
        let (out, into) = (layer.weight!.shape.fanOut, layer.weight!.shape.fanIn)
        let weight = try compute.read(layer.weight!.value).dropFirst(replica * out * into)
        let name = "\(layer.name).bias"
        let bias = try compute.read(#require(trainer.network.parameter(name)).value)
          .dropFirst(replica * out)
        var (product, output): ([Double], [Double]) = ([], [])
        for row in 0..<32 {
          for unit in 0..<out {
            let sum = (0..<into).reduce(0.0) {
              $0 + Double(weight[weight.startIndex + unit * into + $1]) * input[row * into + $1]
            }
            product.append(sum)
            let z = Double(layer.weight!.multiplier) * sum + Double(bias[bias.startIndex + unit])
            let inner = (2 / Double.pi).squareRoot() * (z + 0.044715 * z * z * z)
            output.append(
              layer.weight!.shape.role == .readout ? z : 0.5 * z * (1 + tanh(inner)))
          }
        }
        defer { input = output }
        return (input, product, output)
      }
    }
    let before = try (0..<2).map(forward)
    _ = try trainer.trainEpoch(on: rows)
    let after = try (0..<2).map(forward)
    try diagnostics.measure(step: 1)
    let records = try diagnostics.records()
    for index in layers.indices {
      for replica in 0..<2 {
        func value(_ step: Int, _ quantity: DiagnosticQuantity) -> Double {
          records[step].layers[index][quantity]?[replica] ?? .nan
        }
        func expect(_ got: Double, _ want: Double, _ tolerance: Double, _ what: String) {
          #expect(
            abs(got - want) <= tolerance * abs(want), "\(what), layer \(index): \(got), \(want)")
        }
        let (old, new) = (before[replica][index], after[replica][index])
        let units = Double(old.output.count)
        expect(value(0, .featureSize), root(old.output) / units.squareRoot(), 1e-4, "rms h")
        expect(
          value(1, .featureMeanAbsolute), new.output.reduce(0) { $0 + abs($1) } / units, 1e-4,
          "mean |h|")
        expect(
          value(1, .featureChange),
          root(zip(new.output, old.output).map { $0 - $1 }) / units.squareRoot(), 1e-3, "rms Δh")
        expect(
          value(0, .alignment),
          root(old.product) / root(old.input) / value(0, .spectralNorm), 1e-4, "alignment")
        #expect(value(0, .alignment) <= 1 + 1e-3)
        // ‖ΔW h‖: the change of W h on the old input.
        let shape = layers[index].weight!.shape
        let rank = value(0, .gradientStableRank)
        #expect(rank >= 1 - 1e-4 && rank <= Double(min(shape.fanIn, shape.fanOut)))
        let share = value(0, .updateAlignment)
        #expect(share > 0 && share <= 1 + 1e-3)
      }
    }
    // The first layer's input does not move: its product moves by ΔW h alone.
    for replica in 0..<2 {
      let (old, new) = (before[replica][0], after[replica][0])
      let moved = root(zip(new.product, old.product).map { $0 - $1 }) / root(old.input)
      let norm = records[0].layers[0][.updateSpectralNorm]![replica]
      let got = records[0].layers[0][.updateAlignment]![replica]
      #expect(abs(got - moved / norm) <= 5e-3 * got)
    }
  }

  @Test func epsilonDominance_countsEntriesBelowTenEpsilon() throws {
    // Under the absolute rule ε is 1e-8/fanOut: gradients are far above it, or 0 behind a readout
    // that starts at 0.
    let trainer = try trainer(.adam, zeroReadout: true)
    let diagnostics = try trainer.diagnose(every: 1, probe: rows)
    for _ in 0..<2 { _ = try trainer.trainEpoch(on: rows) }
    let records = try diagnostics.records()
    for layer in 0..<2 {
      #expect(records[0].layers[layer][.epsilonDominance]! == [1, 1])
      #expect(records[1].layers[layer][.epsilonDominance]!.allSatisfy { $0 < 0.05 })
    }
    #expect(records[0].layers[2][.epsilonDominance]!.allSatisfy { $0 < 0.05 })
  }

  @Test(arguments: OptimizerKind.allCases, Diagnostics.Contents.allCases)
  func training_isBitForBitAsWithout(
    _ optimizer: OptimizerKind, _ contents: Diagnostics.Contents
  ) throws {
    func weights(diagnosed: Bool) throws -> [[Float]] {
      let trainer = try trainer(optimizer)
      if diagnosed { try trainer.diagnose(every: 2, contents: contents, probe: rows) }
      for _ in 0..<5 { _ = try trainer.trainEpoch(on: rows) }
      return try trainer.network.parameters.map { try compute.read($0.value) }
    }
    #expect(try weights(diagnosed: true) == weights(diagnosed: false))
  }

  @Test func normsAlone_areMeasuredWithoutAProbe() throws {
    let trainer = try trainer(.adam)
    let diagnostics = try trainer.diagnose(every: 3, contents: .norms, probe: rows)
    for _ in 0..<5 { _ = try trainer.trainEpoch(on: rows) }
    let records = try diagnostics.records()
    #expect(records.map(\.step) == [0, 3])
    let names = Set(records[1].layers[0].keys)
    #expect(names.isSuperset(of: [.weightNorm, .updateNorm, .updateStableRank, .learningRate]))
    #expect(names.isDisjoint(with: [.featureSize, .alignment, .totalUpdateNorm]))
  }
}
