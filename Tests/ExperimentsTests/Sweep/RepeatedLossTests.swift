import Foundation
import OpenCL
import Tensors
import GPUTrainTestSupport
import Testing
import Training

@testable import Experiments

/// What a store says of its data is enough to compute a run's loss elsewhere: here in Double, from
/// `data.json`, the best runs' weights and the data's own values.
@Suite(.serialized) struct RepeatedLossTests {
  let compute: Compute

  init() throws { compute = try Compute.idle() }

  private struct Record: Decodable {
    struct Scaling: Decodable { let scale, shift: Numbers }
    let validation_rows: [Int]
    let inputs: Scaling
    let targets: Scaling?
    let held_out: String
  }

  /// A number, or a list.
  private struct Numbers: Decodable {
    let values: [Double]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      values = try (try? container.decode([Double].self)) ?? [container.decode(Double.self)]
    }

    subscript(column: Int) -> Double { values[values.count == 1 ? 0 : column] }
  }

  private func dataSet(_ isRegression: Bool) -> DataSet {
    var random = Philox(seed: 5, stream: 0)
    let x = (0..<240).map { _ in random.uniform(-2, 9) }
    var (labels, values): ([UInt32], [Double]) = ([], [])
    for row in stride(from: 0, to: x.count, by: 3) {
      labels.append(x[row] > x[row + 1] ? 1 : 0)
      values += [Double(100 + x[row] * x[row + 1]), Double(x[row + 2])]
    }
    let targets: DataSet.Targets =
      isRegression ? .values(values, names: ["a", "b"]) : .classes(labels, classes: 2)
    return DataSet(name: "points", features: .floats(x), targets: targets, inputs: 3)
  }

  @Test(arguments: [true, false]) func losses_followFromWhatIsWritten(isRegression: Bool) throws {
    let set = dataSet(isRegression)
    let data = try TrainingData(LoadedData(train: set))
    let experiment = Experiment(
      Configuration {
        ($0.depth, $0.steps, $0.batchSize, $0.baseWidth) = (1, 12, 24, 8)
        if isRegression { ($0.task, $0.loss) = (.regression, .meanSquaredError) }
      }, Facts(data: data, compute: compute))
    let grid = try SweepGrid(
      parametrizations: ["spectral"], optimizers: [.adam], widths: [8, 12],
      log2LearningRates: [-7, -5], seeds: [1, 2])
    try Fixture.inDirectory { directory in
      let sweep = try Sweep(
        experiment: experiment, grid: grid, data: data, directory: directory, compute: compute,
        memory: MemoryPlan(device: compute.queue.device), keepsBest: .validationLoss)
      _ = try sweep.run()
      #expect(try sweep.missingBestWeights().isEmpty)
      let record = try JSONDecoder().decode(
        Record.self, from: Data(contentsOf: directory.appendingPathComponent("data.json")))
      #expect(record.validation_rows.count == 8 && record.held_out == "rows")
      #expect((record.targets != nil) == isRegression)
      for width in [8, 12] {
        let runs = try sweep.summarize().filter { $0.width == width }
        let best = try #require(runs.compactMap(\.result.validationLoss).min())
        let file = directory.appendingPathComponent("best/spectral-adam-width\(width).safetensors")
        let weights = try InitialWeights(path: file.path).tensors
        let loss = record.validation_rows.reduce(0) { $0 + self.loss(of: $1, set, weights, record) }
        #expect(abs(loss / 8 - best) <= 1e-5 * best, "width \(width)")
      }
    }
  }

  /// A better run replaces the weights, a worse one does not; runs that were trained without their being
  /// kept are named.
  @Test func bestWeights_areThoseOfTheBestRunOfAll() throws {
    let data = try TrainingData(LoadedData(train: dataSet(true)))
    let experiment = Experiment(
      Configuration {
        ($0.depth, $0.steps, $0.batchSize, $0.baseWidth) = (1, 12, 24, 8)
        ($0.task, $0.loss) = (.regression, .meanSquaredError)
      }, Facts(data: data, compute: compute))
    func run(_ rates: [Double], in directory: URL, keeps: Bool) throws -> [String] {
      let sweep = try Sweep(
        experiment: experiment,
        grid: SweepGrid(
          parametrizations: ["spectral"], optimizers: [.adam], widths: [8],
          log2LearningRates: rates, seeds: [1]), data: data, directory: directory,
        compute: compute, memory: MemoryPlan(device: compute.queue.device),
        keepsBest: keeps ? .trainLoss : nil)
      _ = try sweep.run()
      return try sweep.missingBestWeights()
    }
    try Fixture.inDirectory { directory in
      let file = directory.appendingPathComponent("best/spectral-adam-width8.safetensors")
      #expect(try run([-9], in: directory, keeps: true).isEmpty)
      let first = try Data(contentsOf: file)
      #expect(try run([-9, -12], in: directory, keeps: true).isEmpty)
      #expect(try Data(contentsOf: file) == first)
      #expect(try run([-12, -9, -6], in: directory, keeps: true).isEmpty)
      let second = try Data(contentsOf: file)
      #expect(second != first)
      _ = try run([-5], in: directory, keeps: false)
      #expect(try run([-6, -5], in: directory, keeps: true) == ["spectral-adam-width8"])
      #expect(try Data(contentsOf: file) == second)
    }
  }

  private func loss(
    of row: Int, _ set: DataSet, _ weights: [NamedValues], _ record: Record
  ) -> Double {
    func times(_ weight: NamedValues, _ x: [Double]) -> [Double] {
      (0..<weight.shape[0]).map { output in
        x.indices.reduce(0) { $0 + Double(weight.values[output * x.count + $1]) * x[$1] }
      }
    }
    let x = (0..<set.inputs).map {
      Double(set[row, $0]) * record.inputs.scale[$0] + record.inputs.shift[$0]
    }
    let hidden = times(weights.first { $0.name == "layers.0.weight" }!, x).map { max($0, 0) }
    let output = times(weights.first { $0.name == "layers.1.weight" }!, hidden)
    switch set.targets {
    case .classes(let labels, _):
      return log(output.map(exp).reduce(0, +)) - output[Int(labels[row])]
    case .values(let values, _):
      let scaling = record.targets!
      return output.indices.reduce(0) {
        let target = values[row * 2 + $1] * scaling.scale[$1] + scaling.shift[$1]
        return $0 + (output[$1] - target) * (output[$1] - target) / 2
      }
    }
  }
}
