import Foundation
import OpenCL
import Synchronization
import Tensors
import Testing
import Training

@testable import Experiments

/// Several sweeps at work on one store.
@Suite(.serialized) struct SharedSweepTests {
  private static let rates: [Double] = [-7, -6, -5, -4]

  private static func sweep(
    _ directory: URL, rates: [Double] = rates, steps: Int = 12,
    sharing: SweepSharing = .claims()
  ) throws -> Sweep {
    let compute = try Compute(device: .find(.best))
    let data = try TrainingData(LoadedData(train: .glyphs(count: 200)))
    let configuration = Configuration {
      ($0.depth, $0.length, $0.batchSize) = (1, .steps(steps), 50)
      ($0.baseWidth, $0.zeroReadout) = (8, false)
    }
    return try Sweep(
      experiment: Experiment(configuration, Facts(data: data, compute: compute)),
      grid: SweepGrid(
        parametrizations: ["sp", "mup"], optimizers: [.sgd, .adam], widths: [8, 16, 24],
        log2LearningRates: rates, seeds: [1, 2]),
      data: data, directory: directory, compute: compute,
      memory: MemoryPlan(device: compute.queue.device), sharing: sharing)
  }

  private static func alone(in directory: URL) throws -> [String: [String]] {
    let sweep = try sweep(directory.appendingPathComponent("alone"))
    _ = try sweep.run()
    return try sweep.remains()
  }

  /// What a process had claimed that has ended is taken at once; what one of another machine has, is waited
  /// for, and a stop in that time is a stop.
  @Test func claims_areTakenOver_orWaitedFor() throws {
    try Fixture.inDirectory { directory in
      let sweep = try Self.sweep(directory)
      let runs = sweep.grid.cells.map { RunConfiguration(sweep.experiment, $0).identifier }
      _ = try ClaimTests.leave(
        Array(runs[..<4]), in: sweep.store.claimsDirectory, holder: ClaimTests.ended())
      _ = try ClaimTests.leave(Array(runs[4..<10]), in: sweep.store.claimsDirectory)
      var (isAwaited, seen) = (false, 0)
      let outcome = try sweep.run { progress in
        isAwaited = isAwaited || progress.awaited == 6
        seen = max(seen, progress.others.count)
        return progress.awaited == 0
      }
      #expect(outcome.interrupted && isAwaited && seen == 1)
      #expect(outcome.progress.finished == runs.count - 6)
      // It is silent.
      let impatient = try Self.sweep(
        directory, sharing: .claims(timeout: .milliseconds(400)))
      #expect(try impatient.run().progress.finished == 6)
      #expect(try sweep.remains() == Self.alone(in: directory))
    }
  }

  /// While this process trains its runs another takes them for abandoned and does some: its results stay.
  @Test func resultsOfOthers_areNotReplaced() throws {
    try Fixture.inDirectory { directory in
      let (sweep, other) = (try Self.sweep(directory), try Self.sweep(directory))
      let first = RunConfiguration(sweep.experiment, sweep.grid.cells[0])
      var isDone = false
      let outcome = try sweep.run { progress in
        if !isDone, progress.groupStep > 2, progress.group?.cells.contains(first.cell) == true {
          isDone = true
          try? other.store.save(Fixture.result, for: first)
        }
        return true
      }
      #expect(isDone && outcome.progress.elsewhere == 1)
      #expect(outcome.progress.finished == sweep.grid.cells.count - 1)
      #expect(try Self.sweep(directory).store.result(for: first) == Fixture.result)
    }
  }

  /// Runs that failed elsewhere are tried here, once.
  @Test func runsThatFailedElsewhere_areTried() throws {
    try Fixture.inDirectory { directory in
      let sweep = try Self.sweep(directory)
      for cell in sweep.grid.cells.prefix(5) {
        let failed = RunResult(
          epochs: 0, steps: 0, outcome: .failed, message: "no", seconds: 0, device: "another")
        try sweep.store.save(failed, for: RunConfiguration(sweep.experiment, cell))
      }
      let outcome = try sweep.run()
      #expect(outcome.progress.finished == sweep.grid.cells.count)
    }
  }

  @Test func shards_doTheirParts_andLookAtNoClaims() throws {
    try Fixture.inDirectory { directory in
      let all = try Self.sweep(directory)
      let runs = all.grid.cells.map { RunConfiguration(all.experiment, $0).identifier }
      _ = try ClaimTests.leave(runs, in: all.store.claimsDirectory)
      var finished: [Int] = []
      for index in 1...3 {
        let shard = try #require(Shard(index, of: 3))
        finished.append(
          try Self.sweep(directory, sharing: .shards([shard])).run().progress.finished)
      }
      #expect(finished == [32, 32, 32])
      #expect(try all.remains() == Self.alone(in: directory))
    }
  }

  /// Three sweeps on threads of one process, told as one; and stopped as one.
  @Test func team_isToldAndStoppedAsOne() throws {
    try Fixture.inDirectory { directory in
      let place = directory.appendingPathComponent("team")
      func team() throws -> SweepTeam {
        let others = try (0..<2).map { _ in
          let compute = try Compute(device: .find(.best))
          return (compute, MemoryPlan(device: compute.queue.device))
        }
        return try SweepTeam(Self.sweep(place), others: others)
      }
      let stopped = try team().run { $0.finished < 8 }
      #expect(stopped.interrupted && stopped.progress.finished >= 8)
      let steps = Atomic(0)
      let outcome = try team().run { progress in
        #expect(progress.reused + progress.finished + progress.elsewhere <= progress.total)
        #expect(progress.others.isEmpty)
        steps.store(progress.steps, ordering: .relaxed)
        return true
      }
      #expect(!outcome.interrupted && outcome.failure == nil && outcome.troubles.isEmpty)
      #expect(outcome.progress.elsewhere == 0)
      #expect(outcome.progress.reused + outcome.progress.finished == 96)
      #expect(abs(outcome.progress.share - 1) < 1e-9)
      #expect(try Self.sweep(place).remains() == Self.alone(in: directory))
    }
  }

  /// Without claims each device has a part of the part, and none is done twice.
  @Test func teamOfAShard_doesThePartOnce() throws {
    try Fixture.inDirectory { directory in
      var finished = 0
      for index in 1...2 {
        let shard = try #require(Shard(index, of: 2))
        let compute = try Compute(device: .find(.best))
        let team = try SweepTeam(
          Self.sweep(directory, sharing: .shards([shard])),
          others: [(compute, MemoryPlan(device: compute.queue.device))])
        let progress = try team.run().progress
        #expect(progress.finished == 48 && progress.total == 48 && progress.elsewhere == 0)
        finished += progress.finished
      }
      #expect(finished == 96)
      let runs = try Self.sweep(directory).run().progress
      #expect(runs.reused == 96 && runs.finished == 0)
    }
  }

  @Test func unlikeDevices_areSaid_andTheirTimesAreNotCompared() throws {
    let rows = [16, 32, 64].flatMap { width in
      (1...3).flatMap { seed in
        [-8.0, -7, -6].map { rate in
          SummaryRow(
            parametrization: "sp", optimizer: .sgd, width: width, depth: 1, log2LearningRate: rate,
            seed: UInt64(seed), run: "\(width) \(seed) \(rate)",
            result: RunResult(
              epochs: 1, steps: 1, trainLoss: 1 + (rate + 7) * (rate + 7), outcome: .completed,
              seconds: 1, device: seed == 1 ? "a GPU" : "another GPU"))
        }
      }
    }
    let report = TransferReport(rows: rows)
    #expect(report.devices?.map(\.runs) == [18, 9])
    #expect(report.comparison?.cost == nil)
    let said = report.table().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(
      said.contains(
        "trained on unlike devices, which round in different ways: another GPU, 18 runs; a GPU, 9 runs;"
      ))
    #expect(SummaryRow.csv(rows).hasPrefix(SummaryRow.header + ",device\n"))
    let alike = TransferReport(rows: rows.filter { $0.seed > 1 })
    #expect(alike.devices == nil && !alike.table().contains("unlike"))
  }

  @Test func status_tellsWhoDoesWhat() throws {
    try Fixture.inDirectory { directory in
      let sweep = try Self.sweep(directory)
      let runs = sweep.grid.cells.map { RunConfiguration(sweep.experiment, $0).identifier }
      #expect(throws: RunStoreError.self) { try StoreStatus(sweep.store) }
      try sweep.store.note(
        Invocation(
          command: ["gputrain"], directory: "/", began: Date(), system: "", built: nil,
          hardware: .init(sweep.compute.queue.device), grid: sweep.grid))
      let fresh = try StoreStatus(sweep.store)
      #expect(fresh.total == 96 && fresh.waiting == 96 && fresh.secondsLeft == nil)
      _ = try ClaimTests.leave(Array(runs[..<10]), in: sweep.store.claimsDirectory)
      _ = try ClaimTests.leave(
        Array(runs[10..<13]), in: sweep.store.claimsDirectory, holder: ClaimTests.ended())
      _ = try sweep.run { $0.finished < 12 }
      let status = try StoreStatus(RunStore(existing: directory))
      #expect(status.stale >= 10 && status.workers.contains { $0.holder.job == "slurm 12_3" })
      #expect(status.done >= 12 && status.failed == 0)
      #expect(status.done + status.running + status.stale + status.waiting == 96)
      #expect(status.secondsLeft ?? 0 > 0)
      // With other rates beside: all that was ever asked for.
      try sweep.store.note(
        Invocation(
          command: ["gputrain", "more"], directory: "/", began: Date(), system: "", built: nil,
          hardware: .init(sweep.compute.queue.device),
          grid: SweepGrid(
            parametrizations: ["sp"], optimizers: [.sgd], widths: [8], log2LearningRates: [-3, -4],
            seeds: [1])))
      #expect(try StoreStatus(sweep.store).total == 97)
    }
  }
}
