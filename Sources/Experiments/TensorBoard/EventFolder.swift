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
  private let now: @Sendable () -> Date

  /// A folder at `directory`, made when the first run is written.
  ///
  /// - now: the wall clock; a run's records are spread over its seconds before the moment that it
  ///   is written.
  public init(directory: URL, now: @escaping @Sendable () -> Date) {
    (self.directory, self.now) = (directory, now)
  }

  /// The run's name in TensorBoard.
  static func name(of cell: RunCell) -> String {
    let rate = DecimalText.trimmed(cell.log2LearningRate, digits: 6)
    return "\(cell.parametrization)-\(cell.optimizer.rawValue)-width\(cell.width)-lr\(rate)"
      + "-seed\(cell.seed)"
  }

  /// Where the events of a run go.
  func file(of configuration: RunConfiguration) -> URL {
    directory.appendingPathComponent(Self.name(of: configuration.cell))
      .appendingPathComponent("events.out.tfevents.\(configuration.identifier)")
  }

  /// Writes the events of a run, in place of earlier ones.
  ///
  /// - Throws: `RunStoreError`.
  func write(
    _ result: RunResult, records: [RunRecord], of configuration: RunConfiguration
  ) throws {
    let file = file(of: configuration)
    try AtomicFile.makeDirectory(file.deletingLastPathComponent())
    let start = now().timeIntervalSince1970 - result.seconds
    let last = max(1, records.map(\.step).max() ?? 1)
    let scalars = records.map { record in
      EventFile.Scalars(
        step: record.step, time: start + result.seconds * Double(record.step) / Double(last),
        values: Dictionary(
          record.values.map { (Self.tag($0.key), $0.value) }, uniquingKeysWith: { $1 }))
    }
    try AtomicFile.write(EventFile.bytes(scalars, start: start), to: file)
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
