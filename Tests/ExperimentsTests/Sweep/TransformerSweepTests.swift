import Foundation
import Networks
import OpenCL
import Tensors
import GPUTrainTestSupport
import Testing
import Training

@testable import Experiments

/// Sweeps over Transformers: what holds of perceptrons holds of them.
@Suite(.serialized) struct TransformerSweepTests {
  let compute: Compute
  let data: TrainingData

  init() throws {
    compute = try Compute.idle()
    data = try TrainingData(LoadedTokens(train: .tales(count: 3000)), context: 12)
  }

  private func experiment(
    steps: Int = 6, _ change: (inout Configuration) -> Void = { _ in }
  ) -> Experiment {
    Experiment(
      Configuration {
        ($0.network, $0.depth, $0.context, $0.headSize) = (.transformer, 1, 12, 4)
        ($0.batchSize, $0.baseWidth, $0.length) = (4, 8, .steps(steps))
        ($0.zeroReadout, $0.evaluateBatches) = (false, 1)
        change(&$0)
      }, Facts(data: data, compute: compute))
  }

  private func grid(
    parametrizations: [String] = ["sp", "mup"], scale: SweepAxis? = nil, seeds: [UInt64] = [1, 2]
  ) throws -> SweepGrid {
    try SweepGrid(
      parametrizations: parametrizations, optimizers: [.adam],
      widths: scale == nil ? [8, 16] : [8], log2LearningRates: [-7, -5], seeds: seeds,
      scale: scale)
  }

  private func sweep(
    _ directory: URL, _ grid: SweepGrid, _ experiment: Experiment,
    diagnosis: DiagnosisPlan? = nil
  ) throws -> Sweep {
    try Sweep(
      experiment: experiment, grid: grid, data: data, directory: directory, compute: compute,
      memory: MemoryPlan(device: compute.queue.device), diagnosis: diagnosis, checkpointEvery: 2)
  }

  static let variants: [(String, @Sendable (inout Configuration) -> Void)] = [
    ("learned positions", { _ in }),
    ("rotary, SwiGLU", { ($0.positions, $0.isGated, $0.activation) = (.rotary, true, .silu) }),
    ("tied, layer norm, biases", { ($0.isTied, $0.norm, $0.bias) = (true, .layer, true) }),
    (
      "two heads, query norm, clipped",
      { ($0.heads, $0.headSize, $0.normalizesQueries, $0.clipNorm) = (2, nil, true, 1) }
    ),
  ]

  /// Runs in a group are what they are alone, and stopped ones what they are in one go: bit for bit, with
  /// all that was measured.
  @Test(.enabled(if: try Device.find(.best).supportsNativeKernels), arguments: variants)
  func runs_areTheSame_aloneAndStopped(
    name: String, change: @escaping @Sendable (inout Configuration) -> Void
  ) throws {
    try Fixture.inDirectory { directory in
      let diagnosis = DiagnosisPlan(every: 2)
      func sweep(_ name: String, _ grid: SweepGrid) throws -> Sweep {
        try self.sweep(
          directory.appendingPathComponent(name), grid, experiment(change), diagnosis: diagnosis)
      }
      let whole = try sweep("whole", grid())
      let outcome = try whole.run()
      #expect(outcome.failure == nil && !outcome.interrupted)
      let expected = try whole.remains()
      #expect(expected.count == 16)
      let alone = try sweep("alone", grid(parametrizations: ["mup"], seeds: [2]))
      _ = try alone.run()
      for (cell, files) in try alone.remains() { #expect(files == expected[cell], "\(cell)") }
      var looks = 3
      var stops = 0
      while true {
        let part = try sweep("stopped", grid())
        var left = looks
        let outcome = try part.run { _ in
          left -= 1
          return left > 0
        }
        if !outcome.interrupted { break }
        stops += 1
        looks += 2
      }
      #expect(stops > 1)
      for (cell, files) in try sweep("stopped", grid()).remains() {
        #expect(files == expected[cell], "\(cell)")
      }
    }
  }

  /// 32 runs in one launch end with the weights, optimizer states and losses that each has alone.
  @Test(
    .enabled(if: try Device.find(.best).supportsNativeKernels),
    arguments: [variants[0], variants[1]])
  func replicas_areTheirSoloRuns(
    name: String, change: @escaping @Sendable (inout Configuration) -> Void
  ) throws {
    let experiment = experiment(change)
    let cells = try SweepGrid(
      parametrizations: ["sp", "mup"], optimizers: [.adam], widths: [16],
      log2LearningRates: [-9, -7, -5, -3], seeds: [1, 2, 3, 4]
    ).cells
    #expect(cells.count == 32)
    let rows = try data.upload(to: compute, context: 12).train
    func states(_ cells: [RunCell]) throws -> [TrainingState] {
      let group = RunGroup(experiment: experiment, cells: cells)
      let trainer = try Trainer(
        group.training, replicas: try group.replicas(), totalSteps: group.totalSteps,
        compute: compute)
      try trainer.train(on: rows, until: group.totalSteps)
      return try trainer.states()
    }
    let together = try states(cells)
    #expect(Set(together.map(\.lossSums)).count == 32, "each is a run of its own")
    for (cell, state) in zip(cells, together) {
      #expect(try states([cell]) == [state], "\(cell)")
    }
  }

  /// Gone on from its checkpoint after every step, a run leaves the files that it leaves in one go.
  @Test(.enabled(if: try Device.find(.best).supportsNativeKernels))
  func run_stoppedTwentyTimes_endsTheSame() throws {
    try Fixture.inDirectory { directory in
      let experiment = experiment(steps: 22) { ($0.evaluateEvery, $0.clipNorm) = (5, 1) }
      let grid = try SweepGrid(
        parametrizations: ["mup"], optimizers: [.adam], widths: [16], log2LearningRates: [-6],
        seeds: [3])
      func sweep(_ name: String, _ start: RunCheckpointing.Start) throws -> (Sweep, URL) {
        let place = directory.appendingPathComponent(name)
        let weights = directory.appendingPathComponent("\(name).safetensors")
        return (
          try Sweep(
            experiment: experiment, grid: grid, data: data, directory: place, compute: compute,
            memory: MemoryPlan(device: compute.queue.device), diagnosis: DiagnosisPlan(every: 3),
            checkpointing: RunCheckpointing(start: start, every: 4, weightsFile: weights)), weights
        )
      }
      func end(_ sweep: Sweep, _ weights: URL) throws -> (files: [String], state: TrainingState) {
        let newest = try CheckpointSearch.newest(at: sweep.store.directory)
        return (
          try sweep.remains().values.joined() + [
            Data(contentsOf: weights).base64EncodedString(), newest.lastPathComponent,
          ],
          try Checkpoint(path: newest.path).state
        )
      }
      let (whole, weights) = try sweep("whole", .drawn)
      _ = try whole.run()
      let expected = try end(whole, weights)
      var start = RunCheckpointing.Start.drawn
      var stops: [Int] = []
      while true {
        let (part, weights) = try sweep("stopped", start)
        let before = stops.last ?? 0
        let outcome = try part.run { $0.groupStep <= before }
        guard outcome.interrupted else {
          let found = try end(part, weights)
          #expect(found.files == expected.files)
          #expect(found.state == expected.state)
          break
        }
        let file = try #require(outcome.checkpoint)
        let checkpoint = try Checkpoint(path: file.path)
        stops.append(checkpoint.state.step)
        start = .checkpoint(checkpoint, path: file.path)
      }
      #expect(stops.count >= 20 && stops == stops.sorted(), "\(stops)")
    }
  }

  /// 200 runs have one summary and one report, whether they were made in one go or stopped midway.
  @Test(.enabled(if: try Device.find(.best).supportsNativeKernels))
  func sweepOf200Runs_endsTheSame_stoppedMidway() throws {
    try Fixture.inDirectory { directory in
      let experiment = experiment(steps: 4) { ($0.batchSize, $0.context) = (2, 8) }
      let grid = try SweepGrid(
        parametrizations: ["sp", "mup"], optimizers: [.adam], widths: [8, 16],
        log2LearningRates: [-9, -7, -5, -3, 30], seeds: Array(1...10))
      #expect(grid.cells.count == 200)
      func sweep(_ name: String) throws -> Sweep {
        try self.sweep(directory.appendingPathComponent(name), grid, experiment)
      }
      /// What is known at the end, but the seconds.
      func end(_ sweep: Sweep) throws -> (summary: [[String]], table: String) {
        let rows = try sweep.summarize()
        let lines = try String(contentsOf: sweep.store.summaryFile, encoding: .utf8)
          .split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
          }
        let place = try #require(lines[0].firstIndex(of: "seconds"))
        let summary = lines.map { line in
          line.enumerated().filter { $0.offset != place }.map(\.element)
        }
        let report = TransferReport(rows: rows, data: experiment.facts.data)
        return (summary, report.groups.map { "\($0)" }.joined())
      }
      let whole = try sweep("whole")
      _ = try whole.run()
      let expected = try end(whole)
      #expect(expected.summary.count == 201 && expected.table.contains("perplexity"))
      let part = try sweep("stopped")
      let stopped = try part.run { $0.share < 0.5 }
      #expect(stopped.interrupted && (1..<200).contains(stopped.progress.finished))
      let outcome = try sweep("stopped").run()
      #expect(!outcome.interrupted && outcome.progress.reused == stopped.progress.finished)
      let found = try end(part)
      #expect(found.summary == expected.summary)
      #expect(found.table == expected.table)
      #expect(try part.remains() == whole.remains())
    }
  }

  /// A text is there once, whatever the contexts of the runs.
  @Test func context_isAnAxis() throws {
    try Fixture.inDirectory { directory in
      let grid = try grid(parametrizations: ["sp"], scale: SweepAxis("context", [4, 8]))
      let sweep = try sweep(directory, grid, experiment())
      _ = try sweep.run()
      let results = try sweep.summarize()
      #expect(results.count == 8 && results.allSatisfy { $0.result.outcome == .completed })
      let losses = Set(results.compactMap(\.result.validationLoss))
      #expect(losses.count == 8)
    }
  }

  /// Losses are those of a token: an untrained network whose logits are 0 has log(vocabulary), so that its
  /// perplexity is the vocabulary.
  @Test func loss_isPerToken() throws {
    try Fixture.inDirectory { directory in
      let still = experiment(steps: 1) { ($0.zeroReadout, $0.schedule) = (true, .init(.constant)) }
      let grid = try SweepGrid(
        parametrizations: ["sp", "mup"], optimizers: [.adam], widths: [8, 16],
        log2LearningRates: [-40], seeds: [1, 2])
      let sweep = try sweep(directory, grid, still)
      let outcome = try sweep.run()
      #expect(outcome.progress.tokens == 8 * 4 * 12, "runs, sequences, context")
      let outputs = Double(data.description.outputs)
      for entry in try sweep.summarize() {
        #expect(abs(try #require(entry.result.trainLoss) - log(outputs)) <= 1e-5)
        #expect(abs(try #require(entry.result.perplexity) - outputs) <= 1e-4 * outputs)
        #expect(abs(try #require(entry.result.bitsPerByte) - log2(outputs)) <= 1e-4)
      }
    }
  }

  /// The page has what a text's losses are in other units, and what attention does.
  @Test func page_showsPerplexityAndAttention() throws {
    try Fixture.inDirectory { directory in
      _ = try sweep(directory, grid(), experiment(), diagnosis: DiagnosisPlan(every: 2)).run()
      let html = try ReportFixture.page([directory])
      #expect(ParsedPage(html).problem == nil)
      for title in [
        "perplexity of the best loss", "bits per byte", "largest |logit| over steps, width 16",
        "many a training diverges later",
        "least entropy of a head over steps, width 16",
      ] { #expect(html.contains(title), "\(title)") }
    }
  }

  /// A tied readout's multiplier is the parametrization's: such runs do not share a group.
  @Test func groups_haveOneMultiplier() throws {
    let cells = try grid().cells.filter { $0.width == 16 }
    let tied = experiment { $0.isTied = true }
    #expect(RunGroup.withAlikeMultipliers(cells, in: experiment()).map(\.count) == [8])
    let groups = RunGroup.withAlikeMultipliers(cells, in: tied)
    #expect(
      groups.map { Set($0.map(\.parametrization)) }.sorted { $0.first! < $1.first! } == [
        ["mup"], ["sp"],
      ])
  }

  @Test(arguments: variants, [nil, .all] as [Diagnostics.Contents?])
  func memory_isAsPlanned(
    variant: (String, @Sendable (inout Configuration) -> Void), measured: Diagnostics.Contents?
  ) throws {
    let compute = try Compute(device: .find(.best))
    // Past the end of an epoch, whose last batch is short.
    var experiment = experiment(steps: 12, variant.1)
    (experiment.settings.context, experiment.settings.batchSize) = (32, 8)
    let group = RunGroup(
      experiment: experiment,
      cells: [
        RunCell(
          parametrization: "mup", optimizer: .adam, width: 128, log2LearningRate: -6, seed: 1)
      ])
    try compute.settleBackend()
    try compute.makeWorkspace()
    let (train, validation) = try data.upload(
      to: compute, evaluationBatches: experiment.settings.evaluateBatches, context: 32)
    let bytes = compute.queue.context.bufferBytes
    let before = bytes.now
    _ = try GroupTraining(
      group: group, compute: compute, train: train, validation: validation,
      diagnosis: measured.map { DiagnosisPlan(every: 2, contents: $0) }
    ).run { _ in }
    let taken = Double(bytes.most - before)
    let planned = try MemoryPlan(device: compute.queue.device).bytesPerReplica(
      of: group, measured: measured
    ).all
    #expect((0.95 * planned...1.05 * planned).contains(taken), "\(taken) of \(planned) bytes")
  }
}
