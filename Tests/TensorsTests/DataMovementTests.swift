import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

@Suite(.serialized) struct DataMovementTests {
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  @Test(arguments: [true, false]) func gather_picksAndNormalizesEachReplicasRows(bytes: Bool) throws
  {
    let values: [UInt8] = [0, 50, 100, 150, 200, 250]
    let rows = try DeviceRows(
      bytes ? .bytes(values) : .floats(values.map(Float.init)), labels: [7, 8, 9],
      scale: [0.5, 2], shift: [1, -1], compute: compute)
    let order = try DeviceRows.Order([[2, 0, 1], [1, 1, 0]], compute: compute)
    let labels = try Buffer<UInt32>(context: compute.queue.context, count: 4)
    let batch = try rows.gather(order, offset: 1, rows: 2, labels: labels, compute: compute)
    #expect(batch.shape == [2, 2, 2])
    #expect(try compute.read(batch) == [1, 99, 51, 299, 51, 299, 1, 99])
    #expect(try labels.read(queue: compute.queue) == [7, 8, 8, 7])
  }

  /// Vectors and the rest beyond them, rows at odd places.
  @Test(arguments: [1, 3, 16, 37, 64, 100], [true, false])
  func gather_takesRowsOfAnyLength(inputs: Int, bytes: Bool) throws {
    let (count, batch) = (5, 3)
    let values = (0..<count * inputs).map { UInt8(truncatingIfNeeded: 7 * $0) }
    let rows = try DeviceRows(
      bytes ? .bytes(values) : .floats(values.map(Float.init)), labels: [0, 1, 2, 3, 4],
      scale: (0..<inputs).map { Float($0) }, shift: (0..<inputs).map { Float(-$0) },
      compute: compute)
    let order = try DeviceRows.Order([[4, 1, 3], [0, 2, 2]], compute: compute)
    let labels = try Buffer<UInt32>(context: compute.queue.context, count: 2 * batch)
    let expected = [4, 1, 3, 0, 2, 2].flatMap { row in
      (0..<inputs).map { Float($0) * (Float(values[row * inputs + $0]) - 1) }
    }
    let result = try rows.gather(order, offset: 0, rows: batch, labels: labels, compute: compute)
    #expect(try compute.read(result) == expected)
  }

  @Test(arguments: [1, 2, 63, 128, 129, 1000], KernelVariant.allCases)
  func history_sumsAnyNumberOfRows(rows: Int, variant: KernelVariant) throws {
    let compute = try Compute.idle(vectorWidth: 4, kernelVariant: variant)
    let values = (0..<3 * rows).map { Float($0 % 17) }
    let history = try SumHistory(capacity: 1, replicas: 3, compute: compute)
    try history.record(compute.tensor(values, replicas: 3, rows: 1, columns: rows), slot: 0)
    let expected = (0..<3).map { values[$0 * rows..<($0 + 1) * rows].reduce(0, +) }
    #expect(try history.read(slots: 1) == [expected])
  }

  @Test func history_sumsEachReplica_andFreezesWhatIsNotFinite() throws {
    let active = try compute.tensor([1, 1, 1], replicas: 3, rows: 1, columns: 1)
    let history = try SumHistory(capacity: 2, replicas: 3, compute: compute)
    let good = try compute.tensor([1, 2, 3, 4, 5, 6], replicas: 3, rows: 1, columns: 2)
    try history.record(good, slot: 0, active: active)
    #expect(try compute.read(active) == [1, 1, 1])
    let bad = try compute.tensor([1, 1, .nan, 1, .infinity, 1], replicas: 3, rows: 1, columns: 2)
    try history.record(bad, slot: 1, active: active)
    let sums = try history.read(slots: 2)
    #expect(sums[0] == [3, 7, 11])
    #expect(sums[1][0] == 2 && sums[1][1].isNaN && sums[1][2] == .infinity)
    #expect(try compute.read(active) == [1, 0, 0])
    try history.record(good, slot: 0, active: active)
    #expect(try compute.read(active) == [1, 0, 0])
  }

  /// Random123's known answers for philox4x32-10.
  @Test func philox_meetsThePublishedVectors() {
    #expect(
      Philox.block(counter: [0, 0, 0, 0], seed: 0)
        == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    #expect(
      Philox.block(counter: SIMD4(repeating: .max), seed: .max)
        == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
    #expect(
      Philox.block(
        counter: [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
        seed: 0x299f_31d0_a409_3822)
        == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
  }

  @Test func philox_onTheDevice_isTheHosts() throws {
    let seed: UInt64 = 0x1234_5678_9abc_def0
    let uniform = try compute.read(
      compute.normal(seeds: [seed], std: [1], stream: 9, rows: 1, columns: 4000))
    var differing = 0
    for block in 0..<1000 {
      let bits = Philox.block(counter: [UInt32(block), 9, 0, 0], seed: seed)
      let expected = boxMuller(bits)
      for lane in 0..<4 where abs(Double(uniform[4 * block + lane]) - expected[lane]) > 1e-4 {
        differing += 1
      }
    }
    #expect(differing == 0)
  }
}
