import Foundation
import OpenCL
import Spectral
import Tensors
let compute = try Compute(device: .find(.best))
let clock = ContinuousClock()
for n in [512, 2048] {
  for k in [1, 4, 8] {
    let w = try compute.normal(seeds: [1], std: [1], stream: 9, rows: n, columns: n)
    let p = try PowerIteration(shapes: [(1, n, n)], vectors: k, seed: 3, compute: compute)
    for _ in 0..<3 {
      try p.reset()
      try compute.queue.finish()
      let t = clock.now
      let e = try p.estimate([w], tolerance: 1e-3, maximumIterations: 100)
      print(n, k, e, clock.now - t)
    }
  }
}
