import Foundation

/// What a store's runs are of.
extension RunStore {
  /// The content of `sweep.json`: an experiment with the layout's version beside it.
  private struct ExperimentFile: Encodable {
    let experiment: Experiment

    private enum CodingKeys: String, CodingKey {
      case version
    }

    func encode(to encoder: any Encoder) throws {
      try experiment.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(RunStore.version, forKey: .version)
    }
  }

  /// Takes the store for `experiment`: writes it where there is none, else compares.
  ///
  /// - Throws: `RunStoreError.otherExperiment` with everything that differs, `.otherVersion`,
  ///   `.malformed`, `.fileFailed` where the directory cannot be written.
  public func open(_ experiment: Experiment) throws {
    let content = try CanonicalJSON.pretty(ExperimentFile(experiment: experiment))
    removeTemporaries()
    if try AtomicFile.create(content, at: experimentFile) { return }
    guard let stored = try storedJSON() else {
      throw RunStoreError.malformed(
        file: experimentFile.path, expected: "the sweep's settings", got: "no file")
    }
    let differences = try RunStoreError.differences(stored: stored, given: experiment)
    if !differences.isEmpty {
      throw RunStoreError.otherExperiment(file: experimentFile.path, differences: differences)
    }
  }

  /// Removes what killed processes have left of files in the making, hours ago.
  private func removeTemporaries() {
    let names = (try? AtomicFile.names(in: runsDirectory)) ?? []
    let places = names.map { runsDirectory.appendingPathComponent($0) }
    for place in [directory, runsDirectory, claimsDirectory] + places {
      AtomicFile.removeTemporaries(in: place)
    }
  }

  /// The experiment that the store was opened with first; nil for a new store.
  ///
  /// - Throws: `RunStoreError.otherVersion`, `.malformed`, `.fileFailed`.
  public func experiment() throws -> Experiment? {
    guard try storedJSON() != nil else { return nil }
    return try load(Experiment.self, experimentFile, what: "a sweep's settings")
  }

  /// What `sweep.json` holds, of this version.
  private func storedJSON() throws -> JSONValue? {
    guard let data = try AtomicFile.read(experimentFile) else { return nil }
    let stored = try decode(JSONValue.self, from: data, file: experimentFile, what: "JSON")
    guard case .object(let members) = stored else {
      throw RunStoreError.malformed(
        file: experimentFile.path, expected: "a sweep's settings", got: "another kind of JSON")
    }
    let version = members["version"]
    if version != .integer(Self.version) {
      throw RunStoreError.otherVersion(
        file: experimentFile.path, version: version?.text ?? "1")
    }
    return stored
  }

  /// Keeps a text beside the runs, in place of an earlier one of this name.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  public func write(_ text: String, as name: String) throws {
    try AtomicFile.write(Data(text.utf8), to: directory.appendingPathComponent(name))
  }

  /// The newest store in a directory under `directory`, by when its `sweep.json` was written, that
  /// holds some runs of `grid` in `experiment`, what it was stopped in or claims, and lacks others; nil
  /// where there is none. What does not read is passed over, and nothing is made.
  public static func unfinished(
    under directory: URL, of experiment: Experiment, grid: SweepGrid
  ) -> URL? {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
    let stores = names.compactMap { name -> (date: Date, store: RunStore)? in
      let store = RunStore(existing: directory.appendingPathComponent(name))
      let attributes = try? FileManager.default.attributesOfItem(atPath: store.experimentFile.path)
      return (attributes?[.modificationDate] as? Date).map { ($0, store) }
    }
    for (_, store) in stores.sorted(by: { $0.date > $1.date }) {
      guard let stored = try? store.experiment(), stored == experiment,
        let missing = try? store.missingCells(of: grid, in: experiment)
      else { continue }
      let isBegun =
        missing.count < grid.cells.count
        || missing.contains { cell in
          let run = RunConfiguration(experiment, cell)
          let claim = store.claimsDirectory.appendingPathComponent(run.identifier)
          return [store.stoppedFile(for: run), claim].contains {
            FileManager.default.fileExists(atPath: $0.path)
          }
        }
      if !missing.isEmpty && isBegun { return store.directory }
    }
    return nil
  }
}
