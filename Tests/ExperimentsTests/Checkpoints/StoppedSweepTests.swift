import Foundation
import OpenCL
import Tensors
import GPUTrainTestSupport
import Testing
import Training

@testable import Experiments

/// A sweep that is stopped resumes where its runs were, and ends as one that never was.
@Suite(.serialized) struct StoppedSweepTests {
  let compute: Compute
  let data: TrainingData

  init() throws {
    compute = try Compute.idle()
    data = try TrainingData(LoadedData(train: .glyphs(count: 200)))
  }

  private func experiment(_ length: TrainingLength) -> Experiment {
    Experiment(
      Configuration {
        ($0.depth, $0.bias, $0.length, $0.batchSize) = (1, true, length, 50)
        ($0.baseWidth, $0.zeroReadout) = (8, false)
        $0.schedule = ScheduleChoice(.cosine, warmup: .share(0.1))
        ($0.evaluateEvery, $0.evaluateTrain) = (3, true)
      }, Facts(data: data, compute: compute))
  }

  private func grid(_ optimizer: OptimizerKind = .adam, rates: [Double] = [-6, -5, 60]) throws
    -> SweepGrid
  {
    try SweepGrid(
      parametrizations: ["spectral", "sp"], optimizers: [optimizer], widths: [8, 12],
      log2LearningRates: rates, seeds: [1, 2])
  }

  /// - runsAtOnce: of the widest, that fit the memory.
  private func sweep(
    _ directory: URL, _ grid: SweepGrid, length: TrainingLength = .steps(14),
    diagnosis: DiagnosisPlan? = nil, every: Int? = nil, runsAtOnce: Int = 100,
    events: EventFolder? = nil
  ) throws -> Sweep {
    let experiment = experiment(length)
    let widest = grid.cells.filter { $0.width == grid.widths.max() }
    let need = try MemoryPlan(device: compute.queue.device).bytesPerReplica(
      of: RunGroup(experiment: experiment, cells: widest), measured: diagnosis?.contents)
    return try Sweep(
      experiment: experiment, grid: grid, data: data, directory: directory, compute: compute,
      memory: MemoryPlan(
        device: compute.queue.device,
        budget: data.deviceBytes + Int(need.all * (Double(runsAtOnce) + 0.5)),
        largestBuffer: 1 << 30),
      diagnosis: diagnosis, checkpointEvery: every, events: events)
  }

  /// Stopped again and again at random steps, at which the device is waited for; each time with other room in memory, so in other
  /// groups, and with other rates beside, so with other runs.
  @Test(arguments: [
    (OptimizerKind.adam, TrainingLength.steps(14), DiagnosisPlan(every: 3) as DiagnosisPlan?),
    (.nesterov, .epochs(3), DiagnosisPlan(every: 2, contents: .norms)), (.sgd, .steps(11), nil),
    (.spectralNormalized, .epochs(2), nil),
  ])
  func stoppedSweep_endsTheSame(
    optimizer: OptimizerKind, length: TrainingLength, diagnosis: DiagnosisPlan?
  ) throws {
    try Fixture.inDirectory { directory in
      let whole = try sweep(
        directory.appendingPathComponent("whole"), grid(optimizer), length: length,
        diagnosis: diagnosis)
      _ = try whole.run()
      let expected = try whole.remains()
      let seed = UInt64.random(in: 0 ... .max)
      var random = Philox(seed: seed, stream: 0)
      var resumed = 0
      for attempt in 0..<2 {
        var stops: [Int] = []
        while true {
          let rates = [-6.0, -5, 60].prefix(2 + random.index(below: 2))
          let room = 1 + random.index(below: 12)
          let part = try sweep(
            directory.appendingPathComponent("cut\(attempt)"),
            grid(optimizer, rates: Array(rates)), length: length, diagnosis: diagnosis,
            every: 2, runsAtOnce: room)
          var looks = 2 + random.index(below: 30)
          let outcome = try part.run { _ in
            looks -= 1
            return looks > 0
          }
          if let step = outcome.checkpointStep { stops.append(step) }
          if !outcome.interrupted && rates.count == 3 { break }
        }
        resumed += stops.count
        let end = try sweep(
          directory.appendingPathComponent("cut\(attempt)"), grid(optimizer), length: length,
          diagnosis: diagnosis)
        #expect(try end.remains() == expected, "seed \(seed), stops \(stops)")
      }
      #expect(resumed > 0, "seed \(seed)")
    }
  }

  private func files(_ sweep: Sweep) -> [URL] {
    sweep.grid.cells.map {
      sweep.store.stoppedFile(for: RunConfiguration(sweep.experiment, $0))
    }.filter { FileManager.default.fileExists(atPath: $0.path) }
  }

  /// Stops a sweep within its first group.
  private func stop(_ sweep: Sweep, at step: Int) throws {
    let outcome = try sweep.run { $0.groupStep < step }
    #expect(outcome.interrupted && outcome.checkpointStep.map { $0 >= step } == true)
  }

  @Test func stoppedRuns_goOnFromWhereTheyWere_andAreFoundAgain() throws {
    try Fixture.inDirectory { directory in
      let place = directory.appendingPathComponent("one")
      let part = try sweep(place, grid())
      try stop(part, at: 3)
      #expect(files(part).count == 12)
      #expect(
        RunStore.unfinished(under: directory, of: part.experiment, grid: part.grid)?
          .lastPathComponent == "one")
      let step = try Checkpoint(path: files(part)[0].path).state.step
      var first: Int?
      let outcome = try sweep(place, grid()).run { progress in
        first = first ?? progress.groupStep
        return true
      }
      #expect(first == step && !outcome.interrupted)
      // Twelve runs went on, twelve began.
      #expect(outcome.progress.steps == 12 * (14 - step) + 12 * 14)
      #expect(files(part).isEmpty)
    }
  }

  /// A sweep that is killed between a run's result and the end of its checkpoint leaves both: the next
  /// one removes what nobody needs.
  @Test func checkpointsOfRunsThatAreDone_areRemoved() throws {
    try Fixture.inDirectory { directory in
      let whole = try sweep(directory, grid())
      _ = try whole.run()
      let expected = try whole.remains()
      for cell in whole.grid.cells.prefix(3) {
        let file = whole.store.stoppedFile(for: RunConfiguration(whole.experiment, cell))
        try Data("left over".utf8).write(to: file)
      }
      let again = try sweep(directory, grid())
      #expect(try again.run().progress.reused == 24)
      #expect(try again.remains() == expected)
    }
  }

  @Test func checkpointEvery_keepsRunsWhileTheyTrain() throws {
    try Fixture.inDirectory { directory in
      let part = try sweep(directory, grid(), every: 4)
      var kept: [Int: Int] = [:]
      _ = try part.run { progress in
        if progress.groupNumber == 1, progress.groupStep > 0, let file = files(part).first {
          kept[progress.groupStep] = try? Checkpoint(path: file.path).state.step
        }
        return true
      }
      #expect(kept[4] == 4 && kept[8] == 8 && kept[12] == 12 && kept[3] == nil, "\(kept)")
      #expect(files(part).isEmpty)
    }
  }

  /// Another run's, other measurements', another device's or a damaged checkpoint is not taken; the
  /// other runs of the group go on by themselves.
  @Test func checkpointsThatDoNotFit_areNotTaken() throws {
    try Fixture.inDirectory { directory in
      let whole = try sweep(directory.appendingPathComponent("whole"), grid())
      _ = try whole.run()
      let expected = try whole.remains()
      let part = try sweep(directory.appendingPathComponent("part"), grid())
      try stop(part, at: 5)
      let kept = files(part)
      let donor = try Checkpoint(path: kept[1].path)
      try Data(contentsOf: kept[1]).write(to: kept[0])
      try Checkpoint(
        configuration: donor.configuration, state: donor.state, diagnosis: nil, measured: [],
        seconds: 1, device: "another", options: [:]
      ).write(to: kept[1])
      var bytes = try Data(contentsOf: kept[2])
      bytes[bytes.count - 5] ^= 8
      try bytes.write(to: kept[2])
      try bytes.prefix(100).write(to: kept[3])
      let again = try sweep(directory.appendingPathComponent("part"), grid())
      var groups: [[Int]] = []
      _ = try again.run { progress in
        if let group = progress.group, progress.groupNumber > groups.count {
          groups.append([group.cells.count, progress.groupStep > 0 ? 1 : 0])
        }
        return true
      }
      #expect(groups == [[8, 1], [1, 0], [3, 0], [12, 0]], "\(groups)")
      #expect(try again.remains() == expected)
      // Measured runs do not go on from others that were not, nor the other way.
      let measured = try sweep(
        directory.appendingPathComponent("measured"), grid(), diagnosis: DiagnosisPlan(every: 5))
      try stop(measured, at: 5)
      let plain = try sweep(directory.appendingPathComponent("measured"), grid())
      #expect(try plain.run().progress.steps == 24 * 14)
      #expect(try plain.remains() == expected)
    }
  }

  // MARK: TensorBoard

  /// The numbers of a run's event file.
  private func points(_ folder: EventFolder, _ sweep: Sweep, _ cell: RunCell) throws
    -> EventFile.Contents
  {
    let file = folder.file(of: RunConfiguration(sweep.experiment, cell))
    return try #require(EventFile.contents(of: Data(contentsOf: file)))
  }

  @Test func events_comeWhileRunsTrain_eachOnce_alsoWhereTheyGoOn() throws {
    try Fixture.inDirectory { directory in
      let plan = DiagnosisPlan(every: 3, contents: .norms)
      func folder(_ name: String) -> EventFolder {
        EventFolder(directory: directory.appendingPathComponent(name), interval: .zero) { Date() }
      }
      let grid = try grid(rates: [-5, 60])
      let whole = try sweep(
        directory.appendingPathComponent("whole"), grid, diagnosis: plan, events: folder("a"))
      var seen: [Int: Int] = [:]
      var last: (file: URL, bytes: Data)?
      _ = try whole.run { progress in
        guard progress.groupNumber == 1, let cell = progress.group?.cells[0],
          progress.groupStep > 0, let live = try? points(folder("a"), whole, cell)
        else { return true }
        #expect(live.isWhole)
        #expect(live.points.keys.allSatisfy { $0.step <= progress.groupStep })
        seen[progress.groupStep] = live.points.count
        let file = folder("a").file(
          of: RunConfiguration(whole.experiment, cell))
        last = (try? Data(contentsOf: file)).map { (file, $0) }
        return true
      }
      let counts = seen.sorted { $0.key < $1.key }.map(\.value)
      #expect(counts == counts.sorted() && Set(counts).count > 2, "\(seen)")
      // A reader that has the file open only ever sees it grow.
      let (file, bytes) = try #require(last)
      let final = try Data(contentsOf: file)
      #expect(final.starts(with: bytes) && final.count > bytes.count)
      let part = try sweep(
        directory.appendingPathComponent("part"), grid, diagnosis: plan, every: 4,
        events: folder("b"))
      try stop(part, at: 9)
      // As if killed after more was written than the checkpoints know, in the middle of a record.
      for cell in grid.cells.prefix(2) {
        let file = folder("b").file(of: RunConfiguration(part.experiment, cell))
        try AtomicFile.append(Data([24, 0, 0, 0, 0, 0]), to: file)
        #expect(try !points(folder("b"), part, cell).isWhole)
      }
      _ = try sweep(
        directory.appendingPathComponent("part"), grid, diagnosis: plan, events: folder("b")
      ).run()
      for cell in grid.cells {
        let (a, b) = (
          try points(folder("a"), whole, cell), try points(folder("b"), part, cell)
        )
        #expect(a.isWhole && b.isWhole && a.points == b.points && !a.points.isEmpty)
        let records = try whole.store.records(
          for: RunConfiguration(whole.experiment, cell))
        #expect(a.points.count == records.reduce(0) { $0 + $1.values.count })
      }
    }
  }
}
