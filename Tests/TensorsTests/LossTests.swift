import Foundation
import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

@Suite(.serialized) struct LossTests {
  let compute: Compute
  let logits: [Double] = (0..<30).map { (index: Int) -> Double in Double(index * 37 % 23) * 0.25 - 2
  }
  let labels: [UInt32] = [0, 4, 2, 3, 1, 1]

  init() throws {
    compute = try Compute.idle()
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

  /// Rows of targets by number, the same of both replicas or others.
  @Test(arguments: [(1, 1), (3, 2), (70, 31), (5, 300)], KernelVariant.allCases)
  func lossToTargets_matchesDouble(shape: (rows: Int, columns: Int), variant: KernelVariant) throws
  {
    let compute = try Compute.idle(vectorWidth: 4, kernelVariant: variant)
    let (rows, columns) = shape
    var random = Philox(seed: 4, stream: 0)
    let values = (0..<2 * rows * columns).map { _ in random.uniform(-3, 3) }
    let targets = (0..<(rows + 2) * columns).map { _ in random.uniform(-3, 3) }
    let outputs = try compute.tensor(values, replicas: 2, rows: rows, columns: columns)
    for isShared in [true, false] {
      let numbers = (0..<(isShared ? 1 : 2) * rows).map { UInt32(($0 * 7 + 1) % (rows + 2)) }
      let batch = try compute.meanSquaredError(
        outputs, to: Buffer(queue: compute.queue, targets),
        rowNumbers: Buffer(queue: compute.queue, numbers))
      let (losses, gradient) = (
        try compute.read(batch.losses), try compute.read(batch.gradient)
      )
      for index in 0..<2 * rows {
        let target = Int(numbers[isShared ? index % rows : index]) * columns
        var sum = 0.0
        for column in 0..<columns {
          let difference =
            Double(values[index * columns + column]) - Double(targets[target + column])
          sum += difference * difference
          let slope = 2 * difference / Double(rows * columns)
          #expect(abs(Double(gradient[index * columns + column]) - slope) <= 1e-6)
        }
        let expected = sum / Double(columns)
        #expect(abs(Double(losses[index]) - expected) <= 1e-5 * (1 + expected))
      }
    }
  }

  /// Every way of sharing out rows and classes: one group that records the sum itself, groups of
  /// several rows and of one, work-items a row from one to all.
  @Test(
    arguments: [
      (1, 1), (1, 2), (3, 10), (64, 10), (70, 31), (129, 37), (200, 10), (5, 700), (40, 1009),
      (40, 255), (40, 256), (40, 257), (7, 5003), (2, 50257),
    ], KernelVariant.allCases)
  func loss_ofAnyShape_matchesDouble(shape: (rows: Int, classes: Int), variant: KernelVariant)
    throws
  {
    let compute = try Compute.idle(vectorWidth: 4, kernelVariant: variant)
    let (rows, classes) = shape
    var random = Philox(seed: 3, stream: 0)
    let values = (0..<2 * rows * classes).map { _ in random.uniform(-3, 3) }
    let labels = (0..<2 * rows).map { UInt32($0 * 31 % classes) }
    let logits = try compute.tensor(values, replicas: 2, rows: rows, columns: classes)
    let active = try compute.filled(1, replicas: 2, rows: 1, columns: 1)
    let history = try SumHistory(capacity: 3, replicas: 2, compute: compute)
    let buffer = try Buffer(queue: compute.queue, labels)
    for crossEntropy in [true, false] {
      let record = LossRecord(history, slot: crossEntropy ? 1 : 2, active: active)
      let batch =
        try crossEntropy
        ? compute.crossEntropy(logits, labels: buffer, record: record)
        : compute.meanSquaredError(logits, labels: buffer, record: record)
      let losses = try compute.read(batch.losses)
      let gradient = try compute.read(batch.gradient)
      let correct = try compute.read(batch.correct)
      var sums = [0.0, 0.0]
      for row in 0..<2 * rows {
        let own = values[row * classes..<(row + 1) * classes].map(Double.init)
        let label = Int(labels[row])
        let expected = reference(own, label, crossEntropy: crossEntropy)
        sums[row / rows] += expected
        #expect(abs(Double(losses[row]) - expected) <= 1e-5 * (1 + expected))
        #expect(correct[row] == (own.max() == own[label] ? 1 : 0))
        let total = own.map(exp).reduce(0, +)
        let slopes = own.enumerated().map { column, value in
          let target = column == label ? 1.0 : 0.0
          return crossEntropy
            ? exp(value) / total - target
            : 2 * (value - target + 1 / Double(classes)) / Double(classes)
        }
        let error = slopes.indices.reduce(0.0) {
          max($0, abs(Double(gradient[row * classes + $1]) * Double(rows) - slopes[$1]))
        }
        #expect(error <= 1e-5)
      }
      let recorded = try history.read(slots: 3)[crossEntropy ? 1 : 2]
      for replica in 0..<2 {
        #expect(abs(Double(recorded[replica]) - sums[replica]) <= 1e-5 * (1 + sums[replica]))
      }
    }
    #expect(try compute.read(active) == [1, 1])
  }

  /// In one group, and over several.
  @Test(arguments: [10, 9000], KernelVariant.allCases)
  func loss_thatIsNotFinite_stopsItsReplica(classes: Int, variant: KernelVariant) throws {
    let compute = try Compute.idle(vectorWidth: 4, kernelVariant: variant)
    var values = [Float](repeating: 0, count: 3 * 2 * classes)
    values[2 * classes + 7] = .nan
    values[5 * classes] = .infinity
    let active = try compute.filled(1, replicas: 3, rows: 1, columns: 1)
    let history = try SumHistory(capacity: 1, replicas: 3, compute: compute)
    let batch = try compute.crossEntropy(
      compute.tensor(values, replicas: 3, rows: 2, columns: classes),
      labels: Buffer(queue: compute.queue, [1, 2]),
      record: LossRecord(history, slot: 0, active: active))
    #expect(try compute.read(active) == [1, 0, 0])
    #expect(try compute.read(batch.losses)[1].isFinite)
    #expect(try history.read(slots: 1)[0].map(\.isFinite) == [true, false, false])
  }

  /// By vectors on CPUs: classes far below the greatest get no gradient, not even the least of floats; the first
  /// of equal logits counts; NaN is a loss of NaN and no hit.
  @Test(arguments: [33, 70])
  func crossEntropy_ofManyClasses_isRightFarOut(classes: Int) throws {
    let spread = (0..<classes).map { Float($0) * 200 / Float(classes - 1) }
    let equal = [Float](repeating: 3, count: classes)
    var unknown = spread
    unknown[classes - 1] = .nan
    let logits = try compute.tensor(spread + equal + equal + unknown, rows: 4, columns: classes)
    let last = UInt32(classes - 1)
    let batch = try compute.crossEntropy(
      logits, labels: Buffer(queue: compute.queue, [0, 0, last, last]))
    let (losses, gradient) = (try compute.read(batch.losses), try compute.read(batch.gradient))
    let total = spread.reduce(0) { $0 + exp(Double($1) - 200) }
    #expect(abs(Double(losses[0]) - 200 - log(total)) <= 1e-4)
    for loss in losses[1...2] { #expect(abs(loss - log(Float(classes))) <= 1e-5) }
    #expect(losses[3].isNaN)
    let correct = try compute.read(batch.correct)
    #expect(correct == [0, 1, 0, 0])
    #expect(gradient[1..<classes / 2].allSatisfy { $0 == 0 })
    #expect(gradient[0] == -0.25 && abs(gradient[classes - 1] - 0.25) <= 0.02)
  }

  @Test func crossEntropy_ofHugeLogits_staysFinite() throws {
    let input = try compute.tensor([1e4, -1e4], rows: 1, columns: 2)
    let batch = try compute.crossEntropy(input, labels: Buffer(queue: compute.queue, [1]))
    #expect(try compute.read(batch.losses) == [2e4])
    #expect(try compute.read(batch.gradient) == [1, -1])
  }
}
