import Foundation
import OpenCL
import Tensors
import Testing
import Training

@testable import Experiments

@Suite(.serialized) struct SweepTests {
  let compute: Compute
  let data: TrainingData

  init() throws {
    compute = try Compute(device: .find(.best))
    data = try TrainingData(LoadedData(train: .glyphs(count: 200)))
  }

  func experiment(_ length: TrainingLength) -> Experiment {
    Experiment(
      Configuration {
        ($0.depth, $0.length, $0.batchSize) = (1, length, 50)
        ($0.baseWidth, $0.zeroReadout) = (8, false)
      }, Facts(data: data, compute: compute))
  }

  func grid(rates: [Double] = [-6, -4], optimizers: [OptimizerKind] = [.sgd, .adam]) throws
    -> SweepGrid
  {
    try SweepGrid(
      parametrizations: ["sp", "mup"], optimizers: optimizers, widths: [8, 16],
      log2LearningRates: rates, seeds: [1])
  }

  func sweep(
    _ directory: URL, _ length: TrainingLength = .epochs(2), grid: SweepGrid? = nil
  ) throws -> Sweep {
    try Sweep(
      experiment: experiment(length), grid: grid ?? self.grid(), data: data, directory: directory,
      compute: compute, memory: MemoryPlan(device: compute.queue.device))
  }

  @Test func epochs_giveTheirLossesAndRecords() throws {
    try Fixture.inDirectory { directory in
      let sweep = try sweep(directory)
      let outcome = try sweep.run()
      #expect(outcome.progress.finished == 16 && !outcome.interrupted)
      #expect(outcome.progress.share == 1)
      for row in try sweep.summarize() {
        // 180 training rows in batches of 50: four steps an epoch.
        #expect(row.result.epochs == 2 && row.result.steps == 8)
        let cell = RunCell(
          parametrization: row.parametrization, optimizer: row.optimizer, width: row.width,
          log2LearningRate: row.log2LearningRate, seed: row.seed)
        let records = try sweep.store.records(
          for: RunConfiguration(sweep.experiment, cell))
        #expect(records.map(\.step) == [4, 8] && records.map(\.epoch) == [1, 2])
        #expect(records[0].values["train_loss"] == row.result.firstEpochTrainLoss)
        #expect(records[1].values["train_loss"] == row.result.trainLoss)
        #expect(records[1].values["validation_loss"] == row.result.validationLoss)
      }
    }
  }

  @Test func steps_reportTheLastQuarter() throws {
    try Fixture.inDirectory { directory in
      let grid = try SweepGrid(
        parametrizations: ["sp"], optimizers: [.sgd], widths: [8], log2LearningRates: [-4],
        seeds: [1])
      let sweep = try sweep(directory, .steps(10), grid: grid)
      _ = try sweep.run()
      let row = try #require(try sweep.summarize().first)
      let records = try sweep.store.records(
        for: RunConfiguration(sweep.experiment, grid.cells[0]))
      #expect(records.count == 10 && row.result.epochs == 2 && row.result.steps == 10)
      // Steps 8, 9 and 10; the eighth is an epoch's last, of 30 rows.
      let tail = records.suffix(3).compactMap { $0.values["train_loss"] }
      let expected = (30 * tail[0] + 50 * tail[1] + 50 * tail[2]) / 130
      #expect(abs(try #require(row.result.trainLoss) - expected) <= 1e-12)
    }
  }

  /// At the steps asked for and at the end; training itself is the same.
  @Test func evaluations_areRecorded_andTheLeastIsTheBest() throws {
    try Fixture.inDirectory { directory in
      let grid = try SweepGrid(
        parametrizations: ["sp"], optimizers: [.adam], widths: [16], log2LearningRates: [-4, 60],
        seeds: [1])
      let plain = try sweep(directory.appendingPathComponent("plain"), .steps(40), grid: grid)
      _ = try plain.run()
      var experiment = experiment(.steps(40))
      (experiment.settings.evaluateEvery, experiment.settings.evaluateTrain) = (7, true)
      let sweep = try Sweep(
        experiment: experiment, grid: grid, data: data,
        directory: directory.appendingPathComponent("evaluated"), compute: compute,
        memory: MemoryPlan(device: compute.queue.device))
      _ = try sweep.run()
      let (before, after) = (try plain.summarize(), try sweep.summarize())
      #expect(before.map(\.result.trainLoss) == after.map(\.result.trainLoss))
      #expect(before.map(\.result.validationLoss) == after.map(\.result.validationLoss))
      #expect(before[0].result.wholeTrainLoss == nil)
      let result = after[0].result
      let records = try sweep.store.records(for: RunConfiguration(experiment, grid.cells[0]))
      let losses = records.compactMap { record in
        record.values["validation_loss"].map { (record.step, $0) }
      }
      #expect(losses.map(\.0) == [7, 14, 21, 28, 35, 40])
      #expect(losses.last?.1 == result.validationLoss)
      #expect(losses.map(\.1).min() == result.bestValidationLoss)
      #expect(before[0].result.bestValidationLoss == before[0].result.validationLoss)
      // Of the final network, which is better than the networks on the way were on their batches.
      #expect(try #require(result.wholeTrainLoss) < result.trainLoss ?? 0)
      #expect(after[1].result.outcome == .diverged && after[1].result.bestValidationLoss == nil)
      let objectives: [(Objective, Double?)] = [
        (.trainLoss, result.trainLoss), (.wholeTrainLoss, result.wholeTrainLoss),
        (.validationLoss, result.validationLoss),
        (.bestValidationLoss, result.bestValidationLoss),
      ]
      #expect(objectives.map(\.0) == Objective.allCases)
      for (objective, loss) in objectives {
        #expect(loss != nil && objective.loss(of: result) == loss)
        #expect(objective.loss(of: after[1].result) == .infinity)
      }
    }
  }

  @Test(.enabled(if: try Device.find(.best).supportsNativeKernels))
  func results_doNotDependOnHowRunsAreGrouped() throws {
    try Fixture.inDirectory { directory in
      let whole = try sweep(directory.appendingPathComponent("whole"))
      _ = try whole.run()
      let parts = try sweep(directory.appendingPathComponent("parts"), grid: grid(rates: [-4]))
      _ = try parts.run()
      let rest = try sweep(directory.appendingPathComponent("parts"))
      #expect(try rest.run().progress.reused == 8)
      func losses(_ sweep: Sweep) throws -> [[Double?]] {
        try sweep.summarize().map { [$0.result.trainLoss, $0.result.validationLoss] }
      }
      #expect(try losses(rest) == losses(whole))
    }
  }

  /// Holds what training `group` takes beside the data at its most to what is planned: to the byte for
  /// one run. Of several each is planned for as for one alone where that takes more; and a plan measures
  /// at every step.
  private func holdToPlan(
    _ group: RunGroup, measured: Diagnostics.Contents? = nil, compute: Compute
  ) throws {
    try compute.settleBackend()
    try compute.makeWorkspace()
    let (train, validation) = try data.upload(to: compute)
    let bytes = compute.queue.context.bufferBytes
    let before = bytes.now
    _ = try GroupTraining(
      group: group, compute: compute, train: train, validation: validation,
      diagnosis: measured.map { DiagnosisPlan(every: 2, contents: $0) }
    ).run { _ in }
    let taken = Double(bytes.most - before)
    let planned =
      Double(group.cells.count)
      * (try MemoryPlan(device: compute.queue.device).bytesPerReplica(of: group, measured: measured)
        .all)
    let isExact = group.cells.count == 1 && measured == nil
    let (least, most) =
      isExact
      ? (planned - 0.5, planned + 0.5)
      : (0.95 * planned, (measured == nil ? 1 : 1.05) * planned + 0.5)
    #expect((least...most).contains(taken), "\(taken) of \(planned) bytes")
  }

  /// What a group takes is what was planned, with rules' tables, orders of rows and sums of losses; and
  /// none of its tensors stay.
  @Test(arguments: OptimizerKind.allCases) func memory_isAsPlanned(optimizer: OptimizerKind) throws
  {
    for (width, cells) in [(200, 1), (256, 3)] {
      let compute = try Compute(device: .find(.best))
      let group = RunGroup(
        experiment: experiment(.epochs(2)),
        cells: (0..<cells).map {
          RunCell(
            parametrization: "mup", optimizer: optimizer, width: width, log2LearningRate: -6,
            seed: UInt64($0))
        })
      try holdToPlan(group, compute: compute)
      try compute.releaseUnusedMemory()
      #expect(compute.tensorBytes == 0)
    }
  }

  /// The same under whatever takes memory of its own.
  @Test(
    arguments: [
      ("clip-norm", "1"), ("micro-batch", "20"), ("evaluate-train", "true"),
      ("group", "readout=optimizer:sgd"), ("schedule", "cosine"), ("steps", "1100"),
      ("bias", "true"), ("network", "residual-mlp"), ("spectral-sphere", "1"),
      ("group", "hidden=spectral-cap:1.5"), ("group", "hidden=optimizer:muon"),
      ("group", "all=optimizer:lion"), ("spectral-clip", "1"),
    ], [nil, .norms, .all] as [Diagnostics.Contents?])
  func memory_isAsPlanned(setting: (name: String, value: String), measured: Diagnostics.Contents?)
    throws
  {
    var experiment = experiment(.steps(30))
    experiment.settings = try experiment.settings.replacing([setting.name: .string(setting.value)])
    let cell = RunCell(
      parametrization: "spectral", optimizer: .adam, width: 128, log2LearningRate: -6, seed: 1)
    try holdToPlan(
      RunGroup(experiment: experiment, cells: [cell]), measured: measured,
      compute: Compute(device: .find(.best)))
  }

  /// What products of few tiles and long k take for their slices is planned too, for one replica and
  /// for several.
  @Test(arguments: [1, 3]) func memoryOfSlices_isAsPlanned(cells: Int) throws {
    let compute = try Compute(device: .find(.best), backend: .tiled)
    var experiment = experiment(.epochs(1))
    experiment.facts.gemm = compute.backend.name
    let group = RunGroup(
      experiment: experiment,
      cells: (0..<cells).map {
        RunCell(
          parametrization: "mup", optimizer: .sgd, width: 640, log2LearningRate: -6,
          seed: UInt64($0))
      })
    try holdToPlan(group, compute: compute)
  }

  @Test(.enabled(if: try Device.find(.best).supportsNativeKernels))
  func tightBudget_trainsInPartsWithTheSameResults() throws {
    try Fixture.inDirectory { directory in
      let whole = try sweep(directory.appendingPathComponent("whole"))
      _ = try whole.run()
      let group = RunGroup(experiment: whole.experiment, cells: [try grid().cells.last!])
      let room =
        3 * Int(try MemoryPlan(device: compute.queue.device).bytesPerReplica(of: group).all)
        + data.deviceBytes
      let tight = try Sweep(
        experiment: whole.experiment, grid: grid(), data: data,
        directory: directory.appendingPathComponent("tight"), compute: compute,
        memory: MemoryPlan(device: compute.queue.device, budget: room, largestBuffer: .max))
      var groups: Set<Int> = []
      _ = try tight.run {
        if let part = $0.group, part.width == group.width { groups.insert(part.cells.count) }
        return true
      }
      #expect(groups == [2])
      func losses(_ sweep: Sweep) throws -> [Double?] {
        try sweep.summarize().map(\.result.trainLoss)
      }
      #expect(try losses(tight) == losses(whole))
    }
  }

  /// By when it was begun, whatever its name; and nothing is made on the way.
  @Test func unfinished_findsTheNewestOfThisExperimentThatLacksRuns() throws {
    try Fixture.inDirectory { directory in
      func place(_ name: String) -> URL { directory.appendingPathComponent(name) }
      let half = try grid(rates: [-4])
      for (age, name) in [(4, "z-half"), (3, "a-half")] {
        let store = try sweep(place(name), grid: half)
        _ = try store.run()
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSinceNow: -60 * Double(age))],
          ofItemAtPath: store.store.experimentFile.path)
      }
      _ = try sweep(place("3-done")).run()
      _ = try sweep(place("4-other"), .epochs(1), grid: half).run()
      try FileManager.default.createDirectory(
        at: place("5-other"), withIntermediateDirectories: false)
      let found = RunStore.unfinished(
        under: directory, of: experiment(.epochs(2)), grid: try grid())
      #expect(found?.lastPathComponent == "a-half")
      #expect(
        RunStore.unfinished(under: directory, of: experiment(.steps(3)), grid: half) == nil)
      #expect(try FileManager.default.contentsOfDirectory(atPath: place("5-other").path).isEmpty)
    }
  }

  @Test func share_isWithinItsBounds_whateverTheWork() {
    for (done, work, share) in [
      (0.0, 0.0, 1.0), (0, 4, 0), (1, 4, 0.25), (4, 4, 1), (5, 4, 1), (-1, 4, 0),
    ] { #expect(Sweep.share(done, of: work) == share, "\(done) of \(work)") }
  }

  /// Runs stopped after their last step go on with nothing left to train.
  @Test func stoppedAfterTheLastStep_isEvaluatedAndDone() throws {
    try Fixture.inDirectory { directory in
      let length = TrainingLength.steps(8)
      var shares: [Double] = []
      let stopped = try sweep(directory, length).run { $0.groupStep < 8 }
      #expect(stopped.interrupted && stopped.checkpointStep == 8)
      let rest = try sweep(directory, length).run {
        shares.append($0.share)
        return true
      }
      #expect(!rest.interrupted && rest.progress.finished == 16 && rest.progress.resumed > 0)
      #expect(shares.allSatisfy { (0...1).contains($0) }, "\(shares)")
    }
  }

  @Test func watch_stopsTheSweep_keepingWhatIsDone() throws {
    try Fixture.inDirectory { directory in
      let sweep = try sweep(directory)
      let outcome = try sweep.run { $0.finished < 4 }
      #expect(outcome.interrupted && outcome.progress.finished == 4)
      #expect(try sweep.summarize().count == 4)
      #expect(try sweep.run().progress.finished == 12)
    }
  }

  @Test func splitAndNormalization_areTheDescriptions() throws {
    #expect(data.description.trainCount == 180 && data.description.validationCount == 20)
    #expect(data.description.normalization.hasPrefix("fixed"))
    let large = try TrainingData(LoadedData(train: .glyphs(count: 700)), validationFraction: 0.9)
    for (batches, count) in [(nil, 630), (1, 256), (2, 512), (3, 630)] as [(Int?, Int)] {
      #expect(
        try large.upload(to: compute, evaluationBatches: batches).validation?.count == count)
    }
    let (train, validation) = try data.upload(to: compute)
    #expect(train.count == 180 && validation?.count == 20 && train.inputs == 64)
  }
}
