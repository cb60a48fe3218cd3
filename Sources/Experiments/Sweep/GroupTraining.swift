import Foundation
import OpenCL
import Spectral
import Tensors
import Training

/// One run's result with the records of its way there.
struct FinishedRun {
  let cell: RunCell
  let result: RunResult
  let records: [RunRecord]
}

extension Error {
  /// Whether it is the device, or what multiplies on it, that failed.
  var isOfTheDevice: Bool {
    self is OpenCLError || self is CLBlastError || self is ProductTrialError
  }

  /// Whether it may be for want of the device's memory. Drivers that give memory out when it is first
  /// used say so of a launch, as being out of resources.
  var isOutOfDeviceMemory: Bool {
    if case OpenCLError.callFailed(_, let code, _)? = self as? OpenCLError {
      return OpenCLError.codesOfShortMemory.contains(code)
    }
    return (self as? CLBlastError).map { OpenCLError.codesOfShortMemory.contains($0.code) } ?? false
  }
}

/// The time that steps take, from one report of progress to the next: what is done between two of them is
/// not counted, nor what comes before the first.
private struct StepClock {
  private var from: (step: Int, time: ContinuousClock.Instant)?
  private var steps = 0
  private var time = Duration.zero

  /// Steps are made from here on.
  mutating func start(at step: Int) { from = (step, .now) }

  /// Steps are made up to here.
  mutating func reach(_ step: Int) {
    guard let from else { return }
    time += .now - from.time
    steps += step - from.step
  }

  /// Something else is done than steps.
  mutating func leave() { from = nil }

  /// nil where nothing was counted.
  var secondsPerStep: Double? { steps > 0 ? time / .seconds(1) / Double(steps) : nil }
}

/// Trains a group's runs together and sums up what came of each.
struct GroupTraining {
  let group: RunGroup
  let compute: Compute
  let train: DeviceRows
  /// nil: there are none, and the runs have no validation figures.
  let validation: DeviceRows?
  var diagnosis: DiagnosisPlan?
  /// What the runs start from and leave behind.
  var checkpointer: (any Checkpointer)?
  /// Bytes of the device's memory that are planned for a run, for its result.
  var deviceBytes: Int?
  /// What shares the run's batches with other ranks, if any do.
  var dataParallel: DataParallel?
  /// What keeps the weights of runs that are better than all before.
  var best: BestWeights?
  /// Called with the new records of each run while they train, and first with those of before, where
  /// they resume from checkpoints; those of the end are in the result only.
  var listener: (([[RunRecord]]) throws -> Void)?
  /// The least time between two calls of it.
  var listenerInterval = EventFolder.interval

  /// Trains to the end.
  ///
  /// - progress: called every few steps with the steps done; what it throws ends the training.
  /// - Throws: `OpenCLError`, `CLBlastError`, `CheckpointError`, `RunStoreError`, what `progress`
  ///   throws.
  func run(progress: (Int) throws -> Void) throws -> [FinishedRun] {
    let start = ContinuousClock.now
    let trainer = try Trainer(
      group.training, replicas: try group.replicas(), totalSteps: group.totalSteps,
      compute: compute)
    try checkpointer?.load(into: trainer)
    let diagnostics = try diagnosis.map {
      try trainer.diagnose(every: $0.every, contents: $0.contents, probe: train)
    }
    try checkpointer?.restore(trainer)
    try dataParallel?.begin(trainer, compute: compute)
    // What is measured of the whole run is the first rank's to measure, and to keep.
    let isKept = dataParallel?.isFirst ?? true
    func seconds() -> [Double] {
      let elapsed = (ContinuousClock.now - start) / .seconds(1)
      return group.cells.indices.map {
        elapsed / Double(group.cells.count) + (checkpointer?.secondsBefore($0) ?? 0)
      }
    }
    // Evaluations while training, [run]; those before a checkpoint are among what was measured.
    var evaluated = group.cells.map { _ in [RunRecord]() }
    func measured() throws -> [[RunRecord]] {
      let records = try diagnostics?.records() ?? []
      return group.cells.indices.map { replica in
        (checkpointer?.measuredBefore(replica) ?? [])
          + records.map { group.record($0, replica: replica) } + evaluated[replica]
      }
    }
    func writeCheckpoints() throws {
      guard isKept else { return }
      try checkpointer?.write(
        trainer, diagnosis: diagnosis, measured: try measured(), seconds: seconds())
    }
    var feed = RecordFeed(group: group, interval: listenerInterval)
    if let listener { try listener(feed.begin(trainer, measured: try measured())) }
    var (evaluations, whole): ([Evaluation]?, [Evaluation]?)
    let every = group.own.settings.evaluateEvery
    var clock = StepClock()
    do {
      // A checkpoint may have been written just before an evaluation of its step.
      repeat {
        if try isKept && isDue(trainer, every: every, measured: measured) {
          clock.leave()
          let new = try evaluate(trainer, progress: progress)
          for (replica, records) in new.enumerated() { evaluated[replica] += records }
          try listener?(new)
        }
        let next = every > 0 ? (trainer.step / every + 1) * every : group.totalSteps
        try trainer.train(on: train, until: min(next, group.totalSteps), every: checkpointer?.every)
        {
          step in
          clock.reach(step)
          defer { clock.start(at: step) }
          if checkpointer?.isDue(step: step, of: group.totalSteps) == true {
            try writeCheckpoints()
          }
          if let listener, let new = try feed.next(trainer, diagnostics) { try listener(new) }
          try progress(step)
        }
      } while trainer.step < group.totalSteps
      dataParallel?.end()
      evaluations = try (isKept ? validation : nil).map {
        try trainer.evaluate(on: $0, progress: progress)
      }
      if isKept && group.own.settings.evaluateTrain {
        whole = try trainer.evaluate(on: train, progress: progress)
      }
    } catch let error where !error.isOfTheDevice {
      // A full disk may let neither be written; what went wrong first is what counts.
      if error is CancellationError { try writeCheckpoints() } else { try? writeCheckpoints() }
      throw error
    }
    try diagnostics?.measure(step: trainer.step)
    let losses = try trainer.allLosses()
    try checkpointer?.save(trainer)
    let (records, times) = (try measured(), seconds())
    let runs = group.cells.indices.map {
      finish(
        replica: $0, losses: losses, measured: records[$0], evaluation: evaluations?[$0],
        whole: whole?[$0], seconds: times[$0], stepSeconds: clock.secondsPerStep)
    }
    try best?.take(trainer, runs)
    return runs
  }

  /// Whether the validation rows are to be evaluated before the next step, and were not yet.
  private func isDue(
    _ trainer: Trainer, every: Int, measured: () throws -> [[RunRecord]]
  ) throws -> Bool {
    let step = trainer.step
    guard validation != nil, every > 0, step > 0, step < group.totalSteps, step % every == 0 else {
      return false
    }
    return try !measured().contains { records in
      records.contains { $0.step == step && $0.values["validation_loss"] != nil }
    }
  }

  /// Evaluates the validation rows between two steps: a record a run, none where its loss is not
  /// finite.
  private func evaluate(_ trainer: Trainer, progress: (Int) throws -> Void) throws
    -> [[RunRecord]]
  {
    guard let validation else { return group.cells.map { _ in [] } }
    let step = trainer.step
    return try trainer.evaluate(on: validation, progress: progress).map { evaluation in
      guard evaluation.loss.isFinite else { return [] }
      return [
        RunRecord(
          epoch: (step - 1) / group.stepsPerEpoch + 1, step: step,
          values: [
            "validation_loss": evaluation.loss, "validation_accuracy": evaluation.accuracy,
          ].compactMapValues { $0 })
      ]
    }
  }

  private func finish(
    replica: Int, losses: StepLosses, measured: [RunRecord], evaluation: Evaluation?,
    whole: Evaluation?, seconds: Double, stepSeconds: Double?
  ) -> FinishedRun {
    let perEpoch = group.stepsPerEpoch
    let steps = losses.batchSizes.count
    // A loss is taken before its step's update: the step that first gives none was not made.
    let divergedAt = losses.firstNotFinite(replica: replica)
    let diverged = divergedAt != nil || evaluation?.loss.isFinite == false
    let tail =
      switch group.own.settings.length {
      case .epochs: perEpoch
      case .steps(let count): (count + 3) / 4
      }
    let result = RunResult(
      epochs: (divergedAt ?? steps) / perEpoch, steps: divergedAt ?? steps,
      firstEpochTrainLoss: steps < perEpoch
        ? nil : losses.mean(replica: replica, over: 0..<perEpoch),
      trainLoss: diverged
        ? nil : losses.mean(replica: replica, over: max(0, steps - tail)..<steps),
      validationLoss: diverged ? nil : evaluation?.loss,
      validationAccuracy: diverged ? nil : evaluation?.accuracy,
      bestValidationLoss: diverged
        ? nil
        : (measured.map { $0.values["validation_loss"] } + [evaluation?.loss])
          .compactMap { $0 }.min(),
      wholeTrainLoss: diverged ? nil : whole?.loss,
      tokenLoss: diverged ? nil : group.own.facts.data.tokenLoss(evaluation?.loss),
      outcome: diverged ? .diverged : .completed, divergedAtStep: divergedAt, seconds: seconds,
      device: compute.deviceDescription,
      stepSeconds: stepSeconds.map { $0 / Double(group.cells.count) }, deviceBytes: deviceBytes)
    let records = group.lossRecords(
      losses, replica: replica, over: 0..<steps,
      last: [
        "validation_loss": result.validationLoss, "validation_accuracy": result.validationAccuracy,
      ].compactMapValues { $0 })
    return FinishedRun(
      cell: group.cells[replica], result: result,
      records: (measured.filter { $0.step <= result.steps } + records).sorted {
        $0.step < $1.step
      })
  }
}
