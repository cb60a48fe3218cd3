// Two custom parametrizations as power laws, and the judgement of a sweep on each: does the best
// learning rate carry over to wider networks?
import Foundation
import GPUTrain

// Under Adam the rate of a matrix whose fan-in grows has to fall as 1/fan-in. `full` does so; `half`
// lets it fall as 1/√fan-in only, as is sometimes advised.
func parametrization(_ name: String, exponent: Double) throws -> CustomParametrization {
  let rate = PowerLaw(fanIn: exponent)
  return try CustomParametrization(
    name: name, family: .adam,
    hidden: .init(
      initialStd: PowerLaw(fanIn: -0.5), learningRate: rate, epsilon: PowerLaw(fanOut: -1)),
    readout: .init(initialStd: PowerLaw(fanIn: -1), learningRate: rate))
}
let parametrizations = [
  try parametrization("half", exponent: -0.5), try parametrization("full", exponent: -1),
]

let compute = try Compute(device: .find(.best))
let data = try TrainingData(LoadedData(train: .glyphs(count: 2000)))
let experiment = Experiment(
  Configuration {
    $0.steps = 80
    $0.parametrizations = parametrizations
  }, Facts(data: data, compute: compute))
let grid = try SweepGrid(
  parametrizations: parametrizations.map(\.name), optimizers: [.adam], widths: [64, 256],
  log2LearningRates: SweepGrid.parseRates("-10:-5:6"), seeds: Array(1...10))

// Where the results go; the same directory again would run only what is missing.
let directory = FileManager.default.temporaryDirectory
  .appendingPathComponent("gputrain-example-\(UUID().uuidString)")
defer { try? FileManager.default.removeItem(at: directory) }
let sweep = try Sweep(
  experiment: experiment, grid: grid, data: data, directory: directory, compute: compute,
  memory: MemoryPlan(device: compute.queue.device))
_ = try sweep.run()
let report = TransferReport(rows: try sweep.summarize())
print(report.table())
for group in report.groups {
  let drift = group.drift?.octavesPerDoubling ?? .nan
  print("\(group.parametrization): drift \(drift), \(group.verdict.outcome.rawValue)")
}
