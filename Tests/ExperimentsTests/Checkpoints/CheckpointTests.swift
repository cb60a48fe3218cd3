import Foundation
import OpenCL
import Tensors
import GPUTrainTestSupport
import Testing
import Training

@testable import Experiments

@Suite(.serialized) struct CheckpointTests {
  let compute: Compute
  let data: TrainingData

  init() throws {
    compute = try Compute.idle()
    data = try TrainingData(LoadedData(train: .glyphs(count: 200)))
  }

  private func experiment(depth: Int = 1, _ length: TrainingLength = .steps(22)) -> Experiment {
    Experiment(
      Configuration {
        ($0.depth, $0.bias, $0.length, $0.batchSize) = (depth, true, length, 50)
        ($0.baseWidth, $0.zeroReadout) = (8, false)
        $0.schedule = ScheduleChoice(.cosine, warmup: .share(0.1))
        ($0.evaluateEvery, $0.evaluateTrain) = (3, true)
      }, Facts(data: data, compute: compute))
  }

  private func sweep(
    _ directory: URL, _ checkpointing: RunCheckpointing, experiment: Experiment? = nil,
    rate: Double = -5,
    optimizer: OptimizerKind = .adam, diagnosis: DiagnosisPlan? = nil
  ) throws -> Sweep {
    try Sweep(
      experiment: experiment ?? self.experiment(),
      grid: SweepGrid(
        parametrizations: ["spectral"], optimizers: [optimizer], widths: [12],
        log2LearningRates: [rate], seeds: [3]), data: data, directory: directory,
      compute: compute, memory: MemoryPlan(device: compute.queue.device), diagnosis: diagnosis,
      checkpointing: checkpointing)
  }

  private func run(_ sweep: Sweep) -> URL {
    sweep.store.directory(
      for: RunConfiguration(sweep.experiment, sweep.grid.cells[0]))
  }

  /// Everything that a run leaves but its seconds.
  private func remains(_ sweep: Sweep, weights: URL) throws -> [String] {
    let result = try String(
      contentsOf: run(sweep).appendingPathComponent("result.json"), encoding: .utf8)
    return [
      try String(contentsOf: run(sweep).appendingPathComponent("metrics.jsonl"), encoding: .utf8),
      result.split(separator: "\n").filter { !$0.lowercased().contains("seconds\"") }.joined(),
      try Data(contentsOf: weights).base64EncodedString(),
    ]
  }

  /// Stopped again and again at random steps, each time gone on from the checkpoint alone.
  @Test(arguments: [
    (OptimizerKind.adam, -5.0, DiagnosisPlan(every: 3) as DiagnosisPlan?),
    (.nesterov, -7, DiagnosisPlan(every: 2, contents: .norms)), (.sgd, 60, nil),
    (.spectralNormalized, -6, nil),
  ])
  func stoppedRun_endsTheSame(optimizer: OptimizerKind, rate: Double, diagnosis: DiagnosisPlan?)
    throws
  {
    try Fixture.inDirectory { directory in
      let weights = directory.appendingPathComponent("weights.safetensors")
      func sweep(_ name: String, _ start: RunCheckpointing.Start) throws -> Sweep {
        try self.sweep(
          directory.appendingPathComponent(name),
          RunCheckpointing(start: start, every: 4, weightsFile: weights), rate: rate,
          optimizer: optimizer, diagnosis: diagnosis)
      }
      let whole = try sweep("whole", .drawn)
      _ = try whole.run()
      let expected = try remains(whole, weights: weights)
      let seed = UInt64.random(in: 0 ... .max)
      var random = Philox(seed: seed, stream: 0)
      for attempt in 0..<6 {
        var start = RunCheckpointing.Start.drawn
        var stops: [Int] = []
        while true {
          let part = try sweep("cut\(attempt)", start)
          var looks = 2 + random.index(below: 9)
          let outcome = try part.run { _ in
            looks -= 1
            return looks > 0
          }
          guard outcome.interrupted else {
            #expect(
              try remains(part, weights: weights) == expected, "seed \(seed), stops \(stops)")
            break
          }
          guard let file = outcome.checkpoint else { continue }
          let checkpoint = try Checkpoint(path: file.path)
          stops.append(checkpoint.state.step)
          start = .checkpoint(checkpoint, path: file.path)
        }
      }
    }
  }

  @Test func checkpoints_areTheNewest_andTheLastStepHasOne() throws {
    try Fixture.inDirectory { directory in
      let sweep = try sweep(directory, RunCheckpointing(every: 5, keep: 2))
      let folder = run(sweep).appendingPathComponent("checkpoints")
      // One that was killed two hours ago while it wrote.
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let left = AtomicFile.temporary(beside: folder.appendingPathComponent("left"))
      try Data("x".utf8).write(to: left)
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -7200)], ofItemAtPath: left.path)
      _ = try sweep.run()
      #expect(
        CheckpointSearch.files(in: folder).map(\.lastPathComponent)
          == ["step-00000020.safetensors", "step-00000022.safetensors"])
      let newest = try CheckpointSearch.newest(at: directory)
      #expect(newest.lastPathComponent == "step-00000022.safetensors")
      #expect(CheckpointSearch.store(of: newest)?.path == directory.path)
      #expect(try Checkpoint(path: newest.path).isFinal)
      // No temporary stays.
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
    }
  }

  @Test func initialWeights_areTheStart_andPartOfTheConfiguration() throws {
    try Fixture.inDirectory { directory in
      let file = directory.appendingPathComponent("weights.safetensors")
      let source = try sweep(
        directory.appendingPathComponent("source"), RunCheckpointing(every: 22, weightsFile: file))
      _ = try source.run()
      let weights = try InitialWeights(path: file.path)
      let newest = try CheckpointSearch.newest(at: source.store.directory)
      #expect(try InitialWeights(path: newest.path).fingerprint == weights.fingerprint)
      var experiment = experiment()
      experiment.facts.initialWeights = weights.fingerprint
      let target = try sweep(
        directory.appendingPathComponent("target"),
        RunCheckpointing(start: .weights(weights), every: 1, keep: 100), experiment: experiment,
        rate: -126)
      _ = try target.run()
      // A rate of 2⁻²⁰⁰ moves nothing.
      #expect(run(target).lastPathComponent != run(source).lastPathComponent)
      let first = try CheckpointSearch.newest(at: target.store.directory)
      let state = try Checkpoint(path: first.path).state
      #expect(Set(state.parameters) == Set(weights.tensors))
    }
  }

  /// A small checkpoint's bytes.
  private func sample(_ directory: URL) throws -> URL {
    let sweep = try sweep(
      directory, RunCheckpointing(every: 30), experiment: experiment(.steps(3)),
      diagnosis: DiagnosisPlan(every: 2, contents: .norms))
    _ = try sweep.run()
    return try CheckpointSearch.newest(at: directory)
  }

  @Test func checkpoint_readsBack_andOtherRunsAreNamedByField() throws {
    try Fixture.inDirectory { directory in
      let file = try sample(directory)
      let checkpoint = try Checkpoint(path: file.path)
      #expect(checkpoint.state.step == 3 && checkpoint.state.batchSizes == [50, 50, 50])
      #expect(checkpoint.measured.map(\.step) == [0, 2])
      let copy = directory.appendingPathComponent("copy.safetensors")
      try checkpoint.write(to: copy)
      #expect(try Data(contentsOf: copy) == Data(contentsOf: file))
      var other = checkpoint.configuration
      other.experiment.settings.depth = 2
      other.cell.seed = 9
      let error = #expect(throws: CheckpointError.self) {
        try checkpoint.check(against: other, diagnosis: nil, path: "x")
      }
      for part in [
        "depth: stored 1, given 2", "seed: stored 3, given 9",
        "diagnose: stored 2:norms, given none",
      ] { #expect("\(error!)".contains(part), "\(error!)") }
    }
  }

  @Test func damagedFiles_areRefused_neverTrap() throws {
    try Fixture.inDirectory { directory in
      let file = try sample(directory)
      let bytes = try Data(contentsOf: file)
      let broken = directory.appendingPathComponent("broken.safetensors")
      let seed = UInt64.random(in: 0 ... .max)
      var random = Philox(seed: seed, stream: 0)
      for _ in 0..<300 {
        var copy = bytes
        let place = random.index(below: bytes.count)
        if random.index(below: 4) == 0 {
          copy = copy.prefix(place)
        } else {
          copy[place] ^= UInt8(1 << random.index(below: 8))
        }
        try copy.write(to: broken)
        // A bit of the metadata that nothing is computed from may turn unseen: a name, a time.
        guard let read = try? Checkpoint(path: broken.path) else { continue }
        #expect(read.state.parameters == (try Checkpoint(path: file.path)).state.parameters)
      }
      var copy = bytes
      copy[bytes.count - 3] ^= 4
      try copy.write(to: broken)
      let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: broken.path) }
      #expect("\(error!)".contains("damaged values"))
    }
  }

  @Test func foreignFiles_areRefused() throws {
    try Fixture.inDirectory { directory in
      let file = directory.appendingPathComponent("other.safetensors")
      try SafetensorsWriter.write(
        [NamedValues(name: "a", shape: [1], values: [1])], metadata: ["format": "pt"], to: file)
      let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: file.path) }
      #expect("\(error!)".contains("of other origin"))
      #expect(throws: CheckpointError.none(place: directory.relativePath)) {
        try CheckpointSearch.newest(at: directory)
      }
      #expect(throws: CheckpointError.none(place: "/no/such")) {
        try CheckpointSearch.newest(at: URL(fileURLWithPath: "/no/such"))
      }
      #expect(throws: CheckpointError.none(place: directory.relativePath)) {
        try CheckpointSearch.newestUnfinished(under: directory)
      }
      try Data("x".utf8).write(to: file)
      #expect(throws: DataError.self) { try Checkpoint(path: file.path) }
    }
  }

  @Test func severalRuns_areToBeToldApart() throws {
    try Fixture.inDirectory { directory in
      for rate in [-5.0, -6] {
        _ = try sweep(directory, RunCheckpointing(every: 30), rate: rate).run()
      }
      let error = #expect(throws: CheckpointError.self) {
        try CheckpointSearch.newest(at: directory)
      }
      #expect("\(error!)".contains("got those of 2"))
    }
  }
}
