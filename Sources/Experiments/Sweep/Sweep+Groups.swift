import Training

/// Which of a sweep's runs train together, and from where.
extension Sweep {
  /// Runs by width, optimizer, shape and steps made, as many together as are good for the device.
  ///
  /// - steps: that each run has made.
  func groups(of cells: [RunCell], steps: [RunCell: Int]) throws -> [PlannedGroup] {
    var groups: [PlannedGroup] = []
    for optimizer in grid.optimizers {
      for width in grid.widths {
        for overrides in grid.shapes {
          let kind = RunGroup.shape(of: overrides)
          let shape = cells.filter {
            $0.optimizer == optimizer && $0.width == width
              && RunGroup.shape(of: $0.overrides) == kind
          }
          for alike in RunGroup.withAlikeMultipliers(shape, in: experiment) {
            for step in Set(alike.compactMap { steps[$0] }).sorted(by: >) {
              groups += try split(alike.filter { steps[$0] == step }, step: step)
            }
          }
        }
      }
    }
    return groups
  }

  /// Runs of one shape and step in groups.
  private func split(_ alike: [RunCell], step: Int) throws -> [PlannedGroup] {
    try GroupPlan(device: compute.queue.device, memory: memory).groups(
      of: RunGroup(experiment: experiment, cells: alike), dataBytes: data.deviceBytes,
      measured: diagnosis?.contents
    ).map { PlannedGroup(group: $0, step: step) }
  }

  /// Bytes of device memory that a run of the group takes.
  func bytesPerRun(of group: RunGroup) throws -> Double {
    try memory.bytesPerReplica(of: group, measured: diagnosis?.contents).all
  }

  /// Steps that a run has made by the checkpoint that it resumes from; nil where it cannot.
  func stepMade(by cell: RunCell) -> Int? {
    if case .checkpoint(let checkpoint, _) = checkpointing?.start { return checkpoint.state.step }
    return checkpointing == nil ? stopped.step(of: cell) : 0
  }

  /// The checkpoints that a group's runs resume from, none where they start over; nil for one that
  /// does not read, which its header did not show.
  func checkpoints(of planned: PlannedGroup) -> [Checkpoint?] {
    guard checkpointing == nil, planned.step > 0 else { return [] }
    return planned.group.cells.map { cell in
      stopped.checkpoint(of: cell).flatMap { $0.state.step == planned.step ? $0 : nil }
    }
  }

  func checkpointer(of planned: PlannedGroup, _ checkpoints: [Checkpoint?]) -> any Checkpointer {
    guard let checkpointing else {
      return GroupCheckpointer(
        planned.group, stopped: stopped, checkpoints: checkpoints.compactMap { $0 },
        every: checkpointEvery)
    }
    let configuration = RunConfiguration(experiment, planned.group.cells[0])
    return RunCheckpointer(
      checkpointing, configuration: configuration, directory: store.directory(for: configuration),
      device: compute.deviceDescription)
  }

  /// What the runs were stopped in.
  var stopped: StoppedRuns {
    StoppedRuns(
      experiment: experiment, store: store, diagnosis: diagnosis, device: compute.deviceDescription)
  }
}
