import Foundation
import Tensors
import Training

@testable import Experiments

extension Philox {
  /// A standard normal number, by Box and Muller.
  mutating func normal() -> Double {
    let radius = (-2 * log(Double.random(in: .leastNonzeroMagnitude..<1, using: &self)))
      .squareRoot()
    return radius * cos(2 * .pi * Double.random(in: 0..<1, using: &self))
  }
}

/// A sweep whose loss is known.
enum SyntheticSweep {
  static let widths = [128, 256, 512, 1024]

  /// Rows of loss(width, rate, seed); nil is no row and +∞ a diverged run.
  static func rows(
    widths: [Int] = widths, rates: [Double], seeds: Range<UInt64> = 0..<3,
    parametrization: String = "spectral",
    loss: (_ width: Int, _ rate: Double, _ seed: UInt64) -> Double?
  ) -> [SummaryRow] {
    var rows: [SummaryRow] = []
    for width in widths {
      for rate in rates {
        for seed in seeds {
          guard let loss = loss(width, rate, seed) else { continue }
          let diverged = loss == .infinity
          rows.append(
            SummaryRow(
              parametrization: parametrization, optimizer: .sgd, width: width, depth: 2,
              log2LearningRate: rate, seed: seed, run: "",
              result: RunResult(
                epochs: 1, steps: 1, trainLoss: loss, validationLoss: diverged ? nil : 2 * loss,
                outcome: diverged ? .diverged : .completed, seconds: 1, device: "cpu")))
        }
      }
    }
    return rows
  }

  /// From `start` to `stop` in steps of `step`.
  static func grid(_ start: Double, _ stop: Double, step: Double) -> [Double] {
    Array(stride(from: start, through: stop, by: step))
  }

  /// Octaves by which `width` exceeds the narrowest.
  static func octave(_ width: Int) -> Double { log2(Double(width) / 128) }
}
