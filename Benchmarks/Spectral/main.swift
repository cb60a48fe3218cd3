// What the spectral-norm kernels reach on this machine, in one run of alternating blocks:
//   swift run -c release SpectralBenchmark [--json] [rounds]
// Every figure is the least time of all rounds, which disturbs a busy machine's figures least.
import COpenBLAS
import Foundation
import OpenCL
import Spectral
import Tensors

/// Milliseconds of `body`, with what it put into the queue.
func milliseconds(_ compute: Compute, _ body: () throws -> Void) throws -> Double {
  try compute.queue.finish()
  let start = ContinuousClock.now
  try body()
  try compute.queue.finish()
  let time = ContinuousClock.now - start
  return Double(time.components.seconds) * 1e3 + Double(time.components.attoseconds) * 1e-15
}

/// The largest singular value by LAPACK in float32, values only.
func svdNorm(_ matrix: [Float], n: Int) -> Float {
  var a = matrix
  var (size, work, info) = (blasint(n), blasint(-1), blasint(0))
  var values = [Float](repeating: 0, count: n)
  var integers = [blasint](repeating: 0, count: 8 * n)
  var (u, vt, query): (Float, Float, Float) = (0, 0, 0)
  var job = CChar(UInt8(ascii: "N"))
  sgesdd_(
    &job, &size, &size, &a, &size, &values, &u, &size, &vt, &size, &query, &work, &integers, &info)
  work = blasint(query)
  var memory = [Float](repeating: 0, count: Int(work))
  sgesdd_(
    &job, &size, &size, &a, &size, &values, &u, &size, &vt, &size, &memory, &work, &integers,
    &info)
  precondition(info == 0, "sgesdd: \(info)")
  return values[0]
}

/// One line of the results.
struct Figure: Codable {
  let what: String
  let n: Int
  let milliseconds: Double
  /// Bytes of the matrix, once, over the time, GB/s.
  var bandwidth: Double?
  /// Share of the device's read bandwidth, or how many times faster than the SVD.
  var ratio: Double?
  var precision = ""
}

let arguments = CommandLine.arguments.dropFirst()
let rounds = arguments.compactMap { Int($0) }.first ?? 10
let compute = try Compute(device: .find(.best))

// The device's read bandwidth.
let variant = compute.kernelVariant
let groups = variant == .item ? 2 * compute.queue.device.computeUnits : 4096
let localSize = variant == .item ? 1 : 256
let largeBytes = 256 << 20
let large = try compute.filled(1, rows: largeBytes / 4096, columns: 1024)
let sums = try compute.tensor(rows: 1, columns: groups)
let readSum = try compute.kernel(
  .spectral, variant.name(of: "read_sum"), definitions: variant.definitions,
  Buffer<Float>.self, Buffer<Float>.self, UInt64.self)

/// A matrix with its iterations.
struct Subject {
  let n: Int
  let matrix: Tensor
  let iterations: [(vectors: Int, iteration: PowerIteration)]
}

let subjects = try [512, 1024, 2048, 4096].map { n in
  Subject(
    n: n, matrix: try compute.normal(seeds: [1], std: [1], stream: 0, rows: n, columns: n),
    iterations: try [1, 2, 4].map { vectors in
      let iteration = try PowerIteration(
        shapes: [(1, n, n)], vectors: vectors, seed: 1, compute: compute)
      return (vectors, iteration)
    })
}

let svdSize = 2048
let svdMatrix = try compute.read(subjects[2].matrix)
var least: [String: Double] = [:]
var found: [Int: SpectralNormEstimate] = [:]
var reference: Float = 0

@MainActor func keep(_ key: String, _ time: Double) {
  least[key] = min(least[key] ?? .infinity, time)
}

for _ in 0..<rounds {
  keep(
    "read",
    try milliseconds(compute) {
      try readSum(
        compute.queue, global: [groups * localSize], local: [localSize], large.buffer, sums.buffer,
        UInt64(large.count))
    })
  for subject in subjects {
    for (vectors, iteration) in subject.iterations {
      let pass = try milliseconds(compute) {
        for _ in 0..<8 { try iteration.enqueuePass([subject.matrix]) }
      }
      keep("pass \(subject.n) \(vectors)", pass / 8)
      let step = try milliseconds(compute) {
        _ = try iteration.enqueue([subject.matrix], iterations: 16)
      }
      keep("step \(subject.n) \(vectors)", step / 16)
      guard subject.n == svdSize else { continue }
      try iteration.reset()
      keep(
        "norm \(vectors)",
        try milliseconds(compute) {
          found[vectors] = try iteration.estimate(
            [subject.matrix], tolerance: 1e-3, maximumIterations: 200)[0][0]
        })
    }
  }
  openblas_set_num_threads(2)
  keep("svd", try milliseconds(compute) { reference = svdNorm(svdMatrix, n: svdSize) })
  openblas_set_num_threads(1)
}

let read = Double(largeBytes) / least["read"]! / 1e6
var figures = [
  Figure(what: "read 256 MiB", n: 0, milliseconds: least["read"]!, bandwidth: read, ratio: 1)
]
for kind in ["pass", "step"] {
  for subject in subjects {
    for (vectors, _) in subject.iterations {
      let time = least["\(kind) \(subject.n) \(vectors)"]!
      let rate = Double(subject.matrix.count * 4) / time / 1e6
      figures.append(
        Figure(
          what: "\(kind), \(vectors) vectors", n: subject.n, milliseconds: time, bandwidth: rate,
          ratio: rate / read))
    }
  }
}
for vectors in [1, 2, 4] {
  let time = least["norm \(vectors)"]!
  let error = abs(found[vectors]!.norm / Double(reference) - 1)
  figures.append(
    Figure(
      what: "norm to 1e-3, \(vectors) vectors", n: svdSize, milliseconds: time,
      ratio: least["svd"]! / time,
      precision: "float32, \(found[vectors]!.iterations) passes, error "
        + String(format: "%.1e", error)))
}
figures.append(
  Figure(
    what: "sgesdd, values only", n: svdSize, milliseconds: least["svd"]!, ratio: 1,
    precision: "float32, OpenBLAS, 2 threads"))

if arguments.contains("--json") {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
  print(String(decoding: try encoder.encode(figures), as: UTF8.self))
} else {
  print("\(compute.queue.device.name), least of \(rounds) alternating rounds")
  print("pass, step: ratio to the read bandwidth; norm: how many times faster than the SVD")
  for figure in figures {
    let what = figure.what.padding(toLength: 26, withPad: " ", startingAt: 0)
    let size = (figure.n == 0 ? "" : "\(figure.n)").padding(
      toLength: 6, withPad: " ", startingAt: 0)
    let rate = figure.bandwidth.map { String(format: "%7.1f GB/s", $0) } ?? "            "
    let ratio = figure.ratio.map { String(format: "%8.2f", $0) } ?? ""
    print(
      what, size, String(format: "%9.3f ms", figure.milliseconds), rate, ratio, figure.precision)
  }
}
