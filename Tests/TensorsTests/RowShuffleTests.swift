import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// Orders of rows against the shuffle in plain loops, and what makes them random.
@Suite(.serialized) struct RowShuffleTests {
  private func orders(
    of count: Int, seeds: [UInt64], stream: UInt64 = 5, _ variant: KernelVariant = .item,
    vectorWidth: Int = 16
  ) throws -> [[UInt32]] {
    let compute = try Compute.idle(vectorWidth: vectorWidth, kernelVariant: variant)
    let shuffle = try RowShuffle(count: count, seeds: seeds, compute: compute)
    let numbers = try shuffle.order(stream: stream).buffer.read(queue: compute.queue)
    return seeds.indices.map { Array(numbers[$0 * count..<($0 + 1) * count]) }
  }

  /// Where the swap-or-not shuffle of Kernels/order.cl brings every place.
  private func reference(of count: Int, seed: UInt64, stream: UInt64) -> [UInt32] {
    let words = (0..<UInt32(16)).flatMap { index -> [UInt32] in
      let block = Philox.block(counter: [index, UInt32(stream), 0, 0], seed: seed)
      return [block.x, block.y, block.z, block.w]
    }
    func mixed(_ x: UInt32) -> UInt32 {
      let first = (x ^ x >> 16) &* 0x7feb_352d
      let second = (first ^ first >> 15) &* 0x846c_a68b
      return second ^ second >> 16
    }
    return (0..<count).map { place in
      var x = place
      for round in 0..<32 {
        let pivot = Int((UInt64(words[2 * round]) * UInt64(count)) >> 32)
        let other = (pivot - x + count) % count
        let swaps = mixed(UInt32(max(x, other)) ^ words[2 * round + 1]) >> 31 == 1
        if swaps { x = other }
      }
      return UInt32(x)
    }
  }

  @Test(arguments: [1, 2, 5, 64, 1023, 1024, 1025, 4099], KernelVariant.allCases)
  func order_isTheShuffles(count: Int, variant: KernelVariant) throws {
    let seeds: [UInt64] = [0, 7, 0x1234_5678_9abc_def0]
    let expected = seeds.map { reference(of: count, seed: $0, stream: 5) }
    for width in [4, 8, 16] {
      #expect(try orders(of: count, seeds: seeds, variant, vectorWidth: width) == expected)
    }
  }

  @Test func order_isAPermutation_ofItsOwn() throws {
    let count = 50_000
    let made = try orders(of: count, seeds: [1, 2])
    let everything = (0..<UInt32(count)).map { $0 }
    for order in made { #expect(order.sorted() == everything) }
    #expect(made[0] != made[1])
    #expect(try orders(of: count, seeds: [1, 2], stream: 6)[0] != made[0])
    // Both words of a stream's number count, on the device as on the host.
    #expect(try orders(of: count, seeds: [1, 2], stream: 5 | 1 << 40)[0] != made[0])
  }

  /// χ² over the 24 orders of four rows, and over the 120 of five: one in 10 000 fair shuffles is above
  /// these bounds. Seeds are fixed, so the test does not flicker.
  @Test(arguments: [(4, 57.0), (5, 183.0)]) func order_isEachPermutationAsOften(
    count: Int, bound: Double
  ) throws {
    let seeds = (0..<UInt64(48_000)).map { $0 }
    var counts: [[UInt32]: Int] = [:]
    for order in try orders(of: count, seeds: seeds) { counts[order, default: 0] += 1 }
    let kinds = (1...count).reduce(1, *)
    let expected = Double(seeds.count) / Double(kinds)
    #expect(counts.count == kinds)
    let square = counts.values.reduce(0.0) {
      $0 + (Double($1) - expected) * (Double($1) - expected) / expected
    }
    #expect(square <= bound)
  }

  /// What a batch of neighbours would show: where rows come from, and how far apart neighbours are.
  @Test func order_forgetsWhereRowsWere() throws {
    let (count, draws) = (1000, 400)
    let made = try orders(of: count, seeds: (0..<UInt64(draws)).map { $0 })
    // Fixed points are one an order on average, with variance 1.
    let fixed = made.joined().enumerated().count { $0.offset % count == Int($0.element) }
    #expect(abs(Double(fixed) - Double(draws)) <= 4 * Double(draws).squareRoot())
    // Two that follow each other are neighbours in 2/count of all cases.
    let pairs = made.reduce(0) { sum, order in
      sum + zip(order, order.dropFirst()).count { abs(Int($0) - Int($1)) == 1 }
    }
    let expected = 2.0 * Double(draws) * Double(count - 1) / Double(count)
    #expect(abs(Double(pairs) - expected) <= 4 * expected.squareRoot())
    // The first tenth of places holds a tenth of each tenth of the rows.
    for tenth in 0..<10 {
      let held = made.reduce(0) { sum, order in
        sum + order.prefix(100).count { Int($0) / 100 == tenth }
      }
      #expect(abs(Double(held) - 10 * Double(draws)) <= 4 * (10 * Double(draws)).squareRoot())
    }
  }
}
