import Foundation
import OpenCL
import Tensors
import Training

/// One call of `Sweep.run`: what is done of it and what is left.
final class SweepRun {
  private let sweep: Sweep
  /// Other devices of this process that train the same runs.
  private let helpers: Int
  /// Held by the one of them that computes, where they take turns.
  private let turn: NSLock?
  private var watch: (Sweep.Progress) -> Bool = { _ in true }
  /// nil: the runs are this process's alone.
  private let claims: Claims?
  private var progress: Sweep.Progress
  /// Runs to be done no more by this call: those with a result, and those it has tried.
  private var settled: Set<RunCell> = []
  /// What there is to do at first, by what was there.
  private let firstGroups: [PlannedGroup]
  private var left: WorkLeft
  private var identifiers: [RunCell: String] = [:]
  private var rows: (train: DeviceRows, validation: DeviceRows?)?
  private var memoryWait = MemoryWait()
  private let best: BestWeights?
  private var failure: String?
  private var saveFailure: RunStoreError?

  /// Between two looks at what others are doing, while there is nothing else to do, at first and at most; of
  /// the time that a claim may stand still no more than a sixteenth.
  private static let pauses = (shortest: Duration.seconds(1), longest: Duration.seconds(10))
  /// Multiply-adds of fewer are not cut further for the sake of other processes: about two seconds of two
  /// CPU cores.
  private static let smallestShare = 1e11

  private var store: RunStore { sweep.store }
  private var compute: Compute { sweep.compute }

  /// Looks at what is there, and plans what is missing.
  ///
  /// - helpers: other devices of this process that train the same runs. turn: what whichever of them computes
  ///   holds; nil: they compute at once.
  /// - Throws: `RunStoreError`.
  init(_ sweep: Sweep, helpers: Int = 0, turn: NSLock? = nil) throws {
    (self.sweep, self.helpers, self.turn) = (sweep, helpers, turn)
    if case .claims(let program, let timeout) = sweep.sharing {
      claims = Claims(
        directory: sweep.store.claimsDirectory, program: program,
        device: sweep.compute.deviceDescription, timeout: timeout)
    } else {
      claims = nil
    }
    let results = try sweep.store.results(of: sweep.cells, in: sweep.experiment)
    let missing = RunStore.missing(sweep.cells, results)
    settled = Set(sweep.cells).subtracting(missing)
    let steps = missing.map { sweep.stepMade(by: $0) }
    firstGroups = try sweep.groups(
      of: missing, steps: Dictionary(uniqueKeysWithValues: zip(missing, steps.map { $0 ?? 0 })))
    left = WorkLeft(firstGroups)
    progress = Sweep.Progress(
      reused: settled.count, total: sweep.cells.count, resumed: steps.count { $0 ?? 0 > 0 },
      unfit: steps.count { $0 == nil },
      lost: missing.count { sweep.store.hasLostRecords(RunConfiguration(sweep.experiment, $0)) })
    progress.isOfAPart = claims == nil
    // The lowest train loss among the sweep's runs in the store.
    progress.best = results.compactMap { cell, result in result.trainLoss.map { (cell, $0) } }
      .min { $0.1 < $1.1 }
    best = sweep.keepsBest.map {
      BestWeights(
        by: $0, of: sweep.grid, in: sweep.experiment, store: sweep.store, results: results)
    }
    // A sweep may have been killed between a run's result and the end of its checkpoint.
    for cell in settled { sweep.stopped.remove(cell) }
    for (cell, result) in results { try writeEvents(of: cell, result) }
  }

  /// Trains until nothing is left to do; once.
  ///
  /// - Throws: as `Sweep.run`.
  func run(watch: (Sweep.Progress) -> Bool) throws -> Sweep.Outcome {
    try withoutActuallyEscaping(watch) { watch in
      self.watch = watch
      defer { self.watch = { _ in true } }
      return try trainAll()
    }
  }

  private func trainAll() throws -> Sweep.Outcome {
    defer {
      // What processes that are gone have left is removed with what this one has.
      _ = try? claims?.others()
      try? claims?.release()
    }
    var groups = firstGroups
    if groups.isEmpty { return outcome() }
    if let claims {
      note(try claims.others())
      guard try claims.excludeOtherPrograms(pause: { pause(for: Self.pauses.shortest) }) else {
        return outcome(interrupted: true)
      }
      try claims.announce()
    }
    while !groups.isEmpty {
      let before = settled.count
      if let end = try train(groups) { return end }
      // Where all was taken by others, they are given time.
      if settled.count == before, !pause(for: Self.pauses.shortest) {
        return outcome(interrupted: true)
      }
      guard let more = try groupsLeft() else { return outcome(interrupted: true) }
      groups = more
    }
    (progress.group, progress.others, progress.awaited) = (nil, [], 0)
    progress.share = left.share()
    _ = watch(progress)
    return outcome()
  }

  private func groups(of cells: [RunCell]) throws -> [PlannedGroup] {
    let steps = cells.map { ($0, sweep.stepMade(by: $0) ?? 0) }
    return try sweep.groups(of: cells, steps: Dictionary(uniqueKeysWithValues: steps))
  }

  // MARK: Training

  /// Trains what is free of `groups`, one after the other.
  ///
  /// - Returns: how the sweep ended, where it did.
  private func train(_ groups: [PlannedGroup]) throws -> Sweep.Outcome? {
    var queue = GroupQueue(groups) { [sweep] in
      Double($0.group.cells.count) * (try sweep.bytesPerRun(of: $0.group))
    }
    while let planned = try queue.next() {
      if let claims, !planned.group.cells.allSatisfy({ claims.runs.contains(identifier($0)) }) {
        queue.replace(planned, by: try claim(planned, from: queue, claims))
        continue
      }
      let checkpoints = sweep.checkpoints(of: planned)
      if checkpoints.contains(where: { $0 == nil }) {
        queue.replace(planned, by: planned.parts(readable: checkpoints.map { $0 != nil }))
        continue
      }
      guard takeTurn() else { return outcome(interrupted: true) }
      defer { turn?.unlock() }
      guard try upload() else { return outcome(interrupted: true) }
      (progress.group, progress.awaited) = (planned.group, 0)
      (progress.groupNumber, progress.groupCount) = (queue.taken, queue.count)
      progress.groupStep = planned.step
      progress.bytesPerRun = try sweep.bytesPerRun(of: planned.group)
      let checkpointer = sweep.checkpointer(of: planned, checkpoints)
      guard watch(progress) else { return outcome(interrupted: true) }
      do {
        try record(try train(planned, checkpointer))
        saveFailure = (checkpointer as? RunCheckpointer)?.saveFailure
      } catch is CancellationError {
        return outcome(interrupted: true, checkpointer)
      } catch let error where error.isOfTheDevice && sweep.dataParallel == nil {
        guard compute.answers() else {
          progress.group = nil
          _ = watch(progress)
          failure = "\(error)"
          var outcome = outcome(checkpointer)
          outcome.isDeviceLost = true
          return outcome
        }
        try compute.releaseUnusedMemory()
        let kept = (checkpointer as? GroupCheckpointer)?.checkpointStep ?? planned.step
        if error.isOutOfDeviceMemory, try queue.halve(planned, step: kept) {
          progress.halvings += 1
          left.reach(kept, of: planned)
          continue
        }
        if try waitsForMemory(error) {
          queue.replace(planned, by: [PlannedGroup(group: planned.group, step: kept)])
          left.reach(kept, of: planned)
          continue
        }
        failure = failure ?? "\(error)"
        try record(planned.group.cells.map { failed($0, error) })
      }
      try compute.releaseUnusedMemory()
      progress.share = left.share()
    }
    return nil
  }

  /// Waits until no other device of this process computes, where they take turns; false where the sweep is
  /// stopped meanwhile.
  private func takeTurn() -> Bool {
    while let turn, !turn.try() {
      guard watch(progress) else { return false }
      Thread.sleep(forTimeInterval: 0.01)
    }
    return true
  }

  /// Trains a group to its end.
  ///
  /// - Throws: `CancellationError` where it is to end, as `GroupTraining.run`.
  private func train(_ planned: PlannedGroup, _ checkpointer: any Checkpointer) throws
    -> [FinishedRun]
  {
    let group = planned.group
    guard let rows else { preconditionFailure("no data on the device") }
    var training = GroupTraining(
      group: group, compute: compute,
      train: rows.train.windowed(context: group.own.settings.context),
      validation: rows.validation?.windowed(context: group.own.settings.context),
      diagnosis: sweep.diagnosis, checkpointer: checkpointer)
    training.best = best
    training.dataParallel = sweep.dataParallel
    training.deviceBytes = Int(progress.bytesPerRun)
    var loss: Double?
    let live = sweep.events.map { LiveEvents($0, group: group) }
    training.listenerInterval = sweep.events?.interval ?? EventFolder.interval
    if live != nil || progress.total == 1 {
      training.listener = { records in
        loss = records[0].compactMap { $0.values["train_loss"] }.last ?? loss
        try live?.add(records)
      }
    }
    return try training.run { steps in
      progress.loss = progress.total == 1 ? loss : nil
      progress.steps += (steps - progress.groupStep) * group.cells.count
      progress.tokens += group.tokens(ofSteps: progress.groupStep..<steps) * group.cells.count
      progress.groupStep = steps
      progress.share = left.share(made: planned.work(until: steps))
      if !watch(progress) { throw CancellationError() }
    }
  }

  /// Has the data on the device; false where the sweep is stopped while it waits for memory.
  private func upload() throws -> Bool {
    while rows == nil {
      do {
        let settings = sweep.experiment.settings
        rows = try sweep.data.upload(
          to: compute, evaluationBatches: settings.evaluateBatches, context: settings.context)
      } catch {
        guard try waitsForMemory(error) else { throw error }
        guard watch(progress) else { return false }
      }
    }
    return true
  }

  private func waitsForMemory(_ error: any Error) throws -> Bool {
    guard try memoryWait.pausesBeforeRetry(after: error, compute) else { return false }
    progress.waits += 1
    return true
  }

  // MARK: Other processes

  private func identifier(_ cell: RunCell) -> String {
    if let known = identifiers[cell] { return known }
    let identifier = RunConfiguration(sweep.experiment, cell).identifier
    identifiers[cell] = identifier
    return identifier
  }

  /// Claims what of a group nobody has claimed, or where others train too, a share of it.
  ///
  /// - queue: what comes after it.
  /// - Returns: the group's runs that are claimed now, by the steps that they have made, and those that
  ///   are left for whoever comes first.
  private func claim(_ planned: PlannedGroup, from queue: GroupQueue, _ claims: Claims) throws
    -> [PlannedGroup]
  {
    let others = try claims.others()
    note(others)
    let held = others.heldRuns
    let open = try unfinished(planned.group.cells).filter {
      !held.contains(identifier($0)) && claims.refusals[identifier($0)] == nil
    }
    if open.isEmpty { return [] }
    // Those at work, and those that have nothing to do.
    let workers = max(progress.others.count, helpers) + 1
    let fair = (queue.work + planned.work) / Double(workers)
    var count = open.count
    while count > 1, planned.workOfOne * Double(count) > max(fair, Self.smallestShare) {
      count = (count + 1) / 2
    }
    try claims.take(open[..<count].map(identifier))
    let taken = open[..<count].filter { claims.runs.contains(identifier($0)) }
    // One may have been finished between the look and the claim.
    for cell in taken { store.refresh(RunConfiguration(sweep.experiment, cell)) }
    let ours = try unfinished(taken)
    try claims.release(Set(taken).subtracting(ours).map(identifier))
    let rest = Array(open[count...])
    return try groups(of: ours)
      + (rest.isEmpty ? [] : [PlannedGroup(group: planned.group.with(rest), step: planned.step)])
  }

  /// What is to be done when all that was free is done: nothing, or what others have given up or leave to
  /// be done. Until that is known it waits for them.
  ///
  /// - Returns: nil where the sweep is stopped meanwhile.
  private func groupsLeft() throws -> [PlannedGroup]? {
    var time = Self.pauses.shortest
    while true {
      let cells = sweep.cells.filter { !settled.contains($0) }
      guard let claims else { return try groups(of: cells) }
      let others = try claims.others()
      let held = others.heldRuns
      // What is claimed is under way: only of the rest it is looked whether somebody has done it.
      let released = cells.filter { !held.contains(identifier($0)) }
      for cell in released { store.refresh(RunConfiguration(sweep.experiment, cell)) }
      let free = try unfinished(released)
      let takeable = free.filter { claims.refusals[identifier($0)] == nil }
      let isAllThatIsLeft = held.isDisjoint(with: cells.map(identifier))
      if let refused = free.first, takeable.isEmpty, isAllThatIsLeft,
        let error = claims.refusals[identifier(refused)]
      {
        throw error
      }
      let isDone = cells.allSatisfy { settled.contains($0) }
      if isDone || !takeable.isEmpty { return try groups(of: takeable) }
      try claims.announce()
      note(others)
      (progress.group, progress.awaited) = (nil, cells.count { !settled.contains($0) })
      progress.share = left.share()
      guard pause(for: time) else { return nil }
      time = min(time * 1.5, Self.pauses.longest)
    }
  }

  /// Lets others work for a while; false where the sweep is stopped meanwhile.
  private func pause(for time: Duration) -> Bool {
    let start = ContinuousClock.now
    repeat {
      guard watch(progress) else { return false }
      Thread.sleep(forTimeInterval: 0.05)
    } while ContinuousClock.now - start < min(time, (claims?.timeout ?? .zero) / 16)
    return true
  }

  private func note(_ others: [Claims.Other]) {
    progress.others = others.filter { !$0.isStale }.compactMap(\.claim)
  }

  /// Those of `cells` that no process has finished; the others are settled.
  private func unfinished(_ cells: [RunCell]) throws -> [RunCell] {
    try cells.filter { cell in
      if settled.contains(cell) { return false }
      guard let result = try store.result(for: RunConfiguration(sweep.experiment, cell)),
        result.outcome != .failed
      else { return true }
      settle(cell)
      progress.elsewhere += 1
      count(cell, result)
      best?.note(cell, result)
      try writeEvents(of: cell, result)
      return false
    }
  }

  // MARK: Bookkeeping

  private func settle(_ cell: RunCell) {
    settled.insert(cell)
    left.settle(cell)
  }

  /// Counts a run that has ended.
  private func count(_ cell: RunCell, _ result: RunResult) {
    switch result.outcome {
    case .completed: break
    case .diverged: progress.diverged += 1
    case .failed: progress.failed += 1
    }
    if let loss = result.trainLoss, loss < progress.best?.loss ?? .infinity {
      progress.best = (cell, loss)
    }
  }

  /// Writes a group's runs, all together, and counts them; a result that another process has written
  /// meanwhile stays.
  private func record(_ trained: [FinishedRun]) throws {
    let runs = claims == nil ? trained : try trained.filter { try !unfinished([$0.cell]).isEmpty }
    let configurations = runs.map { RunConfiguration(sweep.experiment, $0.cell) }
    try store.save(
      zip(configurations, runs).map { (configuration: $0, result: $1.result, records: $1.records) })
    for (configuration, run) in zip(configurations, runs) {
      try sweep.events?.write(run.result, records: run.records, of: configuration)
      progress.finished += 1
      settle(run.cell)
      count(run.cell, run.result)
    }
    for run in trained where run.result.outcome != .failed { sweep.stopped.remove(run.cell) }
    // Last: with its claim gone, a run is done or anybody's.
    try claims?.release(trained.map { identifier($0.cell) })
  }

  private func failed(_ cell: RunCell, _ error: any Error) -> FinishedRun {
    FinishedRun(
      cell: cell,
      result: RunResult(
        epochs: 0, steps: 0, outcome: .failed, message: "\(error)", seconds: 0,
        device: compute.deviceDescription), records: [])
  }

  /// Writes the events of a run that was done before there was somewhere to write them.
  private func writeEvents(of cell: RunCell, _ result: RunResult) throws {
    let configuration = RunConfiguration(sweep.experiment, cell)
    guard let events = sweep.events,
      !FileManager.default.fileExists(atPath: events.file(of: configuration).path)
    else { return }
    try events.write(result, records: store.records(for: configuration), of: configuration)
  }

  private func outcome(interrupted: Bool = false, _ checkpointer: (any Checkpointer)? = nil)
    -> Sweep.Outcome
  {
    let step = (checkpointer as? GroupCheckpointer)?.checkpointStep ?? 0
    return Sweep.Outcome(
      progress: progress, interrupted: interrupted, failure: failure,
      checkpoint: (checkpointer as? RunCheckpointer)?.newest,
      checkpointStep: step > 0 ? step : nil, saveFailure: saveFailure)
  }
}
