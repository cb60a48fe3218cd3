import Foundation
import OpenCL
import Spectral
import Tensors
let compute = try Compute(device: .find(.best))
let clock = ContinuousClock()
@MainActor func time(_ n: Int, _ f: () throws -> Void) throws -> Double {
  try f(); try! compute.queue.finish()
  var ts: [Double] = []
  for _ in 0..<n {
    let t = clock.now; try f(); try! compute.queue.finish(); let d = clock.now - t;
    ts.append(Double(d.components.attoseconds) * 1e-15)
  }
  return ts.sorted()[n / 2]
}
let rs = try compute.kernel(
  .spectral, "read_sum", Buffer<Float>.self, Buffer<Float>.self, UInt64.self)
let out = try Buffer<Float>(context: compute.queue.context, count: 64)
for mib in [1, 4, 16, 64, 256] {
  let b = try Buffer<Float>(context: compute.queue.context, count: mib << 18)
  try compute.fill(b, 1)
  for g in [2, 8] {
    let t = try time(20) { try rs(compute.queue, global: [g], local: [1], b, out, UInt64(b.count)) }
    print("read", mib, g, t, Double(mib << 20) / t / 1e6)
  }
}
for n in [512, 1024, 2048, 4096] {
  for k in [1, 2, 4, 8] {
    let w = try compute.normal(seeds: [1], std: [1], stream: 9, rows: n, columns: n)
    let p = try PowerIteration(shapes: [(1, n, n)], vectors: k, seed: 3, compute: compute)
    let a = try time(10) { _ = try p.enqueue([w], iterations: 1) }
    let b = try time(10) { _ = try p.enqueue([w], iterations: 17) }
    let it = (b - a) / 16
    print(n, k, "first", a, "per iteration", it, "GB/s", Double(n * n * 4) / it / 1e6)
  }
}
