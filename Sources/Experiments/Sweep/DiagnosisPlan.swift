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
  /// One replica's quantities by their names in `metrics.jsonl`: `layers.1/update_norm`, of heads
  /// `blocks.0.attention.heads.3/attention_logit`.
  func values(replica: Int) -> [String: Double] {
    var result: [String: Double] = [:]
    for (name, layer) in zip(names, layers) {
      for (quantity, values) in layer {
        result["\(name)/\(quantity.rawValue)"] = values[replica]
      }
    }
    for (name, heads) in zip(names, heads) {
      for (head, quantities) in heads.enumerated() {
        for (quantity, values) in quantities {
          result["\(name).heads.\(head)/\(quantity.rawValue)"] = values[replica]
        }
      }
    }
    return result
  }

  /// What was measured of runs' layers, the inverse of `values(replica:)` for several at once; of heads
  /// nothing.
  ///
  /// - runs: [group][run]: a run's records, of measurements and others.
  /// - names: the layers' paths. steps: those that runs were to be measured after.
  /// - divergence: the first step at which a run has diverged, if any has.
  /// - Returns: [group][step]: what only some runs have a value of is NaN in the others, and from the
  ///   divergence on whatever has no value.
  static func records(
    of runs: [[[RunRecord]]], names: [[(name: String, recorded: String)]], steps: [Int],
    divergence: Int?
  ) -> [[DiagnosticRecord]] {
    let measured = runs.map { group in
      group.map { run in
        let own = run.filter { $0.values.keys.contains { $0.contains("/") } }
        return Dictionary(own.map { ($0.step, $0.values) }) { $0.merging($1) { first, _ in first } }
      }
    }
    let found = steps.map { step in
      Set(measured.joined().flatMap { ($0[step] ?? [:]).keys })
    }
    return zip(measured, names).map { group, names in
      zip(steps, found).map { step, present in
        let hasDiverged = divergence.map { step >= $0 } ?? false
        return DiagnosticRecord(
          step: step, names: names.map(\.name),
          layers: names.map { name in
            let quantities = DiagnosticQuantity.allCases.filter {
              hasDiverged || present.contains("\(name.recorded)/\($0.rawValue)")
            }
            return Dictionary(
              uniqueKeysWithValues: quantities.map { quantity in
                let key = "\(name.recorded)/\(quantity.rawValue)"
                return (quantity, group.map { $0[step]?[key] ?? .nan })
              })
          })
      }
    }
  }
}
