// One route of matrix products against another, and the update inside ∇W's product against one
// after it:
//   swift run -c release GemmBenchmark [rounds] [route other]
// Routes: opencl and openblas where none are given on a CPU, tiled and clblast on a GPU.
// Sides alternate; least, median and greatest of all rounds. POCL_AFFINITY=1 keeps PoCL's threads
// on their cores.
import Foundation
import OpenCL
import Tensors

/// A product of the table.
struct Shape {
  let mode: TransposeMode
  let m, n, k: Int
  var replicas = 1

  var name: String {
    "\(mode.rawValue) \(m)×\(n)×\(k)" + (replicas > 1 ? " ×\(replicas)" : "")
  }
  var work: Double { 2 * Double(m * n) * Double(k * replicas) }
}

/// Training's products at batch 64 and 128, large squares, and sweeps of small networks.
let shapes: [Shape] =
  [
    Shape(mode: .nn, m: 1024, n: 1024, k: 1024), Shape(mode: .nn, m: 2048, n: 2048, k: 2048),
    Shape(mode: .nt, m: 64, n: 1024, k: 1024), Shape(mode: .nt, m: 64, n: 4096, k: 4096),
    Shape(mode: .nt, m: 128, n: 4096, k: 4096), Shape(mode: .nn, m: 64, n: 1024, k: 1024),
    Shape(mode: .nn, m: 64, n: 4096, k: 4096), Shape(mode: .tn, m: 1024, n: 1024, k: 64),
    Shape(mode: .tn, m: 4096, n: 4096, k: 64), Shape(mode: .tn, m: 4096, n: 4096, k: 128),
  ]
  + [64, 128, 256].flatMap { width in
    [
      Shape(mode: .nt, m: 64, n: width, k: width, replicas: 32),
      Shape(mode: .nn, m: 64, n: width, k: width, replicas: 32),
      Shape(mode: .tn, m: width, n: width, k: 64, replicas: 32),
    ]
  }

/// Seconds a call of `body`, repeated for some milliseconds.
func seconds(_ compute: Compute, repeats: Int, _ body: () throws -> Void) throws -> Double {
  try compute.queue.finish()
  let start = ContinuousClock.now
  for _ in 0..<repeats { try body() }
  try compute.queue.finish()
  let time = ContinuousClock.now - start
  return (Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18)
    / Double(repeats)
}

/// Alternates sides; for each, its times in order.
func alternate(
  _ rounds: Int, repeats: Int, _ sides: [(compute: Compute, body: () throws -> Void)]
) throws -> [[Double]] {
  var times = [[Double]](repeating: [], count: sides.count)
  for side in sides { try side.body() }
  for _ in 0..<rounds {
    for (index, side) in sides.enumerated() {
      times[index].append(try seconds(side.compute, repeats: repeats, side.body))
    }
  }
  return times.map { $0.sorted() }
}

func text(_ times: [Double], _ value: (Double) -> Double) -> String {
  [times.last!, times[times.count / 2], times.first!]
    .map { String(format: "%7.1f", value($0)) }.joined(separator: " ")
}

let rounds = CommandLine.arguments.dropFirst().compactMap { Int($0) }.first ?? 15
let device = try Device.find(.best)
let given = CommandLine.arguments.dropFirst().compactMap(Compute.BackendChoice.init)
let routes: [Compute.BackendChoice] =
  given.count == 2 ? given : device.kind == .cpu ? [.opencl, .openblas] : [.tiled, .clblast]
let ours = try Compute(device: device, backend: routes[0])
let theirs = try Compute(device: device, backend: routes[1])

print("\(device.name), \(rounds) alternating rounds; least, median, greatest")
print(
  "GFLOP/s".padding(toLength: 27, withPad: " ", startingAt: 0)
    + routes.map { $0.rawValue.padding(toLength: 25, withPad: " ", startingAt: 0) }.joined()
    + "ratio of medians")
for shape in shapes {
  let repeats = max(1, Int(1e9 / shape.work))
  let sides = try [ours, theirs].map { compute in
    func operand(_ rows: Int, _ columns: Int) throws -> Tensor {
      try compute.normal(
        seeds: (0..<shape.replicas).map(UInt64.init),
        std: [Float](repeating: 1, count: shape.replicas), stream: 0, rows: rows, columns: columns)
    }
    let a = try shape.mode == .tn ? operand(shape.k, shape.m) : operand(shape.m, shape.k)
    let b = try shape.mode == .nt ? operand(shape.n, shape.k) : operand(shape.k, shape.n)
    return (compute, { _ = try compute.product(shape.mode, a, b) })
  }
  let times = try alternate(rounds, repeats: repeats, sides)
  let rates = times.map { text($0) { shape.work / $0 / 1e9 } }
  let ratio = times[1][rounds / 2] / times[0][rounds / 2]
  print(
    shape.name.padding(toLength: 22, withPad: " ", startingAt: 0), rates[0], " ", rates[1],
    String(format: "%8.2f", ratio))
}

print(
  "\nMilliseconds, ∇W and its update: in the product of \(routes[0].rawValue), after it, "
    + "and after \(routes[1].rawValue)'s")
for rule in [ElementwiseRule.gradientDescent, .adam] {
  for width in [1024, 2048, 4096] {
    let batch = 64
    let sides = try [(ours, true), (ours, false), (theirs, false)].map { compute, fused in
      func tensor(_ rows: Int, _ columns: Int, _ std: Float = 1) throws -> Tensor {
        try compute.normal(seeds: [1], std: [std], stream: 0, rows: rows, columns: columns)
      }
      let (weight, delta, input) = (
        try tensor(width, width), try tensor(batch, width), try tensor(batch, width)
      )
      let update = WeightUpdate(
        try RuleNumbers(
          rule, hyperparameters: rule == .adam ? [0.9, 0.999] : [],
          step: rule == .adam ? [1, 1, 1] : [1], compute: compute),
        state: try rule.state.map { _ in try compute.filled(0, rows: width, columns: width) },
        rates: try UpdateRates(
          learningRate: [1e-6], epsilon: [1e-8], coupledDecay: [0], decoupledDecay: [0],
          compute: compute), active: try compute.filled(1, rows: 1, columns: 1))
      return (
        compute,
        {
          if fused {
            _ = try compute.apply(update, to: weight, delta: delta, input: input, scale: 1)
          } else {
            try compute.apply(
              update, to: weight, gradient: compute.product(.tn, delta, input))
          }
        }
      )
    }
    let times = try alternate(rounds, repeats: max(1, (4096 / width) * (4096 / width) / 4), sides)
    print(
      "\(rule) \(width)²".padding(toLength: 12, withPad: " ", startingAt: 0),
      times.map { text($0.reversed()) { $0 * 1e3 } }.joined(separator: "   "))
  }
}
