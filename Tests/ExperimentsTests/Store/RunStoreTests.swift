import Foundation
import Testing
import Training

@testable import Experiments

@Suite struct RunStoreTests {
  @Test func settings_areWrittenOnceAndAccepted() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory.appendingPathComponent("a/b"))
      #expect(try store.experiment() == nil)
      try store.open(Fixture.experiment)
      let bytes = try Data(contentsOf: store.experimentFile)
      try store.open(Fixture.experiment)
      #expect(try Data(contentsOf: store.experimentFile) == bytes)
      #expect(try store.experiment() == Fixture.experiment)
    }
  }

  @Test func otherSettings_nameEveryDifference() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      try store.open(Fixture.experiment)
      var other = Fixture.experiment
      other.settings.batchSize = 32
      other.facts.data.name = "cifar10"
      other.settings.hiddenPattern = [1]
      other.settings.length = .steps(500)
      other.settings.weightDecay = WeightDecayChoice()
      other.settings.zeroReadout = false
      let error = #expect(throws: RunStoreError.self) { try store.open(other) }
      #expect(
        error?.description
          == "\(store.experimentFile.path) holds other settings: batch-size: stored 64, given 32; "
          + "data.name: stored digits, given cifar10; epochs: stored 3, given none; "
          + "hidden-pattern: stored 1:4, given 1; steps: stored none, given 500; "
          + "weight-decay: stored 0.1:independent, given 0; "
          + "zero-readout: stored true, given false")
      #expect(try store.experiment() == Fixture.experiment)
    }
  }

  /// What the layout before had, and what one to come might have.
  @Test(arguments: [("{\"depth\": 3}", "1"), ("{\"version\": 2}", "2")])
  func storeOfAnotherVersion_isRefused(content: String, version: String) throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      try Data(content.utf8).write(to: store.experimentFile)
      let expected = RunStoreError.otherVersion(file: store.experimentFile.path, version: version)
      #expect(throws: expected) { try store.open(Fixture.experiment) }
      #expect(throws: expected) { try store.experiment() }
      #expect(expected.description.contains("a store of version \(version)"))
      #expect(try Data(contentsOf: store.experimentFile) == Data(content.utf8))
    }
  }

  /// A setting that a later version added is as by default in what was written before; one that this
  /// version does not know is named.
  @Test func settingsOfOtherVersions_areComparedByName() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      try store.open(Fixture.experiment)
      let text = try String(contentsOf: store.experimentFile, encoding: .utf8)
      func rewrite(_ old: String, _ new: String) throws {
        let changed = text.replacingOccurrences(of: old, with: new)
        #expect(changed != text)
        try Data(changed.utf8).write(to: store.experimentFile)
      }
      try rewrite("\"init\" : \"gaussian\",", "")
      try store.open(Fixture.experiment)
      #expect(try store.experiment() == Fixture.experiment)
      try rewrite("\"init\"", "\"dropout\"")
      let error = #expect(throws: RunStoreError.self) { try store.open(Fixture.experiment) }
      #expect(error?.description.contains("dropout: stored gaussian, given none") == true)
    }
  }

  /// Each file is read once, however often it is asked for; a run that is saved again is read again.
  @Test func result_isReadOnce() throws {
    try Fixture.inDirectory { directory in
      let configuration = Fixture.configuration()
      try RunStore(directory: directory).save(Fixture.result, for: configuration)
      let store = RunStore(existing: directory)
      #expect(try store.result(for: configuration) == Fixture.result)
      let place = store.directory(for: configuration)
      try FileManager.default.removeItem(at: place.appendingPathComponent("result.json"))
      #expect(try store.result(for: configuration) == Fixture.result)
      #expect(try store.runs(of: Fixture.experiment).count == 1)
      let second = RunResult(epochs: 0, steps: 1, outcome: .diverged, seconds: 1, device: "gpu")
      try store.save(second, for: configuration)
      #expect(try store.result(for: configuration) == second)
    }
  }

  @Test func fileInPlace_isAnError() throws {
    try Fixture.inDirectory { directory in
      let file = directory.appendingPathComponent("out")
      try Data("x".utf8).write(to: file)
      #expect(throws: RunStoreError.notADirectory(path: file.path)) {
        try RunStore(directory: file)
      }
      #expect(
        RunStoreError.notADirectory(path: "out").description
          == "run store out: expected a directory, got a file")
      let under = file.appendingPathComponent("deeper")
      let error = #expect(throws: RunStoreError.self) { try RunStore(directory: under) }
      #expect(error?.description == "create directory \(under.path): Not a directory")
    }
  }

  @Test func run_roundTripsWithItsRecords() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      let configuration = Fixture.configuration()
      let records = [
        RunRecord(epoch: 1, step: 24, values: ["train_loss": 2.25]),
        RunRecord(epoch: 2, step: 48, values: ["train_loss": 0.5, "validation_loss": 0.75]),
      ]
      #expect(try store.result(for: configuration) == nil)
      #expect(try store.records(for: configuration).isEmpty)
      try store.save(Fixture.result, records: records, for: configuration)
      #expect(try store.result(for: configuration) == Fixture.result)
      #expect(try store.records(for: configuration) == records)
      let names = try FileManager.default.contentsOfDirectory(
        atPath: store.directory(for: configuration).path)
      #expect(names.sorted() == ["config.json", "metrics.jsonl", "result.json"])
    }
  }

  /// What a killed process can leave: a configuration, records, and temporaries cut short.
  @Test func killedRun_isMissingAndCanBeRedone() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      try store.open(Fixture.experiment)
      let configuration = Fixture.configuration()
      try store.save(Fixture.result, for: configuration)
      let place = store.directory(for: configuration)
      try FileManager.default.removeItem(at: place.appendingPathComponent("result.json"))
      for folder in [place, directory, directory.appendingPathComponent("runs")] {
        try Data("{\"epo".utf8).write(to: folder.appendingPathComponent(".tmp-1"))
      }
      #expect(try store.result(for: configuration) == nil)
      #expect(try store.runs(of: Fixture.experiment).isEmpty)
      try store.save(Fixture.result, for: configuration)
      #expect(try store.result(for: configuration) == Fixture.result)
      #expect(try store.runs(of: Fixture.experiment).count == 1)
    }
  }

  /// What an error advises: each file that is removed is made again, with its run where it has to be.
  @Test func filesOfARun_areMadeAgain() throws {
    try Fixture.inDirectory { directory in
      let configuration = Fixture.configuration()
      try RunStore(directory: directory).save(Fixture.result, for: configuration)
      func file(_ name: String) -> URL {
        RunStore(existing: directory).directory(for: configuration).appendingPathComponent(name)
      }
      let config = try Data(contentsOf: file("config.json"))
      try FileManager.default.removeItem(at: file("config.json"))
      let error = #expect(throws: RunStoreError.self) {
        try RunStore(existing: directory).runs(of: Fixture.experiment)
      }
      #expect(error?.description.contains("no file; the sweep's command writes it again") == true)
      #expect(try RunStore(directory: directory).result(for: configuration) == Fixture.result)
      #expect(try Data(contentsOf: file("config.json")) == config)
      for damage in [{ try FileManager.default.removeItem(at: $0) }, { try Data().write(to: $0) }] {
        try damage(file("metrics.jsonl"))
        let store = try RunStore(directory: directory)
        #expect(store.hasLostRecords(configuration))
        #expect(try store.result(for: configuration) == nil)
        let error = #expect(throws: RunStoreError.self) { try store.runs(of: Fixture.experiment) }
        #expect(error?.description.contains("the sweep's command makes the run again") == true)
        try store.save(Fixture.result, for: configuration)
        #expect(try store.runs(of: Fixture.experiment).count == 1)
      }
    }
  }

  /// Files in the making that were left hours ago; those of minutes ago may be another process's.
  @Test func oldTemporaries_areRemoved() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      let configuration = Fixture.configuration()
      try store.save(Fixture.result, for: configuration)
      let places = [
        directory, directory.appendingPathComponent("runs"), store.directory(for: configuration),
      ]
      let (old, new) = try Fixture.leaveTemporaries(in: places)
      try store.open(Fixture.experiment)
      for place in places {
        let names = try FileManager.default.contentsOfDirectory(atPath: place.path)
        #expect(names.contains(new) && !names.contains(old), "\(place.path)")
      }
    }
  }

  /// A result is replaced by a rename, so whoever has the old file open keeps reading it whole.
  @Test func result_isReplacedNotRewritten() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      let configuration = Fixture.configuration()
      try store.save(Fixture.result, for: configuration)
      let file = store.directory(for: configuration).appendingPathComponent("result.json")
      let before = try Data(contentsOf: file)
      let reader = try FileHandle(forReadingFrom: file)
      let second = RunResult(epochs: 0, steps: 1, outcome: .diverged, seconds: 1, device: "gpu")
      try store.save(second, for: configuration)
      #expect(try reader.readToEnd() == before)
      #expect(try store.result(for: configuration) == second)
    }
  }

  @Test(arguments: [
    ("", "no valid JSON"), ("{\"epochs\": 3", "no valid JSON"), ("{}", "no key device"),
    (
      "{\"device\":\"cpu\",\"epochs\":3,\"steps\":1,\"seconds\":1,\"outcome\":\"odd\"}",
      "an unknown value at outcome"
    ),
    (
      "{\"device\":\"cpu\",\"epochs\":\"3\",\"steps\":1,\"seconds\":1,\"outcome\":\"failed\"}",
      "another type at epochs"
    ),
  ])
  func malformedResult_isNamed(content: String, got: String) throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      let configuration = Fixture.configuration()
      try store.save(Fixture.result, for: configuration)
      let file = store.directory(for: configuration).appendingPathComponent("result.json")
      try Data(content.utf8).write(to: file)
      let error = #expect(throws: RunStoreError.self) { try store.result(for: configuration) }
      // Which of several absent keys is named first is the decoder's choice.
      if content == "{}" {
        #expect(
          error?.description.hasPrefix("\(file.path): expected a run's result, got no key") == true)
      } else {
        #expect(
          error?.description
            == "\(file.path): expected a run's result, got \(got); remove it to have it made again")
      }
    }
  }

  @Test func collision_isAnError() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      let configuration = Fixture.configuration()
      try store.save(Fixture.result, for: configuration)
      let file = store.directory(for: configuration).appendingPathComponent("config.json")
      try CanonicalJSON.pretty(Fixture.configuration(seed: 2)).write(to: file)
      let expected = RunStoreError.collision(
        identifier: configuration.identifier, file: file.path)
      #expect(throws: expected) { try store.result(for: configuration) }
      #expect(throws: expected) { try store.save(Fixture.result, for: configuration) }
      #expect(throws: RunStoreError.self) { try store.runs(of: Fixture.experiment) }
      #expect(
        expected.description
          == "\(file.path): another configuration has the identifier \(configuration.identifier)")
    }
  }

  @Test func resume_listsWhatIsMissingAsAxesGrow() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      func grid(_ widths: [Int], _ seeds: [UInt64]) throws -> SweepGrid {
        try SweepGrid(
          parametrizations: ["spectral"], optimizers: [.sgd], widths: widths,
          log2LearningRates: [-3], seeds: seeds)
      }
      func missing(_ grid: SweepGrid) throws -> [String] {
        try store.missingCells(of: grid, in: Fixture.experiment)
          .map { "\($0.width)/\($0.seed)" }
      }
      let outcomes: [(UInt64, RunOutcome)] = [(1, .completed), (2, .diverged), (3, .failed)]
      for (seed, outcome) in outcomes {
        try store.save(
          RunResult(epochs: 0, steps: 0, outcome: outcome, seconds: 0, device: "cpu"),
          for: Fixture.configuration(rate: -3, seed: seed))
      }
      #expect(try missing(grid([128], [1, 2])).isEmpty)
      #expect(try missing(grid([128], [1, 2, 3])) == ["128/3"])
      #expect(try missing(grid([256, 128], [2, 4])) == ["256/2", "256/4", "128/4"])
    }
  }

  /// Each setting that is as by default could be one that came after the store was written.
  @Test func settingThatTheStoreDoesNotHave_isAsByDefault() throws {
    try Fixture.inDirectory { directory in
      let store = try RunStore(directory: directory)
      try store.open(Fixture.experiment)
      let file = directory.appendingPathComponent("sweep.json")
      let stored = try JSONDecoder().decode(
        [String: JSONValue].self, from: Data(contentsOf: file))
      guard case .object(let settings)? = stored["settings"] else {
        Issue.record("no settings")
        return
      }
      let defaults = Configuration().values
      let unchanged = settings.keys.filter {
        Fixture.experiment.settings.values[$0] == defaults[$0]
      }
      #expect(unchanged.count >= 30)
      func leaveOut(_ name: String) throws {
        let older = stored.merging(["settings": .object(settings.filter { $0.key != name })]) { $1 }
        try JSONEncoder().encode(older).write(to: file)
      }
      for name in unchanged {
        try leaveOut(name)
        #expect(throws: Never.self, "\(name)") { try store.open(Fixture.experiment) }
      }
      func difference(
        without name: String, _ change: (inout Configuration) -> Void
      ) throws -> String? {
        try leaveOut(name)
        var experiment = Fixture.experiment
        change(&experiment.settings)
        return #expect(throws: RunStoreError.self) { try store.open(experiment) }?.description
      }
      #expect(
        try difference(without: "init") { $0.weightInit = .orthogonal }?
          .hasSuffix("holds other settings: init: stored gaussian, given orthogonal") == true)
      #expect(
        try difference(without: "branch-multiplier") { $0.branchMultiplier = 2.5 }?
          .hasSuffix("holds other settings: branch-multiplier: stored 1, given 2.5") == true)
    }
  }

  /// Processes that open and fill one store at the same time, here as threads.
  @Test func store_isFilledByManyAtOnce() async throws {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("gputrain-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<8 {
        group.addTask {
          let store = try RunStore(directory: directory)
          try store.open(Fixture.experiment)
          for seed in 0..<8 as Range<UInt64> {
            let configuration = Fixture.configuration(seed: (seed + UInt64(worker)) % 8)
            try store.save(Fixture.result, for: configuration)
          }
        }
      }
      try await group.waitForAll()
    }
    let store = try RunStore(directory: directory)
    #expect(try store.runs(of: Fixture.experiment).count == 8)
    let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
    #expect(names.sorted() == ["runs", "sweep.json"])
  }
}
