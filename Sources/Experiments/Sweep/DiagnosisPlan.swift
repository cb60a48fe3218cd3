import Training

/// What a sweep measures while it trains, and how often.
public struct DiagnosisPlan: Hashable, Sendable {
  /// Steps from one measurement to the next, ≥ 1.
  public let every: Int
  /// How much is measured.
  public let contents: Diagnostics.Contents

  /// Measurements of `contents` every few steps.
  public init(every: Int, contents: Diagnostics.Contents = .all) {
    precondition(every >= 1, "every must be ≥ 1, got \(every)")
    (self.every, self.contents) = (every, contents)
  }

  /// The plan of a text `EVERY` or `EVERY:CONTENTS`; nil where it does not read.
  public init?(text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, let every = Int(parts[0]), every >= 1,
      let contents = Diagnostics.Contents(rawValue: parts.count == 2 ? parts[1] : "all")
    else { return nil }
    self.init(every: every, contents: contents)
  }

  /// `EVERY:CONTENTS`.
  public var text: String { "\(every):\(contents.rawValue)" }
}

extension DiagnosticRecord {
  /// One replica's quantities by their names in `metrics.jsonl`: `layers.1/update_norm`.
  func values(replica: Int) -> [String: Double] {
    var result: [String: Double] = [:]
    for (name, layer) in zip(names, layers) {
      for (quantity, values) in layer {
        result["\(name)/\(quantity.rawValue)"] = values[replica]
      }
    }
    return result
  }
}
