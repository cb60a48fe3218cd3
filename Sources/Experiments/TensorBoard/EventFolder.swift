import Foundation

/// A folder of event files that TensorBoard shows, a run of its own for each run.
///
///     spectral-adam-width128-lr-7-seed1/events.out.tfevents.<identifier>
///
/// Tags are `loss/train`, `loss/validation`, `accuracy/validation`, and of diagnostics the
/// quantity before the layer, `update_norm/layers.1`, so that layers stand side by side.
public struct EventFolder: Sendable {
  /// Where the files go.
  public let directory: URL
  /// The least time from one writing of what a run has recorded to the next.
  let interval: Duration
  private let now: @Sendable () -> Date

  /// As often as someone who watches would look.
  public static let interval = Duration.seconds(1)

  /// A folder at `directory`, made when the first run is written.
  ///
  /// - now: the wall clock. Records of a run that was trained before are spread over its seconds
  ///   before the moment that they are written.
  /// - interval: the least time from one writing to the next while runs train.
  public init(
    directory: URL, interval: Duration = Self.interval, now: @escaping @Sendable () -> Date
  ) {
    (self.directory, self.interval, self.now) = (directory, interval, now)
  }

  /// The run's name in TensorBoard.
  static func name(of cell: RunCell) -> String {
    let rate = DecimalText.trimmed(cell.log2LearningRate, digits: 6)
    return "\(cell.parametrization)-\(cell.optimizer.rawValue)-width\(cell.width)-lr\(rate)"
      + cell.overrides.sorted { $0.key < $1.key }
      .map { "-\($0.key)\($0.value.optionText.replacing(":", with: "-"))" }.joined()
      + "-seed\(cell.seed)"
  }

  /// Where the events of a run go.
  func file(of configuration: RunConfiguration) -> URL {
    directory.appendingPathComponent(Self.name(of: configuration.cell))
      .appendingPathComponent("events.out.tfevents.\(configuration.identifier)")
  }

  /// Writes the events of a run that is done. What a file holds of them already stays as it is, for
  /// whoever has it open, and the rest is added; a file that holds others is replaced.
  ///
  /// - Throws: `RunStoreError`.
  func write(
    _ result: RunResult, records: [RunRecord], of configuration: RunConfiguration
  ) throws {
    let file = file(of: configuration)
    if let data = try AtomicFile.read(file), let stored = EventFile.contents(of: data) {
      // What a failed run has recorded until then is all that there is of it.
      if result.outcome == .failed { return }
      let points = EventFile.points(scalars(records) { _ in 0 })
      if stored.isWhole && stored.points.allSatisfy({ points[$0.key] == $0.value }) {
        return try append(records, except: Set(stored.points.keys), of: configuration)
      }
    }
    try AtomicFile.makeDirectory(file.deletingLastPathComponent())
    let start = now().timeIntervalSince1970 - result.seconds
    let last = max(1, records.map(\.step).max() ?? 1)
    let scalars = scalars(records) { start + result.seconds * Double($0) / Double(last) }
    try AtomicFile.write(EventFile.bytes(scalars, start: start), to: file)
  }

  /// Makes the file of a run that begins, or resumes after `records`. Where it holds them already,
  /// it stays as it is, for whoever has it open.
  ///
  /// - Returns: what the file holds of later steps, which the run is going to give once more.
  /// - Throws: `RunStoreError`.
  func begin(_ records: [RunRecord], of configuration: RunConfiguration) throws
    -> Set<EventFile.Point>
  {
    let file = file(of: configuration)
    let time = now().timeIntervalSince1970
    let known = scalars(records) { _ in time }
    if !known.isEmpty, let data = try AtomicFile.read(file),
      let stored = EventFile.contents(of: data)
    {
      let points = EventFile.points(known)
      let others = stored.points.filter { points[$0.key] == nil }
      if stored.points.count - others.count == points.count,
        points.allSatisfy({ stored.points[$0.key] == $0.value })
      {
        if !stored.isWhole { try AtomicFile.write(data.prefix(stored.length), to: file) }
        return Set(others.keys)
      }
    }
    try AtomicFile.makeDirectory(file.deletingLastPathComponent())
    try AtomicFile.write(EventFile.bytes(known, start: time), to: file)
    return []
  }

  /// Adds records to the file of a run that `begin` was called for.
  ///
  /// - except: points that are there already.
  /// - Throws: `RunStoreError`.
  func append(
    _ records: [RunRecord], except: Set<EventFile.Point>, of configuration: RunConfiguration
  ) throws {
    let time = now().timeIntervalSince1970
    let new = scalars(records) { _ in time }.compactMap { scalars in
      let values = scalars.values.filter {
        !except.contains(EventFile.Point(step: scalars.step, tag: $0.key))
      }
      return values.isEmpty
        ? nil : EventFile.Scalars(step: scalars.step, time: time, values: values)
    }
    if new.isEmpty { return }
    try AtomicFile.append(EventFile.bytes(of: new), to: file(of: configuration))
  }

  private func scalars(_ records: [RunRecord], time: (Int) -> Double) -> [EventFile.Scalars] {
    records.map { record in
      EventFile.Scalars(
        step: record.step, time: time(record.step),
        values: Dictionary(
          record.values.map { (Self.tag($0.key), $0.value) }, uniquingKeysWith: { $1 }))
    }
  }

  /// The tag of a measurement of `metrics.jsonl`.
  static func tag(_ name: String) -> String {
    switch name {
    case "train_loss": return "loss/train"
    case "validation_loss": return "loss/validation"
    case "validation_accuracy": return "accuracy/validation"
    default:
      let parts = name.split(separator: "/")
      return parts.count == 2 ? "\(parts[1])/\(parts[0])" : name
    }
  }
}

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
