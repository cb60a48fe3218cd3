import Foundation

/// Normal numbers of one Philox block in Double, as Kernels/random.cl defines them.
func boxMuller(_ bits: SIMD4<UInt32>) -> [Double] {
  let u = (0..<4).map { (Double(bits[$0] >> 8) + 0.5) / Double(1 << 24) }
  return [0, 2].flatMap { pair in
    let radius = (-2 * log(u[pair])).squareRoot()
    let angle = 2 * Double.pi * u[pair + 1]
    return [radius * cos(angle), radius * sin(angle)]
  }
}
