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
}

extension DiagnosticRecord {
  /// One replica's quantities by their names in `metrics.jsonl`: `layers.1/update_norm`.
  func values(replica: Int) -> [String: Double] {
    var result: [String: Double] = [:]
    for (index, layer) in layers.enumerated() {
      for (quantity, values) in layer {
        result["layers.\(index)/\(quantity.rawValue)"] = values[replica]
      }
    }
    return result
  }
}
