import Foundation
import Networks
import OpenCL
import Spectral
import Synchronization
import Tensors
import Testing

@testable import Training

/// Ranks as threads of this process, one of which at a time does anything: in rank order from one meeting to the
/// next.
private final class Table: @unchecked Sendable {
  private let condition = NSCondition()
  private let count: Int
  private var turn = 0
  private var messages: [[UInt32]]
  private var isBroken = false

  struct Broken: Error {}

  init(_ count: Int) {
    self.count = count
    messages = [[UInt32]](repeating: [], count: count)
  }

  func waitForTurn(_ rank: Int) throws {
    condition.lock()
    defer { condition.unlock() }
    while turn != rank && !isBroken { condition.wait() }
    if isBroken { throw Broken() }
  }

  func passTurn(_ rank: Int) {
    condition.lock()
    turn = (rank + 1) % count
    condition.broadcast()
    condition.unlock()
  }

  func fail() {
    condition.lock()
    isBroken = true
    condition.broadcast()
    condition.unlock()
  }

  /// Everybody's message, once all have one.
  func meet(_ rank: Int, _ own: [UInt32]) throws -> [[UInt32]] {
    messages[rank] = own
    passTurn(rank)
    try waitForTurn(rank)
    return messages
  }
}

private final class ThreadRank: Ranks {
  let rank, count: Int
  private let table: Table

  init(_ rank: Int, of count: Int, _ table: Table) {
    (self.rank, self.count, self.table) = (rank, count, table)
  }

  private func words(_ start: UnsafeRawPointer, _ count: Int) -> [UInt32] {
    Array(UnsafeBufferPointer(start: start.assumingMemoryBound(to: UInt32.self), count: count))
  }

  func gather(
    _ own: UnsafeRawPointer, into all: UnsafeMutableRawPointer, counts: [Int]
  ) throws {
    let messages = try table.meet(rank, words(own, counts[rank]))
    #expect(messages.map(\.count) == counts)
    let joined = Array(messages.joined())
    all.copyMemory(from: joined, byteCount: 4 * joined.count)
    // Nobody writes the next message before all have read this one.
    _ = try table.meet(rank, words(own, counts[rank]))
  }

  func exchange(
    _ own: UnsafeRawPointer, sent: [Int], into pieces: UnsafeMutableRawPointer, received: [Int]
  ) throws {
    let message = words(own, sent.reduce(0, +))
    let messages = try table.meet(rank, message)
    let first = sent[..<rank].reduce(0, +)
    let mine = messages.flatMap { $0[first..<first + sent[rank]] }
    #expect(mine.count == received.reduce(0, +))
    pieces.copyMemory(from: mine, byteCount: 4 * mine.count)
    _ = try table.meet(rank, message)
  }
}

/// Several ranks train what one process does.
@Suite(.serialized) struct RanksTests {
  /// What a rank has after its training.
  struct Trained: Sendable {
    var losses: [Double] = []
    var norms: [Double]?
    var weights: [[Float]] = []
    var plan = ExchangePlan()
    var records: [Double] = []
    /// Losses and weights, of which some may be no numbers.
    var bits: [[UInt64]] {
      [losses.map(\.bitPattern)] + weights.map { $0.map { UInt64($0.bitPattern) } }
    }
  }

  enum Subject: String, CaseIterable {
    case perceptron, transformer

    func configuration(
      _ optimization: Optimization, micro: Int?, batch: Int?
    ) -> TrainingConfiguration {
      switch self {
      case .perceptron:
        TrainingConfiguration(
          network: MLP(inputs: 12, hidden: [160, 130], outputs: 5, bias: true, activation: .tanh),
          optimization: optimization, batchSize: batch ?? 24, microBatch: micro)
      case .transformer:
        TrainingConfiguration(
          network: Transformer(
            vocabulary: 7, width: 32, depth: 2, heads: .count(2), context: 8),
          optimization: optimization, batchSize: batch ?? 6, microBatch: micro)
      }
    }

    /// Three batches an epoch, the last one of a row.
    func rows(_ compute: Compute) throws -> DeviceRows {
      var random = Philox(seed: 2, stream: 0)
      switch self {
      case .perceptron:
        return try DeviceRows(
          .floats((0..<49 * 12).map { _ in random.uniform(-1, 1) }),
          labels: (0..<49).map { UInt32($0 * $0 % 5) }, scale: [Float](repeating: 1, count: 12),
          shift: [Float](repeating: 0, count: 12), compute: compute)
      case .transformer:
        let tokens = (0..<13 * 8 + 1).map { UInt16($0 * $0 % 7) }
        return try DeviceRows(
          .narrow(tokens), TokenWindows(tokens: tokens.count, context: 8), compute: compute)
      }
    }
  }

  private static func train(
    _ subject: Subject, _ optimization: Optimization, micro: Int? = nil, batch: Int? = nil,
    steps: Int = 20, stopAfter: Int? = nil, from state: TrainingState? = nil,
    diagnoses: Bool = false,
    by exchange: ((Compute) -> GradientExchange)? = nil
  ) throws -> (trained: Trained, state: TrainingState) {
    let compute = try Compute(device: .find(.best))
    let trainer = try Trainer(
      subject.configuration(optimization, micro: micro, batch: batch),
      replicas: [
        Replica(seed: 3, learningRate: 0.05, parametrization: SpectralParametrization())
      ], totalSteps: steps, compute: compute)
    let rows = try subject.rows(compute)
    let diagnostics = diagnoses ? try trainer.diagnose(every: 5, probe: rows) : nil
    try state.map { try trainer.restore([$0]) }
    let own = exchange?(compute)
    own.map(trainer.share)
    try trainer.train(on: rows, until: stopAfter ?? steps)
    let losses = try trainer.allLosses()
    var trained = Trained(losses: losses.losses.map { $0[0] })
    trained.norms = losses.gradientNorms(replica: 0, over: 0..<losses.batchSizes.count)
    trained.weights = try trainer.network.parameters.map { try trainer.values(of: $0) }
    trained.plan = own?.plan ?? ExchangePlan()
    trained.records =
      try diagnostics?.records().flatMap { record in
        record.layers.map { $0[.updateSpectralNorm]?[0] ?? 0 }
      } ?? []
    return (trained, try trainer.states()[0])
  }

  /// The same by ranks; all of which end with the same bits.
  private static func train(
    ranks: Int, _ subject: Subject, _ optimization: Optimization, micro: Int? = nil,
    batch: Int? = nil, route: GradientRoute = .automatic, steps: Int = 20, stopAfter: Int? = nil,
    from state: TrainingState? = nil, diagnoses: Bool = false
  ) throws -> (trained: Trained, state: TrainingState) {
    let table = Table(ranks)
    let results = Mutex(
      [Result<(trained: Trained, state: TrainingState), any Error>?](
        repeating: nil, count: ranks))
    let done = DispatchSemaphore(value: 0)
    for rank in 0..<ranks {
      let thread = Thread {
        let result = Result {
          try table.waitForTurn(rank)
          return try train(
            subject, optimization, micro: micro, batch: batch, steps: steps, stopAfter: stopAfter,
            from: state, diagnoses: diagnoses
          ) { GradientExchange(ThreadRank(rank, of: ranks, table), route: route, compute: $0) }
        }
        if case .failure = result { table.fail() } else { table.passTurn(rank) }
        results.withLock { $0[rank] = result }
        done.signal()
      }
      thread.stackSize = 16 << 20
      thread.start()
    }
    for _ in 0..<ranks { done.wait() }
    let all = try results.withLock { try $0.map { try $0!.get() } }
    for other in all.dropFirst() {
      #expect(other.trained.bits == all[0].trained.bits)
    }
    return all[0]
  }

  private func expectClose(
    _ got: Trained, _ expected: Trained, within tolerance: Double, _ what: String
  ) {
    #expect(got.losses.count == expected.losses.count)
    for (step, (own, other)) in zip(got.losses, expected.losses).enumerated() {
      #expect(abs(own - other) <= tolerance * other, "\(what), step \(step): \(own), \(other)")
    }
  }

  @Test(arguments: Subject.allCases)
  func losses_areThoseOfOneProcess(subject: Subject) throws {
    for (optimizer, tolerance) in [(OptimizerKind.sgd, 1e-6), (.adam, 1e-5)] {
      let alone = try Self.train(subject, Optimization(optimizer)).trained
      #expect(alone.losses.last! < alone.losses[0])
      for (route, ranks) in [(GradientRoute.factors, 2), (.sums, 3)] {
        let together = try Self.train(ranks: ranks, subject, Optimization(optimizer), route: route)
        expectClose(together.trained, alone, within: tolerance, "\(optimizer), \(ranks) ranks")
      }
    }
  }

  /// Clipping, accumulation, Muon, decay, diagnostics: whatever sees gradients sees the whole batch's.
  @Test(arguments: Subject.allCases) func everythingSeesTheWholeBatch(subject: Subject) throws {
    var clipped = Optimization(
      .muon, weightDecay: WeightDecay(strength: 0.1, kind: .decoupled), clipNorm: 0.2)
    clipped.groups = [ParameterGroup("readout", rateFactor: 0)]
    for micro in [nil, 2] {
      let alone = try Self.train(subject, clipped, micro: micro, diagnoses: true).trained
      let together = try Self.train(
        ranks: 2, subject, clipped, micro: micro, diagnoses: true
      ).trained
      expectClose(together, alone, within: 1e-5, "\(micro ?? 0) rows at a time")
      let (norms, expected) = (try #require(together.norms), try #require(alone.norms))
      #expect(norms.count == 20 && expected.count == 20)
      for (own, other) in zip(norms, expected) { #expect(abs(own - other) <= 1e-4 * other) }
      #expect(alone.records.count == together.records.count && !alone.records.isEmpty)
      for (own, other) in zip(together.records, alone.records) {
        #expect(abs(own - other) <= 1e-3 * other)
      }
    }
  }

  /// Of five rows one rank has three, in two parts, and the other two, in one.
  @Test(arguments: GradientRoute.allCases)
  func unequalShares_areOfOneKind(route: GradientRoute) throws {
    let optimization = Optimization(.sgd)
    let alone = try Self.train(.perceptron, optimization, micro: 2, batch: 5, steps: 6).trained
    let together = try Self.train(
      ranks: 2, .perceptron, optimization, micro: 2, batch: 5, route: route, steps: 6
    ).trained
    expectClose(together, alone, within: 1e-6, "shares of 3 and 2 rows, 2 at a time")
    #expect(together.plan.factors.isEmpty && !together.plan.sums.isEmpty)
  }

  /// Three ranks resume where two stopped, as two would.
  @Test func anotherNumberOfRanks_resumes() throws {
    let optimization = Optimization(.adam, schedule: Schedule(.cosine))
    let whole = try Self.train(.perceptron, optimization).trained
    let begun = try Self.train(ranks: 2, .perceptron, optimization, stopAfter: 8)
    let ended = try Self.train(ranks: 3, .perceptron, optimization, from: begun.state).trained
    expectClose(ended, whole, within: 1e-5, "8 steps by two, 12 by three")
    let alone = try Self.train(.perceptron, optimization, from: begun.state).trained
    expectClose(alone, whole, within: 1e-5, "8 steps by two, 12 by one")
  }

  /// Wide weights on few rows by their factors; bytes are those that the formulas say.
  @Test func leastWork_isChosen_andBytesAreAsPredicted() throws {
    let optimization = Optimization(.sgd)
    // The last batch has a row, so the one before it: step 2.
    func plan(_ route: GradientRoute, ranks: Int) throws -> ExchangePlan {
      try Self.train(
        ranks: ranks, .perceptron, optimization, route: route, steps: 2
      ).trained.plan
    }
    let weights = ["layers.0.weight", "layers.1.weight", "layers.2.weight"]
    let shapes = [(160, 12), (130, 160), (5, 130)]
    let biases = 160 + 130 + 5
    func sum(_ count: Int, _ ranks: Int) -> Int {
      // The first rank's piece, from the others; and the others' pieces.
      let own = count / ranks
      return (ranks - 1) * own + count - own
    }
    for ranks in [2, 4] {
      let losses = 24 / ranks * (ranks - 1) + 2 * (ranks - 1)
      let factors = try plan(.factors, ranks: ranks)
      #expect(Set(factors.factors) == Set(weights) && factors.sums.count == 3)
      let rows = 24 - 24 / ranks
      #expect(
        factors.receivedBytes
          == 4 * (losses + shapes.reduce(0) { $0 + rows * ($1.0 + $1.1) } + sum(biases, ranks)))
      let sums = try plan(.sums, ranks: ranks)
      #expect(sums.factors.isEmpty && sums.sums.count == 6)
      let small = biases + 160 * 12 + 5 * 130
      #expect(
        sums.receivedBytes == 4 * (losses + sum(small, ranks) + sum(130 * 160, ranks)))
    }
    #expect(try plan(.automatic, ranks: 2).factors == ["layers.1.weight"])
    let route = GradientRoute.automatic
    #expect(route.takesFactors(outputs: 4096, inputs: 4096, rows: 64, ranks: 4))
    #expect(!route.takesFactors(outputs: 4096, inputs: 4096, rows: 16384, ranks: 4))
  }

  /// A loss that is no number freezes the run in every rank, whoever's rows it came of.
  @Test func divergence_isEverybodys() throws {
    var optimization = Optimization(.sgd)
    optimization.groups = [ParameterGroup("all", rateFactor: 1e38)]
    let alone = try Self.train(.perceptron, optimization).trained
    let together = try Self.train(ranks: 2, .perceptron, optimization).trained
    #expect(alone.losses.firstIndex { !$0.isFinite } == together.losses.firstIndex { !$0.isFinite })
    #expect(alone.losses.contains { !$0.isFinite })
  }
}
