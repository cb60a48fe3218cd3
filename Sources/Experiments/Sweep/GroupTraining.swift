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

/// Trains a group's runs together and sums up what came of each.
struct GroupTraining {
  let group: RunGroup
  let compute: Compute
  let train: DeviceRows
  let validation: DeviceRows
  var diagnosis: DiagnosisPlan?
  /// What a group of one run starts from and leaves behind.
  var keeper: RunKeeper?

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
    try keeper?.load(into: trainer)
    let diagnostics = try diagnosis.map {
      try trainer.diagnose(every: $0.every, contents: $0.contents, probe: train)
    }
    try keeper?.restore(trainer)
    func elapsed() -> Double { (ContinuousClock.now - start) / .seconds(1) }
    func keep() throws {
      try keeper?.write(
        trainer, measured: measured(diagnostics, replica: 0), diagnosis: diagnosis,
        seconds: elapsed())
    }
    let evaluations: [Evaluation]
    do {
      while trainer.step < group.totalSteps {
        _ = try trainer.trainEpoch(on: train, every: keeper?.every) { step in
          if keeper?.isDue(step: step, of: group.totalSteps) == true { try keep() }
          try progress(step)
        }
      }
      evaluations = try trainer.evaluate(on: validation, progress: progress)
    } catch is CancellationError {
      try keep()
      throw CancellationError()
    }
    try diagnostics?.measure(step: trainer.step)
    let losses = try trainer.allLosses()
    try keeper?.save(trainer)
    let seconds = (elapsed() + (keeper?.secondsBefore ?? 0)) / Double(group.cells.count)
    return try group.cells.indices.map {
      finish(
        replica: $0, steps: losses, measured: try measured(diagnostics, replica: $0),
        evaluation: evaluations[$0], seconds: seconds)
    }
  }

  /// What was measured of a run, before and after the checkpoint that it went on from.
  private func measured(_ diagnostics: Diagnostics?, replica: Int) throws -> [RunRecord] {
    (keeper?.measuredBefore ?? [])
      + (try diagnostics?.records() ?? []).map {
        RunRecord(
          epoch: $0.step / group.stepsPerEpoch + 1, step: $0.step,
          values: $0.values(replica: replica))
      }
  }

  private func finish(
    replica: Int, steps: StepLosses, measured: [RunRecord], evaluation: Evaluation,
    seconds: Double
  ) -> FinishedRun {
    let losses = steps.losses.map { $0[replica] }
    let sizes = steps.batchSizes
    let perEpoch = group.stepsPerEpoch
    // A loss is taken before its step's update: the step that first gives none was not made.
    let divergedAt = losses.firstIndex { !$0.isFinite }
    let diverged = divergedAt != nil || !evaluation.loss.isFinite
    let tail =
      switch group.settings.length {
      case .epochs: perEpoch
      case .steps(let count): (count + 3) / 4
      }
    let result = RunResult(
      epochs: (divergedAt ?? losses.count) / perEpoch,
      steps: divergedAt ?? losses.count,
      firstEpochTrainLoss: losses.count < perEpoch
        ? nil : Self.mean(losses.prefix(perEpoch), sizes.prefix(perEpoch)),
      trainLoss: diverged
        ? nil : Self.mean(losses.suffix(tail), sizes.suffix(tail)),
      validationLoss: diverged ? nil : evaluation.loss,
      validationAccuracy: diverged ? nil : evaluation.accuracy,
      outcome: diverged ? .diverged : .completed, divergedAtStep: divergedAt, seconds: seconds,
      device: compute.deviceDescription)
    let records = records(replica: replica, losses: losses, sizes: sizes, result: result)
    return FinishedRun(
      cell: group.cells[replica], result: result,
      records: (measured.prefix { $0.step <= result.steps } + records).sorted {
        $0.step < $1.step
      })
  }

  /// A record an epoch, or twenty over a run whose length is in steps: the mean train loss since
  /// the record before; the last with the validation figures.
  private func records(
    replica: Int, losses: [Double], sizes: [Int], result: RunResult
  ) -> [RunRecord] {
    let window =
      switch group.settings.length {
      case .epochs: group.stepsPerEpoch
      case .steps(let count): max(1, count / 20)
      }
    return stride(from: 0, to: losses.count, by: window).map { start in
      let end = min(start + window, losses.count)
      var values = ["train_loss": Self.mean(losses[start..<end], sizes[start..<end])]
      if end == losses.count {
        values["validation_loss"] = result.validationLoss
        values["validation_accuracy"] = result.validationAccuracy
      }
      return RunRecord(epoch: (end - 1) / group.stepsPerEpoch + 1, step: end, values: values)
    }
  }

  /// The mean over rows of losses that are means over batches.
  private static func mean(_ losses: ArraySlice<Double>, _ sizes: ArraySlice<Int>) -> Double {
    zip(losses, sizes).reduce(0) { $0 + $1.0 * Double($1.1) } / Double(sizes.reduce(0, +))
  }
}
