import Foundation
import Synchronization

/// A run with its result, as a store holds it.
public struct StoredRun: Hashable, Sendable {
  /// What was asked.
  public let configuration: RunConfiguration
  /// What came out.
  public let result: RunResult

  /// Pairs a configuration with its result.
  public init(configuration: RunConfiguration, result: RunResult) {
    self.configuration = configuration
    self.result = result
  }
}

/// A directory of runs of one experiment.
///
///     sweep.json                      the experiment, and the layout's version
///     data.json                       how the data were read, split and normalised
///     best/                           weights of the best runs, where they are kept
///     runs/<identifier>/config.json   the run's configuration
///     runs/<identifier>/metrics.jsonl its records, one JSON object a line, never empty
///     runs/<identifier>/result.json   its result, written last
///     runs/<identifier>/stopped.safetensors   where a sweep was stopped in it; gone with its result
///     claims/                         which processes are doing which runs (`Claims`)
///     summary.csv                     one row a run
///
/// Every file appears whole or not at all, and the result last: a run with a result is complete,
/// and one without is to be done. Where its records are gone later, it is to be done again; its
/// configuration is written again, as the directory's name is its hash. Several processes and machines may
/// fill one store; where two do the same run a result that is there stays. Temporaries of a killed process
/// are never read.
public struct RunStore: Sendable {
  /// The layout that is written and read.
  public static let version = 4

  /// Where the store lies.
  public let directory: URL
  private let known = KnownRuns()

  /// Opens the store at `directory`, making the directory and the parents it lacks.
  ///
  /// - Throws: `RunStoreError.notADirectory` where a file is in the way, `.fileFailed` where the
  ///   directory cannot be made.
  public init(directory: URL) throws {
    self.init(existing: directory)
    try AtomicFile.makeDirectory(directory)
    try AtomicFile.makeDirectory(runsDirectory)
  }

  /// The store at `directory`, for reading: nothing is made.
  public init(existing directory: URL) { self.directory = directory }

  /// Where the experiment is kept.
  public var experimentFile: URL { directory.appendingPathComponent("sweep.json") }
  /// Where the table of all runs goes.
  public var summaryFile: URL { directory.appendingPathComponent("summary.csv") }
  var runsDirectory: URL { directory.appendingPathComponent("runs") }

  /// Where the files of a run lie; more of a run's files may be put there.
  public func directory(for configuration: RunConfiguration) -> URL {
    directory(ofRun: configuration.identifier)
  }

  private func directory(ofRun identifier: String) -> URL {
    runsDirectory.appendingPathComponent(identifier)
  }

  /// Where processes say which runs they are doing.
  var claimsDirectory: URL { directory.appendingPathComponent("claims") }

  /// Where the checkpoint lies of a run that a sweep was stopped in.
  func stoppedFile(for configuration: RunConfiguration) -> URL {
    directory(for: configuration).appendingPathComponent("stopped.safetensors")
  }

  // MARK: Runs

  /// The result of a run; nil where it has none yet, or where its records are gone.
  ///
  /// - Throws: `RunStoreError.malformed` naming the file where a result is there and does not
  ///   read, `.collision` where the identifier belongs to another configuration.
  public func result(for configuration: RunConfiguration) throws -> RunResult? {
    let identifier = configuration.identifier
    if let run = known.run(identifier), run.configuration == configuration { return run.result }
    let place = directory(ofRun: identifier)
    let file = place.appendingPathComponent("result.json")
    guard let result = try load(RunResult.self, file, what: "a run's result") else { return nil }
    if result.outcome != .failed && recordsLost(in: place) != nil { return nil }
    if try !isKept(configuration, in: place) {
      let file = place.appendingPathComponent("config.json")
      if try !AtomicFile.create(CanonicalJSON.pretty(configuration), at: file) {
        _ = try isKept(configuration, in: place)
      }
    }
    known.add(StoredRun(configuration: configuration, result: result), identifier)
    return result
  }

  /// Whether a run has a result and its records are gone, so that it is to be done again.
  func hasLostRecords(_ configuration: RunConfiguration) -> Bool {
    let place = directory(for: configuration)
    return FileManager.default.fileExists(atPath: place.appendingPathComponent("result.json").path)
      && recordsLost(in: place) != nil
  }

  /// What is there in place of a run's records; nil where they are there.
  private func recordsLost(in place: URL) -> String? {
    var status = stat()
    guard stat(place.appendingPathComponent("metrics.jsonl").path, &status) == 0 else {
      return "no file"
    }
    return status.st_size > 0 ? nil : "an empty file"
  }

  /// Writes a finished run: configuration, then records, then result.
  ///
  /// - Throws: `RunStoreError.collision` where the identifier belongs to another configuration,
  ///   `.malformed`, `.fileFailed`.
  public func save(
    _ result: RunResult, records: [RunRecord] = [], for configuration: RunConfiguration
  ) throws {
    try save([(configuration, result, records)])
  }

  /// Writes finished runs, which wait for the disk together.
  ///
  /// - Throws: as for one run; then none has a new result, unless it was a name that could not be given.
  func save(
    _ runs: [(configuration: RunConfiguration, result: RunResult, records: [RunRecord])]
  ) throws {
    let files = AtomicFiles()
    for (configuration, _, records) in runs {
      known.remove(configuration.identifier)
      let place = directory(for: configuration)
      try AtomicFile.makeDirectory(place, isSynced: false)
      let file = place.appendingPathComponent("config.json")
      if try !isKept(configuration, in: place) {
        try files.add(CanonicalJSON.pretty(configuration), at: file)
      }
      // Not even without records: an empty file is one that was cut.
      let lines = records.isEmpty ? Data([0x0A]) : try RunRecord.lines(records)
      try files.add(lines, at: place.appendingPathComponent("metrics.jsonl"))
    }
    for (configuration, result, _) in runs {
      try files.add(
        CanonicalJSON.pretty(result),
        at: directory(for: configuration).appendingPathComponent("result.json"))
    }
    try files.appear()
  }

  /// The records of a run, in the order written; empty where there are none.
  ///
  /// - Throws: `RunStoreError.malformed`, `.fileFailed`.
  public func records(for configuration: RunConfiguration) throws -> [RunRecord] {
    let file = directory(for: configuration).appendingPathComponent("metrics.jsonl")
    guard let data = try AtomicFile.read(file) else { return [] }
    return try data.split(separator: 0x0A).map {
      try decode(
        RunRecord.self, from: Data($0), file: file, what: "a run's records",
        remedy: "remove it to have the run made again")
    }
  }

  /// Has network file systems look at the directory of a run again, in place of what they remember of it.
  func refresh(_ configuration: RunConfiguration) {
    // Opening a directory asks the server whether it has changed.
    guard let opened = opendir(directory(for: configuration).path) else { return }
    closedir(opened)
  }

  /// The results of the cells that have one.
  ///
  /// - Throws: as `result(for:)`.
  func results(of cells: [RunCell], in experiment: Experiment) throws -> [RunCell: RunResult] {
    var results: [RunCell: RunResult] = [:]
    for cell in cells { results[cell] = try result(for: RunConfiguration(experiment, cell)) }
    return results
  }

  /// The cells of `grid` still to be run, in the grid's order.
  ///
  /// A diverged run is done. A failed one is not: what stopped it was not its configuration.
  ///
  /// - Throws: as `result(for:)`.
  public func missingCells(of grid: SweepGrid, in experiment: Experiment) throws -> [RunCell] {
    Self.missing(grid.cells, try results(of: grid.cells, in: experiment))
  }

  /// Those of `cells` that are still to be run where these are the results.
  static func missing(_ cells: [RunCell], _ results: [RunCell: RunResult]) -> [RunCell] {
    cells.filter { results[$0]?.outcome ?? .failed == .failed }
  }

  /// All runs of `experiment` with a result, sorted by identifier, whatever grid asked for them.
  ///
  /// - Throws: `RunStoreError.malformed` where a file does not read, or a configuration lies
  ///   under another run's identifier; `.fileFailed`.
  public func runs(of experiment: Experiment) throws -> [StoredRun] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: runsDirectory.path)
    } catch {
      throw RunStoreError.fileFailed(
        operation: "list", path: runsDirectory.path, reason: error.localizedDescription)
    }
    var runs: [StoredRun] = []
    for name in names.sorted() where Self.isIdentifier(name) {
      if let run = known.run(name) {
        runs.append(run)
        continue
      }
      let place = runsDirectory.appendingPathComponent(name)
      let file = place.appendingPathComponent("result.json")
      guard let result = try load(RunResult.self, file, what: "a run's result") else { continue }
      let configuration = try configuration(in: place, likelyOf: experiment)
      if configuration.identifier != name {
        throw RunStoreError.malformed(
          file: place.appendingPathComponent("config.json").path,
          expected: "the configuration of run \(name)",
          got: "that of run \(configuration.identifier)")
      }
      if result.outcome != .failed, let found = recordsLost(in: place) {
        throw RunStoreError.malformed(
          file: place.appendingPathComponent("metrics.jsonl").path, expected: "a run's records",
          got: found, remedy: "the sweep's command makes the run again")
      }
      let run = StoredRun(configuration: configuration, result: result)
      known.add(run, name)
      runs.append(run)
    }
    return runs.filter { $0.configuration.experiment == experiment }
  }

  /// Writes `summary.csv` with every run of `experiment`, and returns its rows.
  ///
  /// - parametrizations: their order; others follow by name.
  /// - Throws: as `runs(of:)`.
  @discardableResult
  public func writeSummary(
    of experiment: Experiment, parametrizations: [String]
  ) throws -> [SummaryRow] {
    let rows = SummaryRow.sorted(
      try runs(of: experiment).map(SummaryRow.init), parametrizations: parametrizations)
    try AtomicFile.write(Data(SummaryRow.csv(rows).utf8), to: summaryFile)
    return rows
  }

  // MARK: Reading

  private static func isIdentifier(_ name: String) -> Bool {
    name.utf8.count == 16
      && name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  /// The configuration that a run's directory holds.
  ///
  /// - experiment: the one that it is likely of; such a one, as it is written, reads in a fraction of the time.
  private func configuration(
    in place: URL, likelyOf experiment: Experiment
  ) throws -> RunConfiguration {
    let file = place.appendingPathComponent("config.json")
    guard let content = try AtomicFile.read(file) else {
      throw RunStoreError.malformed(
        file: file.path, expected: "a run's configuration", got: "no file",
        remedy: "the sweep's command writes it again")
    }
    if let cell = experiment.texts.cell(in: content),
      (try? experiment.replacing(cell.overrides)) != nil
    {
      return RunConfiguration(experiment, cell)
    }
    return try decode(
      RunConfiguration.self, from: content, file: file, what: "a run's configuration")
  }

  /// Whether a run's directory holds this configuration; false where it holds none.
  ///
  /// - Throws: `RunStoreError.collision` where it holds another, `.malformed`, `.fileFailed`.
  private func isKept(_ configuration: RunConfiguration, in place: URL) throws -> Bool {
    let file = place.appendingPathComponent("config.json")
    guard let content = try AtomicFile.read(file) else { return false }
    if configuration.experiment.texts.cell(in: content) == configuration.cell { return true }
    let stored = try decode(
      RunConfiguration.self, from: content, file: file, what: "a run's configuration")
    if stored != configuration {
      throw RunStoreError.collision(identifier: configuration.identifier, file: file.path)
    }
    return true
  }

  func load<Value: Decodable>(
    _ type: Value.Type, _ file: URL, what: String
  ) throws -> Value? {
    guard let data = try AtomicFile.read(file) else { return nil }
    return try decode(type, from: data, file: file, what: what)
  }

  func decode<Value: Decodable>(
    _ type: Value.Type, from data: Data, file: URL, what: String,
    remedy: String = "remove it to have it made again"
  ) throws -> Value {
    do {
      return try JSONDecoder().decode(type, from: data)
    } catch let error as DecodingError {
      throw RunStoreError.malformed(
        file: file.path, expected: what, got: Self.text(of: error), remedy: remedy)
    }
  }

  static func text(of error: DecodingError) -> String {
    func path(_ keys: [any CodingKey]) -> String {
      keys.map(\.stringValue).joined(separator: ".")
    }
    switch error {
    case .dataCorrupted(let context) where context.underlyingError is SenselessValue:
      let place = path(context.codingPath)
      return context.debugDescription + (place.isEmpty ? "" : " at \(place)")
    case .keyNotFound(let key, let context):
      return "no key \(path(context.codingPath + [key]))"
    case .valueNotFound(_, let context), .typeMismatch(_, let context):
      return "another type at \(path(context.codingPath))"
    case .dataCorrupted(let context) where !context.codingPath.isEmpty:
      return "an unknown value at \(path(context.codingPath))"
    default:
      return "no valid JSON"
    }
  }
}

/// Runs whose files were read: each is read once, however often it is asked for. A failed run may be
/// done again by another process and is read each time.
private final class KnownRuns: Sendable {
  private let runs = Mutex<[String: StoredRun]>([:])

  func run(_ identifier: String) -> StoredRun? { runs.withLock { $0[identifier] } }

  func add(_ run: StoredRun, _ identifier: String) {
    guard run.result.outcome != .failed else { return }
    runs.withLock { $0[identifier] = run }
  }

  func remove(_ identifier: String) { runs.withLock { $0[identifier] = nil } }
}
