import Foundation
import Synchronization
import Tensors

/// One sweep on several devices of a machine at once: for each a sweep on a thread of its own, all of them on
/// one store.
///
/// They share the runs as processes do. Where a device is lost, or its driver fails, the others do its runs. CPUs
/// take turns, a group of runs each: they share their cores, and PoCL 3.1 ends the program where two threads run
/// one kernel for the first time at once.
public struct SweepTeam {
  /// One for each device, of the same runs and the same store.
  public let sweeps: [Sweep]

  /// `sweep`, and the same on each of `others`.
  ///
  /// - Throws: as `Sweep.init`.
  public init(_ sweep: Sweep, others: [(compute: Compute, memory: MemoryPlan)] = []) throws {
    guard case .shards(let shards) = sweep.sharing, !others.isEmpty else {
      sweeps = try [sweep] + others.map { try sweep.with($0.compute, $0.memory, sweep.sharing) }
      return
    }
    // Without claims each device has its part of the part.
    sweeps = try ([(sweep.compute, sweep.memory)] + others).enumerated().map { index, device in
      let part = Shard(index + 1, of: others.count + 1).map { [$0] } ?? []
      return try sweep.with(device.0, device.1, .shards(shards + part))
    }
  }

  /// As `Sweep.run`; `watch` is called by this thread, with what all of them have done together.
  ///
  /// - Throws: what a device's sweep throws, after the end of all, where its runs are not done.
  public func run(watch: (Sweep.Progress) -> Bool = { _ in true }) throws -> Sweep.Outcome {
    if sweeps.count == 1 { return try sweeps[0].run(watch: watch) }
    // All look at what is there before one of them adds to it.
    let turn = sweeps.allSatisfy { $0.compute.queue.device.kind == .cpu } ? NSLock() : nil
    let runs = try sweeps.map { try SweepRun($0, helpers: sweeps.count - 1, turn: turn) }
    let isStopped = Stop()
    let others = runs.dropFirst().map { Member($0, isStopped) }
    var own: Sweep.Progress?
    func together() -> Sweep.Progress? {
      let known = others.compactMap(\.progress)
      return own?.together(with: known) ?? known.first?.together(with: Array(known.dropFirst()))
    }
    func goesOn() -> Bool {
      if let progress = together(), !watch(progress) { isStopped.set() }
      return !isStopped.isSet
    }
    let first = Result {
      try runs[0].run { progress in
        own = progress
        return goesOn()
      }
    }
    while others.contains(where: { $0.ending == nil }) {
      _ = goesOn()
      Thread.sleep(forTimeInterval: 0.05)
    }
    return try outcome(
      [first] + others.compactMap(\.ending), together(), isStopped: isStopped.isSet)
  }

  /// How all of them ended together.
  private func outcome(
    _ endings: [Result<Sweep.Outcome, any Error>], _ progress: Sweep.Progress?, isStopped: Bool
  ) throws -> Sweep.Outcome {
    let outcomes = endings.compactMap { try? $0.get() }
    guard let progress = progress ?? outcomes.first?.progress else {
      return try endings[0].get()
    }
    let sweep = sweeps[0]
    let cells = Set(sweeps.flatMap(\.cells))
    let done = try sweep.store.results(of: Array(cells), in: sweep.experiment)
      .count { $0.value.outcome != .failed }
    let isDone = done == cells.count
    let troubles = zip(sweeps, endings).compactMap { sweep, ending -> String? in
      let text: String? =
        switch ending {
        case .success(let outcome): outcome.failure
        case .failure(let error): "\(error)"
        }
      return text.map { "\(sweep.compute.queue.device.name): \($0)" }
    }
    if !isDone && !isStopped, outcomes.count < endings.count {
      for ending in endings { _ = try ending.get() }
    }
    var outcome = Sweep.Outcome(
      progress: progress, interrupted: isStopped, failure: isDone ? nil : troubles.first,
      checkpointStep: outcomes.compactMap(\.checkpointStep).max())
    outcome.isDeviceLost = !isDone && outcomes.contains(where: \.isDeviceLost)
    outcome.troubles = isDone ? troubles : []
    return outcome
  }
}

/// Whether all are to stop.
private final class Stop: Sendable {
  private let value = Atomic(false)
  var isSet: Bool { value.load(ordering: .relaxed) }
  func set() { value.store(true, ordering: .relaxed) }
}

/// A sweep on a thread of its own, from the time that this is made.
private final class Member: Sendable {
  private struct State {
    var progress: Sweep.Progress?
    var ending: Result<Sweep.Outcome, any Error>?
  }
  /// A sweep and all that it uses is its thread's alone.
  private struct Handed: @unchecked Sendable { let run: SweepRun }

  private let state = Mutex(State())

  init(_ run: SweepRun, _ isStopped: Stop) {
    let handed = Handed(run: run)
    let thread = Thread { [self] in
      let ending = Result {
        try handed.run.run { progress in
          state.withLock { $0.progress = progress }
          return !isStopped.isSet
        }
      }
      state.withLock { $0.ending = ending }
    }
    // As much as the main thread has; others have less.
    thread.stackSize = 8 << 20
    thread.start()
  }

  var progress: Sweep.Progress? { state.withLock { $0.progress } }
  /// nil while it runs.
  var ending: Result<Sweep.Outcome, any Error>? { state.withLock { $0.ending } }
}

extension Sweep.Progress {
  /// What this sweep and `others`, on other devices of this process, have done.
  fileprivate func together(with others: [Sweep.Progress]) -> Sweep.Progress {
    let all = [self] + others
    var sum = self
    sum.finished = all.reduce(0) { $0 + $1.finished }
    // Parts of their own add up; else each counts what the others have done as done elsewhere.
    let isOfParts = all.contains { $0.isOfAPart }
    if isOfParts {
      sum.total = all.reduce(0) { $0 + $1.total }
      sum.reused = all.reduce(0) { $0 + $1.reused }
    } else {
      let done = all.map { $0.reused + $0.finished + $0.elsewhere }.max() ?? 0
      sum.elsewhere = max(0, done - reused - sum.finished)
    }
    sum.diverged =
      isOfParts ? all.reduce(0) { $0 + $1.diverged } : all.map(\.diverged).max() ?? 0
    sum.failed = all.reduce(0) { $0 + $1.failed }
    sum.share = (isOfParts ? all.map(\.share).min() : all.map(\.share).max()) ?? 0
    sum.steps = all.reduce(0) { $0 + $1.steps }
    sum.tokens = all.reduce(0) { $0 + $1.tokens }
    sum.best = all.compactMap(\.best).min { $0.loss < $1.loss }
    sum.halvings = all.reduce(0) { $0 + $1.halvings }
    sum.waits = all.reduce(0) { $0 + $1.waits }
    sum.others.removeAll { $0.holder == .current }
    if group == nil, let busy = others.first(where: { $0.group != nil }) {
      (sum.group, sum.awaited) = (busy.group, 0)
      (sum.groupNumber, sum.groupCount) = (busy.groupNumber, busy.groupCount)
      (sum.groupStep, sum.bytesPerRun) = (busy.groupStep, busy.bytesPerRun)
    }
    return sum
  }
}
