import Foundation
import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// Windows of texts, embeddings and rotary positions against plain loops.
@Suite(.serialized) struct TokenTests {
  static func compute(_ width: Int, _ variant: KernelVariant) throws -> Compute {
    try Compute.idle(vectorWidth: width, kernelVariant: variant)
  }

  // MARK: Windows

  @Test(arguments: [true, false]) func windows_haveTheirNextTokensAsLabels(narrow: Bool) throws {
    let compute = try Compute.idle()
    let tokens = (0..<23).map { UInt32($0 * 3 % 19) }
    let rows = try DeviceRows(
      narrow ? .narrow(tokens.map { UInt16($0) }) : .wide(tokens),
      TokenWindows(tokens: tokens.count, context: 5), compute: compute)
    #expect((rows.count, rows.inputs, rows.labelsPerRow) == (4, 5, 5))
    let order = try rows.order(of: 1..<4, replicas: 2, compute: compute)
    let labels = try Buffer<UInt32>(context: compute.queue.context, count: 2 * 2 * 5)
    let batch = try rows.gather(order, offset: 1, rows: 2, labels: labels, compute: compute)
    #expect(batch.shape == [2, 10, 1])
    #expect(try compute.read(batch) == [10..<20, 10..<20].flatMap { tokens[$0].map { Float($0) } })
    #expect(try labels.read(queue: compute.queue) == [11..<21, 11..<21].flatMap { tokens[$0] })
  }

  @Test(arguments: [(10, 3), (100, 7), (11, 10), (65, 64), (64 * 9, 64), (12, 5)])
  func windows_lieWithinTheText(tokens: Int, context: Int) {
    for isShifted in [false, true] {
      for most in [nil, 1, 2, 3, 1000] {
        let windows = TokenWindows(
          tokens: tokens, context: context, isShifted: isShifted, most: most)
        #expect(windows.count >= 1 && windows.count <= most ?? .max)
        #expect(windows.shifts >= 1 && windows.shifts <= context)
        let last = (windows.count - 1) * windows.stride + windows.shifts - 1
        #expect(last + context < tokens, "the last window's last label")
        #expect(windows.stride >= context)
        if most == nil && !isShifted { #expect(windows.count == (tokens - 1) / context) }
      }
    }
    #expect(TokenWindows(tokens: 100, context: 7, isShifted: true).shifts == 7)
  }

  /// Every window once, all moved by one shift that is the replica's and the epoch's own.
  @Test(arguments: KernelVariant.allCases) func shuffledWindows_areShiftedTogether(
    variant: KernelVariant
  ) throws {
    let compute = try Self.compute(4, variant)
    let context = 16
    let rows = try DeviceRows(
      .narrow([UInt16](repeating: 0, count: 1000)),
      TokenWindows(tokens: 1000, context: context, isShifted: true), compute: compute)
    let shuffle = try RowShuffle(count: rows.count, seeds: [1, 2, 3], compute: compute)
    var shifts: Set<UInt32> = []
    for stream in [5, 6, 7] as [UInt64] {
      let starts = try rows.order(shuffle, stream: stream).buffer.read(queue: compute.queue)
      for replica in 0..<3 {
        let own = starts[replica * rows.count..<(replica + 1) * rows.count].sorted()
        let shift = own[0]
        #expect(shift < UInt32(context))
        #expect(own == (0..<UInt32(rows.count)).map { $0 * UInt32(context) + shift })
        shifts.insert(shift)
      }
    }
    #expect(shifts.count > 3, "shifts \(shifts)")
  }

  @Test func anotherContext_sharesTheText() throws {
    let compute = try Compute.idle()
    let tokens = (0..<50).map { UInt16($0) }
    let rows = try DeviceRows(
      .narrow(tokens), TokenWindows(tokens: 50, context: 5, isShifted: true), compute: compute)
    let wider = rows.windowed(context: 12)
    #expect((wider.count, wider.labelsPerRow) == (3, 12))
    let labels = try Buffer<UInt32>(context: compute.queue.context, count: 12)
    let batch = try wider.gather(
      wider.order(of: 1..<2, compute: compute), offset: 0, rows: 1, labels: labels,
      compute: compute)
    #expect(try compute.read(batch) == (12..<24).map { Float($0) })
  }

  // MARK: Embeddings

  @Test(arguments: [4, 8, 16], KernelVariant.allCases)
  func embeddings_matchPlainLoops(width: Int, variant: KernelVariant) throws {
    let compute = try Self.compute(width, variant)
    for (count, columns, rows) in [(1, 1, 1), (5, 3, 17), (7, 64, 40), (65, 130, 96)] {
      let (replicas, scale) = (3, Float(0.5))
      var random = Philox(seed: 4, stream: 1)
      let ids = (0..<replicas * rows).map { _ in Float(random.index(below: count)) }
      let table = (0..<replicas * count * columns).map { _ in random.uniform(-1, 1) }
      let delta = (0..<replicas * rows * columns).map { _ in random.uniform(-1, 1) }
      let idTensor = try compute.tensor(ids, replicas: replicas, rows: rows, columns: 1)
      let value = try compute.embed(
        idTensor, table: compute.tensor(table, replicas: replicas, rows: count, columns: columns),
        scale: scale)
      let gradient = try compute.embedBackward(
        compute.tensor(delta, replicas: replicas, rows: rows, columns: columns), ids: idTensor,
        count: count, scale: scale)
      var expected: [Float] = []
      var sums = [Double](repeating: 0, count: replicas * count * columns)
      for place in 0..<replicas * rows {
        let row = place / rows * count + Int(ids[place])
        for column in 0..<columns {
          expected.append(scale * table[row * columns + column])
          sums[row * columns + column] += Double(scale * delta[place * columns + column])
        }
      }
      #expect(try compute.read(value) == expected)
      for (got, sum) in zip(try compute.read(gradient), sums) {
        #expect(abs(Double(got) - sum) <= 1e-6 * Double(rows))
      }
    }
  }

  @Test func oneReplicasTokens_serveAll() throws {
    let compute = try Compute.idle()
    let value = try compute.embed(
      compute.tensor([2, 0], rows: 2, columns: 1),
      table: compute.tensor([1, 2, 3, 10, 20, 30], replicas: 2, rows: 3, columns: 1))
    #expect(try compute.read(value) == [3, 1, 30, 10])
  }

  // MARK: Rotary positions

  @Test(arguments: [(2, 1), (6, 3), (16, 64), (64, 65)])
  func rotation_matchesDouble_andTurnsBack(headSize: Int, context: Int) throws {
    let compute = try Compute.idle()
    let (rows, columns, middle) = (2 * context, 3 * headSize, headSize / 2)
    var random = Philox(seed: 2, stream: 3)
    let x = (0..<2 * rows * columns).map { _ in random.uniform(-1, 1) }
    let tensor = try compute.tensor(x, replicas: 2, rows: rows, columns: columns)
    let turned = try compute.rotated(tensor, headSize: headSize, context: context)
    let got = try compute.read(turned)
    for index in got.indices {
      let (row, column) = (index / columns, index % columns)
      let c = column % headSize
      let angle =
        Double(row % context) * pow(10_000, -Double(c % middle) / Double(middle))
      let other = c < middle ? index + middle : index - middle
      let expected =
        Double(x[index]) * cos(angle) + (c < middle ? -1 : 1) * Double(x[other]) * sin(angle)
      #expect(abs(Double(got[index]) - expected) <= 1e-6)
    }
    let back = try compute.read(
      compute.rotated(turned, headSize: headSize, context: context, backward: true))
    for (value, original) in zip(back, x) { #expect(abs(value - original) <= 1e-6) }
  }
}
