/// A value of a file that is written well and makes no sense: what no program of ours has written.
///
/// Types whose values are counted on refuse it when they are decoded, so that it is an error of the file and not a
/// trap of whatever uses it.
struct SenselessValue: Error, CustomStringConvertible {
  /// What was expected, and what was there.
  let description: String
}

extension Decoder {
  /// Refuses what was decoded unless `holds`.
  ///
  /// - expected: what should have been there, such as "widths ≥ 1".
  /// - Throws: `DecodingError.dataCorrupted`, with a `SenselessValue`.
  func require(_ holds: Bool, _ expected: @autoclosure () -> String) throws {
    if holds { return }
    throw refusal("expected \(expected())")
  }

  /// The error of a value that makes no sense.
  func refusal(_ reason: String) -> DecodingError {
    .dataCorrupted(
      .init(
        codingPath: codingPath, debugDescription: reason,
        underlyingError: SenselessValue(description: reason)))
  }
}
