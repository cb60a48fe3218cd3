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

  /// Trains to the end.
  ///
  /// - progress: called every few steps with the steps done; what it throws ends the training.
  /// - Throws: `OpenCLError`, `CLBlastError`, what `progress` throws.
  func run(progress: (Int) throws -> Void) throws -> [FinishedRun] {
    let start = ContinuousClock.now
    let trainer = try Trainer(
      group.training, replicas: try group.replicas(), totalSteps: group.totalSteps,
      compute: compute)
    let diagnostics = try diagnosis.map {
      try trainer.diagnose(every: $0.every, contents: $0.contents, probe: train)
    }
    var epochs: [EpochLosses] = []
    while trainer.step < group.totalSteps {
      epochs.append(try trainer.trainEpoch(on: train, progress: progress))
    }
    try diagnostics?.measure(step: trainer.step)
    let diagnosed = try diagnostics?.records() ?? []
    let evaluations = try trainer.evaluate(on: validation, progress: progress)
    let elapsed = ContinuousClock.now - start
    let seconds = elapsed / .seconds(1) / Double(group.cells.count)
    return group.cells.indices.map {
      finish(
        replica: $0, epochs: epochs, diagnosed: diagnosed, evaluation: evaluations[$0],
        seconds: seconds)
    }
  }

  private func finish(
    replica: Int, epochs: [EpochLosses], diagnosed: [DiagnosticRecord], evaluation: Evaluation,
    seconds: Double
  ) -> FinishedRun {
    let losses = epochs.flatMap { $0.losses.map { $0[replica] } }
    let sizes = epochs.flatMap(\.batchSizes)
    // A loss is taken before its step's update: the step that first gives none was not made.
    let divergedAt = losses.firstIndex { !$0.isFinite }
    let diverged = divergedAt != nil || !evaluation.loss.isFinite
    let whole = epochs.filter { $0.losses.count == group.stepsPerEpoch }
    let tail =
      switch group.settings.length {
      case .epochs: epochs.last.map { $0.losses.count } ?? 0
      case .steps(let count): (count + 3) / 4
      }
    let result = RunResult(
      epochs: divergedAt.map { $0 / group.stepsPerEpoch } ?? whole.count,
      steps: divergedAt ?? losses.count,
      firstEpochTrainLoss: whole.first?.mean(replica: replica),
      trainLoss: diverged
        ? nil : Self.mean(losses.suffix(tail), sizes.suffix(tail)),
      validationLoss: diverged ? nil : evaluation.loss,
      validationAccuracy: diverged ? nil : evaluation.accuracy,
      outcome: diverged ? .diverged : .completed, divergedAtStep: divergedAt, seconds: seconds,
      device: compute.queue.device.name)
    let measured = diagnosed.prefix { $0.step <= result.steps }.map {
      RunRecord(
        epoch: $0.step / group.stepsPerEpoch + 1, step: $0.step,
        values: $0.values(replica: replica))
    }
    let records = records(replica: replica, losses: losses, sizes: sizes, result: result)
    return FinishedRun(
      cell: group.cells[replica], result: result,
      records: (measured + records).sorted { $0.step < $1.step })
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
