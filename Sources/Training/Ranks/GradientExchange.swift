import Networks
import OpenCL
import Tensors

/// Puts each step's gradients together from those of several ranks, of which each computes a part of the batch's
/// rows.
///
/// A gradient's numbers begin to leave the device where the way back has made them, while it goes on to the
/// layers before; they are exchanged in that order. What all ranks add up is added in rank order, so that every
/// rank has the same bits, and the result depends on the number of ranks by rounding alone.
public final class GradientExchange {
  /// Who trains.
  public let ranks: any Ranks
  /// How a weight's gradient is put together.
  public let route: GradientRoute
  /// What a step exchanged, of the most rows so far.
  public private(set) var plan = ExchangePlan()
  private var plannedLabels = 0
  /// What this step exchanges.
  private var exchanged = ExchangePlan()
  /// Whether every rank knows that one wants to stop; known to all after the same step.
  public private(set) var isStopAgreed = false
  private let wantsToStop: () -> Bool
  private let compute: Compute
  private var waiting: [Waiting] = []
  /// Rows of the step's batch that each rank computes, and labels a row.
  private var rows: [Int] = []
  private var labelsPerRow = 1
  private var losses: [(memory: PinnedMemory, copy: PendingCommand, count: Int)] = []
  /// Memory by what it is for.
  private var memories: [String: PinnedMemory] = [:]

  /// A gradient on its way.
  private struct Waiting {
    let parameter: Parameter
    let content: Content
    let copies: [PendingCommand]
    let memory: PinnedMemory
  }

  private enum Content {
    /// Columns of Δ and of H.
    case factors(outputs: Int, inputs: Int, scale: Float)
    case sum(rows: Int, columns: Int)
  }

  /// - route: how a weight's gradient is put together.
  /// - wantsToStop: whether this rank was asked to end; asked once a step.
  public init(
    _ ranks: any Ranks, route: GradientRoute = .automatic, compute: Compute,
    wantsToStop: @escaping () -> Bool = { false }
  ) {
    (self.ranks, self.route, self.compute) = (ranks, route, compute)
    self.wantsToStop = wantsToStop
  }

  /// The rows of a batch that this rank computes; nil where there are fewer rows than ranks, and each computes
  /// all.
  func begin(batch: Int, labelsPerRow: Int) -> Range<Int>? {
    guard batch >= ranks.count else { return nil }
    precondition(waiting.isEmpty && losses.isEmpty, "the step before has not been finished")
    rows = shares(of: batch)
    (self.labelsPerRow, exchanged) = (labelsPerRow, ExchangePlan())
    let first = rows[..<ranks.rank].reduce(0, +)
    return first..<first + rows[ranks.rank]
  }

  /// What each rank has of so many things, as even as can be.
  private func shares(of count: Int) -> [Int] {
    (0..<ranks.count).map { ($0 + 1) * count / ranks.count - $0 * count / ranks.count }
  }

  /// Labels of the step's batch: rows of Δ and H.
  private var labels: Int { rows.reduce(0, +) * labelsPerRow }

  /// The most rows of the step's batch that a rank computes.
  var mostRows: Int { rows.max() ?? 0 }

  /// Takes the losses of some of this rank's rows.
  ///
  /// - Throws: `OpenCLError`.
  func take(losses part: Tensor) throws {
    let memory = try memory("losses.\(losses.count)", words: part.count)
    losses.append(
      (memory, try part.buffer.beginRead(into: memory, queue: compute.queue), part.count))
  }

  /// Takes this rank's share of a gradient.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func take(_ parameter: Parameter, _ gradient: ParameterGradient) throws {
    switch gradient {
    case .factors(let delta, let input, let scale)
    where route.takesFactors(
      outputs: delta.columns, inputs: input.columns,
      rows: labels, ranks: ranks.count):
      let memory = try memory(parameter.name, words: delta.count + input.count)
      let copies = [
        try delta.buffer.beginRead(into: memory, queue: compute.queue),
        try input.buffer.beginRead(
          into: memory, at: 4 * delta.count, queue: compute.queue),
      ]
      waiting.append(
        Waiting(
          parameter: parameter,
          content: .factors(outputs: delta.columns, inputs: input.columns, scale: scale),
          copies: copies, memory: memory))
    case .factors, .whole:
      let matrix = try gradient.materialized(compute)
      let memory = try memory(parameter.name, words: matrix.count)
      waiting.append(
        Waiting(
          parameter: parameter, content: .sum(rows: matrix.rows, columns: matrix.columns),
          copies: [try matrix.buffer.beginRead(into: memory, queue: compute.queue)],
          memory: memory))
    }
  }

  /// The losses of all the batch's rows, [1, 1, rows], in rank order.
  ///
  /// - Throws: `OpenCLError`, `RanksOutOfStep`, what the ranks throw.
  func allLosses(ofStep step: Int) throws -> Tensor {
    // Before them: whether the rank wants to stop, and where it is.
    var own: [Float] = [wantsToStop() ? 1 : 0, Float(bitPattern: UInt32(truncatingIfNeeded: step))]
    let head = own.count
    for (memory, copy, count) in losses {
      try copy.wait()
      own += UnsafeBufferPointer(
        start: memory.pointer.assumingMemoryBound(to: Float.self), count: count)
    }
    losses = []
    let counts = rows.map { $0 * labelsPerRow + head }
    var all = [Float](repeating: 0, count: counts.reduce(0, +))
    try all.withUnsafeMutableBytes { try ranks.gather(own, into: $0.baseAddress!, counts: counts) }
    noteReceived(counts)
    let memory = try memory("losses", words: labels)
    let values = memory.pointer.assumingMemoryBound(to: Float.self)
    var (place, taken) = (0, 0)
    for count in counts {
      isStopAgreed = isStopAgreed || all[place] != 0
      let other = all[place + 1].bitPattern
      guard other == UInt32(truncatingIfNeeded: step) else {
        throw RanksOutOfStep(step: step, other: Int(other))
      }
      for index in place + head..<place + count {
        values[taken] = all[index]
        taken += 1
      }
      place += count
    }
    return try uploaded(memory, rows: 1, columns: labels)
  }

  /// Exchanges what was taken, in order, and hands over the whole batch's gradients.
  ///
  /// - Throws: `OpenCLError`, what the ranks and `receive` throw.
  func finish(_ receive: GradientReceiver) throws {
    let waiting = waiting
    self.waiting = []
    // Small sums travel together.
    var small: [Waiting] = []
    for own in waiting {
      for copy in own.copies { try copy.wait() }
      switch own.content {
      case .factors(let outputs, let inputs, let scale):
        exchanged.factors.append(own.parameter.name)
        try receive(own.parameter, allFactors(own, outputs, inputs, scale))
      case .sum(let rows, let columns):
        exchanged.sums.append(own.parameter.name)
        if rows * columns < Self.smallSum {
          small.append(own)
        } else {
          let count = rows * columns
          let result = try memory("\(own.parameter.name).sum", words: count)
          try addUp(own.memory.pointer, count, into: result)
          try receive(own.parameter, .whole(uploaded(result, rows: rows, columns: columns)))
        }
      }
    }
    try finish(small: small, receive)
    if labels >= plannedLabels { (plan, plannedLabels) = (exchanged, labels) }
  }

  /// Numbers from which a sum is exchanged alone.
  private static let smallSum = 1 << 14

  private func finish(small: [Waiting], _ receive: GradientReceiver) throws {
    let counts = small.map { $0.parameter.value.stride }
    let total = counts.reduce(0, +)
    guard total > 0 else { return }
    let together = try memory("small", words: total)
    var place = 0
    for (own, count) in zip(small, counts) {
      (together.pointer + 4 * place).copyMemory(from: own.memory.pointer, byteCount: 4 * count)
      place += count
    }
    let result = try memory("small.sum", words: total)
    try addUp(together.pointer, total, into: result)
    place = 0
    for (own, count) in zip(small, counts) {
      guard case .sum(let rows, let columns) = own.content else { continue }
      let sum = try uploaded(result, at: 4 * place, rows: rows, columns: columns)
      try receive(own.parameter, .whole(sum))
      place += count
    }
  }

  /// Δ and H of all rows.
  private func allFactors(
    _ own: Waiting, _ outputs: Int, _ inputs: Int, _ scale: Float
  ) throws -> ParameterGradient {
    let total = labels
    let all = try memory("\(own.parameter.name).all", words: total * (outputs + inputs))
    func gather(_ source: UnsafeRawPointer, _ columns: Int, at place: Int) throws -> Tensor {
      let counts = rows.map { $0 * labelsPerRow * columns }
      try ranks.gather(source, into: all.pointer + 4 * place, counts: counts)
      noteReceived(counts)
      return try uploaded(all, at: 4 * place, rows: total, columns: columns)
    }
    let ownRows = rows[ranks.rank] * labelsPerRow
    let delta = try gather(own.memory.pointer, outputs, at: 0)
    let input = try gather(
      own.memory.pointer + 4 * ownRows * outputs, inputs, at: total * outputs)
    return .factors(delta: delta, input: input, scale: scale)
  }

  /// The sum of every rank's numbers, added in rank order: each rank adds up one piece, and all get the pieces.
  private func addUp(_ own: UnsafeRawPointer, _ count: Int, into result: PinnedMemory) throws {
    let sizes = shares(of: count)
    let size = sizes[ranks.rank]
    let pieces = try memory("pieces", words: max(1, size * ranks.count))
    let received = [Int](repeating: size, count: ranks.count)
    try ranks.exchange(own, sent: sizes, into: pieces.pointer, received: received)
    let numbers = pieces.pointer.assumingMemoryBound(to: Float.self)
    for rank in 1..<ranks.count {
      let other = numbers + rank * size
      for index in 0..<size { numbers[index] += other[index] }
    }
    try ranks.gather(numbers, into: result.pointer, counts: sizes)
    noteReceived(received)
    noteReceived(sizes)
  }

  private func uploaded(
    _ memory: PinnedMemory, at offset: Int = 0, rows: Int, columns: Int
  ) throws -> Tensor {
    let tensor = try compute.tensor(replicas: 1, rows: rows, columns: columns)
    try tensor.buffer.beginWrite(from: memory, at: offset, queue: compute.queue)
    return tensor
  }

  private func noteReceived(_ counts: [Int]) {
    exchanged.receivedBytes += 4 * (counts.reduce(0, +) - counts[ranks.rank])
  }

  /// Memory that stays from step to step, by what it is for; larger where it has to be.
  private func memory(_ name: String, words: Int) throws -> PinnedMemory {
    if let known = memories[name], known.byteCount >= 4 * words { return known }
    let made = try PinnedMemory(queue: compute.queue, byteCount: 4 * words)
    memories[name] = made
    return made
  }
}

/// Ranks that are at unlike steps, which only a fault of one of them can bring about.
public struct RanksOutOfStep: Error, CustomStringConvertible {
  let step, other: Int

  /// One line.
  public var description: String { "this rank is at step \(step), another one at \(other)" }
}
