/// The event files of a group's runs while they train, so that TensorBoard shows them live.
final class LiveEvents {
  private let folder: EventFolder
  private let configurations: [RunConfiguration]
  /// For each run, points of later steps that its file held when the run went on from a checkpoint:
  /// what a killed process had written. They come once more, with the same numbers.
  private var ahead: [Set<EventFile.Point>]?

  init(_ folder: EventFolder, group: RunGroup) {
    self.folder = folder
    configurations = group.cells.map { RunConfiguration(group.experiment, $0) }
  }

  /// Adds each run's new records; the first are those of before.
  ///
  /// - Throws: `RunStoreError`.
  func add(_ records: [[RunRecord]]) throws {
    guard let ahead else {
      ahead = try zip(configurations, records).map { try folder.begin($1, of: $0) }
      return
    }
    for (run, configuration) in configurations.enumerated() {
      try folder.append(records[run], except: ahead[run], of: configuration)
    }
  }
}
