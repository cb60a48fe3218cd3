import Training

/// Hands out the records of a group's runs while they train, each once, when the device has done
/// them anyway.
struct RecordFeed {
  private let group: RunGroup
  /// Steps whose losses were handed out.
  private var lossStep = 0
  /// Measurements that were handed out, of those since the start or the checkpoint.
  private var measuredCount = 0
  private var lastTold = ContinuousClock.now
  private let interval: Duration

  /// - interval: the least time between two calls that hand something out: measurements come as
  ///   often as each step, and who watches looks now and then.
  init(group: RunGroup, interval: Duration) {
    (self.group, self.interval) = (group, interval)
  }

  /// The records of before the checkpoint that the runs resume from, `measured` among them.
  mutating func begin(_ trainer: Trainer, measured: [[RunRecord]]) throws -> [[RunRecord]] {
    lossStep = trainer.step / group.recordWindow * group.recordWindow
    guard trainer.step > 0 else { return measured }
    let losses = try trainer.allLosses()
    return measured.indices.map { replica in
      Self.ordered(
        measured[replica] + group.lossRecords(losses, replica: replica, over: 0..<lossStep))
    }
  }

  /// What is new, by run; nil where it is not time to say. To be called between steps.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  mutating func next(
    _ trainer: Trainer, _ diagnostics: Diagnostics?
  ) throws -> [[RunRecord]]? {
    // The last window's record has the validation figures with it.
    let end = min(trainer.step, group.totalSteps - 1) / group.recordWindow * group.recordWindow
    let now = ContinuousClock.now
    guard end > lossStep || diagnostics != nil, now - lastTold >= interval else { return nil }
    lastTold = now
    let measured = try diagnostics?.records(after: measuredCount) ?? []
    guard end > lossStep || !measured.isEmpty else { return nil }
    measuredCount += measured.count
    let losses = try trainer.allLosses()
    defer { lossStep = end }
    return group.cells.indices.map { replica in
      Self.ordered(
        measured.map { group.record($0, replica: replica) }
          + group.lossRecords(losses, replica: replica, over: lossStep..<end))
    }
  }

  private static func ordered(_ records: [RunRecord]) -> [RunRecord] {
    records.sorted { $0.step < $1.step }
  }
}

extension RunGroup {
  /// Steps of a record of losses: an epoch, or a twentieth of a run whose length is in steps.
  var recordWindow: Int {
    switch own.settings.length {
    case .epochs: stepsPerEpoch
    case .steps(let count): max(1, count / 20)
    }
  }

  /// A record a window: the mean train loss since the record before.
  ///
  /// - steps: from the beginning of a window. last: what the record at their end holds beside.
  func lossRecords(
    _ losses: StepLosses, replica: Int, over steps: Range<Int>, last: [String: Double] = [:]
  ) -> [RunRecord] {
    let limit = settings(replica).clipNorm ?? .infinity
    return stride(from: steps.lowerBound, to: steps.upperBound, by: recordWindow).map { start in
      let end = min(start + recordWindow, steps.upperBound)
      var values = ["train_loss": losses.mean(replica: replica, over: start..<end)]
      if let norms = losses.gradientNorms(replica: replica, over: start..<end) {
        values["gradient_norm"] = norms.reduce(0, +) / Double(norms.count)
        values["clipped_share"] = Double(norms.count { $0 > limit }) / Double(norms.count)
      }
      if end == steps.upperBound { values.merge(last) { $1 } }
      return RunRecord(epoch: (end - 1) / stepsPerEpoch + 1, step: end, values: values)
    }
  }

  /// What was measured of one run of a group.
  func record(_ measured: DiagnosticRecord, replica: Int) -> RunRecord {
    RunRecord(
      epoch: measured.step / stepsPerEpoch + 1, step: measured.step,
      values: measured.values(replica: replica))
  }
}
