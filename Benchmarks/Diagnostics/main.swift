// What diagnostics add to a training step, in one run of alternating blocks:
//   swift run -c release DiagnosticsBenchmark [--json] [rounds [width …]]
// An MLP 3072–n–n–10, batch 64, with and without measurements at every step and at every tenth. Times
// are the least of all rounds, ratios the median over rounds of neighbouring blocks.
import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import Training

/// One line of the results.
struct Figure: Codable {
  let optimizer: String
  let width: Int
  let contents: String
  /// Steps from one measurement to the next.
  let every: Int
  /// Milliseconds a step without and with measurements.
  let plain, measured: Double
  /// (with − without)/without.
  let overhead: Double
}

let arguments = CommandLine.arguments.dropFirst()
let numbers = arguments.compactMap { Int($0) }
let rounds = numbers.first ?? 7
let widths = numbers.count > 1 ? Array(numbers.dropFirst()) : [512, 1024, 2048, 4096]
let compute = try Compute(device: .find(.best))
var random = Philox(seed: 1, stream: 0)
let (count, inputs) = (256, 3072)
let rows = try DeviceRows(
  .floats((0..<count * inputs).map { _ in random.uniform(-1, 1) }),
  labels: (0..<UInt32(count)).map { $0 % 10 }, scale: [Float](repeating: 1, count: inputs),
  shift: [Float](repeating: 0, count: inputs), compute: compute)

@MainActor func trainer(_ optimizer: OptimizerKind, width: Int) throws -> Trainer {
  try Trainer(
    TrainingConfiguration(
      network: MLP(inputs: inputs, hidden: [width, width], outputs: 10),
      optimization: Optimization(optimizer), batchSize: 64),
    replicas: [
      Replica(seed: 1, learningRate: 1e-3, parametrization: SpectralParametrization())
    ], totalSteps: 1 << 20, compute: compute)
}

/// Milliseconds a step over `epochs` passes of four steps.
@MainActor func block(_ trainer: Trainer, epochs: Int) throws -> Double {
  try compute.queue.finish()
  let start = ContinuousClock.now
  try trainer.train(on: rows, until: trainer.step + epochs * count / 64)
  try compute.queue.finish()
  return (ContinuousClock.now - start) / .milliseconds(1) / Double(epochs * count / 64)
}

var figures: [Figure] = []
for optimizer in [OptimizerKind.sgd, .adam] {
  for width in widths {
    let epochs = max(5, 4096 / width / 5 * 5)
    for (every, contents) in [(1, Diagnostics.Contents.norms), (10, .norms), (1, .all), (10, .all)]
    {
      let (plain, measured) = (
        try trainer(optimizer, width: width), try trainer(optimizer, width: width)
      )
      try measured.diagnose(every: every, contents: contents, probe: rows)
      // The first twenty measurements find the norms from cold and make more passes than later ones;
      // an epoch is four steps.
      for trainer in [plain, measured] { _ = try block(trainer, epochs: 5 * every + 1) }
      let times = try (0..<rounds).map { _ in
        (try block(plain, epochs: epochs), try block(measured, epochs: epochs))
      }
      let overheads = times.map { $1 / $0 - 1 }.sorted()
      figures.append(
        Figure(
          optimizer: optimizer.rawValue, width: width, contents: contents.rawValue, every: every,
          plain: times.map(\.0).min() ?? .nan, measured: times.map(\.1).min() ?? .nan,
          overhead: overheads[rounds / 2]))
    }
    try compute.releaseUnusedMemory()
  }
}

if arguments.contains("--json") {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
  print(String(decoding: try encoder.encode(figures), as: UTF8.self))
} else {
  print("\(compute.queue.device.name), \(rounds) alternating rounds, float32, batch 64")
  print("optimizer  width  measured  every    plain ms   with ms  overhead")
  for figure in figures {
    print(
      figure.optimizer.padding(toLength: 9, withPad: " ", startingAt: 0)
        + String(format: "%7d  ", figure.width)
        + figure.contents.padding(toLength: 8, withPad: " ", startingAt: 0)
        + String(
          format: "%7d%12.3f%10.3f%9.1f %%", figure.every, figure.plain, figure.measured,
          100 * figure.overhead))
  }
}
