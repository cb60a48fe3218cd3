import Foundation
import OpenCL
import Testing

@testable import Tensors

@Suite(.serialized) struct LossTests {
  let compute: Compute
  let logits: [Double] = (0..<30).map { (index: Int) -> Double in Double(index * 37 % 23) * 0.25 - 2
  }
  let labels: [UInt32] = [0, 4, 2, 3, 1, 1]

  init() throws {
    compute = try Compute(device: .find(.best))
  }

  /// Loss of one row in Double.
  func reference(_ row: [Double], _ label: Int, crossEntropy: Bool) -> Double {
    if crossEntropy { return log(row.map(exp).reduce(0, +)) - row[label] }
    let share = 1 / Double(row.count)
    var sum = 0.0
    for (index, value) in row.enumerated() {
      let target = (index == label ? 1 : 0) - share
      sum += (value - target) * (value - target)
    }
    return sum * share
  }

  @Test(arguments: [true, false]) func loss_andGradient_matchDouble(crossEntropy: Bool) throws {
    let input = try compute.tensor(logits.map(Float.init), replicas: 2, rows: 3, columns: 5)
    let labelBuffer = try Buffer(queue: compute.queue, labels)
    let batch =
      try crossEntropy
      ? compute.crossEntropy(input, labels: labelBuffer)
      : compute.meanSquaredError(input, labels: labelBuffer)
    let losses = try compute.read(batch.losses)
    let gradient = try compute.read(batch.gradient)
    let correct = try compute.read(batch.correct)
    let step = 1e-5
    for row in 0..<6 {
      let values = Array(logits[row * 5..<row * 5 + 5])
      let label = Int(labels[row])
      let expected = reference(values, label, crossEntropy: crossEntropy)
      #expect(abs(Double(losses[row]) - expected) <= 1e-6 * (1 + expected))
      #expect(correct[row] == (values.max() == values[label] ? 1 : 0))
      for column in 0..<5 {
        var (up, down) = (values, values)
        up[column] += step
        down[column] -= step
        let difference =
          reference(up, label, crossEntropy: crossEntropy)
          - reference(down, label, crossEntropy: crossEntropy)
        let slope = difference / (2 * step) / 3
        #expect(abs(Double(gradient[row * 5 + column]) - slope) <= 1e-6)
      }
    }
  }

  @Test func crossEntropy_ofHugeLogits_staysFinite() throws {
    let input = try compute.tensor([1e4, -1e4], rows: 1, columns: 2)
    let batch = try compute.crossEntropy(input, labels: Buffer(queue: compute.queue, [1]))
    #expect(try compute.read(batch.losses) == [2e4])
    #expect(try compute.read(batch.gradient) == [1, -1])
  }
}
