// How the cost of a training step grows with width, replicas and depth, what of it is the host's,
// and whether memory is what the planner says.
//   swift run -c release CostBenchmark [--json] [--widest N] [--seconds S]
import Experiments
import Foundation
import OpenCL
import Tensors
import Training

let arguments = CommandLine.arguments
func argument(_ name: String) -> Double? {
  arguments.firstIndex(of: name).flatMap { Double(arguments[$0 + 1]) }
}
if arguments.count == 5, arguments[1] == "--memory-of" {
  let figure = try MemoryFigure(
    width: Int(arguments[2])!, optimizer: OptimizerKind(rawValue: arguments[3])!,
    diagnosed: Bool(arguments[4])!)
  print(String(decoding: try JSONEncoder().encode(figure), as: UTF8.self))
  exit(0)
}
let widest = Int(argument("--widest") ?? 8192)
let seconds = argument("--seconds") ?? 1
let compute = try Compute(device: .find(.best))

var time: [TimeFigure] = []
@MainActor func measure(
  _ series: String, inputs: Int, width: Int, depth: Int = 2, replicas: Int = 1,
  optimizer: OptimizerKind
) throws {
  let bench = StepBench(
    Configuration { ($0.depth, $0.zeroReadout) = (depth, false) }, inputs: inputs, width: width,
    optimizer: optimizer, replicas: replicas)
  let figure = try bench.run(seconds: seconds, compute: compute)
  time.append(
    TimeFigure(
      series: series, optimizer: optimizer.rawValue, inputs: inputs, width: width, depth: depth,
      replicas: replicas, milliseconds: figure.milliseconds, gflops: figure.gflops,
      hostShare: figure.details["host_share"] ?? .nan))
  try compute.releaseUnusedMemory()
}

for optimizer in [OptimizerKind.sgd, .adam] {
  for width in powersOfTwo(from: 64, to: widest) {
    try measure("width", inputs: width, width: width, optimizer: optimizer)
  }
  for width in [64, 256] {
    for replicas in [1, 2, 4, 8, 16, 32, 64] {
      try measure(
        "replicas", inputs: 64, width: width, replicas: replicas, optimizer: optimizer)
    }
  }
  for depth in [1, 2, 4, 8, 16, 32] {
    try measure("depth", inputs: 512, width: 512, depth: depth, optimizer: optimizer)
  }
}

let memory = try MemoryFigure.all(upTo: widest)

if arguments.contains("--json") {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
  print(String(decoding: try encoder.encode(Report(time: time, memory: memory)), as: UTF8.self))
} else {
  print("\(compute.queue.device.name), float32, batch 64")
  print(TimeFigure.table(time))
  print(MemoryFigure.table(memory))
}

/// `first`, doubled as long as it does not exceed `last`.
func powersOfTwo(from first: Int, to last: Int) -> [Int] {
  Array(sequence(first: first) { $0 <= last / 2 ? 2 * $0 : nil })
}

/// What `--json` prints.
struct Report: Encodable {
  let time: [TimeFigure]
  let memory: [MemoryFigure]
}
