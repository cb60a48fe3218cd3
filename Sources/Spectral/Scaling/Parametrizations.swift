/// Every parametrization there is; configurations, help texts and conformance tests read this list.
public enum Parametrizations {
  /// All parametrizations, in the order in which help texts show them; names are unique.
  public static let all: [any Parametrization] = [
    StandardParametrization(),
    NeuralTangentParametrization(),
    MaximalUpdateParametrization(),
    SpectralParametrization(),
    LiteralSpectralParametrization(),
  ]

  /// The parametrization of this exact name.
  ///
  /// - others: what there is beside the built-in ones.
  /// - Throws: `UnknownParametrizationError` with the names there are and the closest one.
  public static func named(
    _ name: String, or others: [CustomParametrization] = []
  ) throws(UnknownParametrizationError) -> any Parametrization {
    let known = all + others as [any Parametrization]
    guard let match = known.first(where: { $0.name == name }) else {
      throw UnknownParametrizationError(name: name, known: known.map(\.name))
    }
    return match
  }
}

/// No parametrization has the name that was asked for.
public struct UnknownParametrizationError: Error, Equatable, CustomStringConvertible {
  /// The name asked for.
  public let name: String
  /// The names there are.
  public let known: [String]

  init(name: String, known: [String]) {
    self.name = name
    self.known = known
  }

  /// The known name that takes the fewest insertions, deletions and substitutions to reach.
  ///
  /// Case does not count. nil when even that replaces more than half of the longer name.
  public var suggestion: String? {
    Spelling.closest(to: name, among: known)
  }

  /// Operation, expected, got, and the suggestion if there is one.
  public var description: String {
    let hint = suggestion.map { "; did you mean '\($0)'?" } ?? ""
    return "parametrization: expected one of \(known.joined(separator: ", ")), got '\(name)'\(hint)"
  }
}

/// Suggestions for names that are not known.
package enum Spelling {
  /// The known name that takes the fewest insertions, deletions and substitutions to reach.
  ///
  /// Case does not count. nil when even that replaces more than half of the longer name.
  package static func closest(to name: String, among known: [String]) -> String? {
    let asked = name.lowercased()
    let distances = known.map { (name: $0, distance: editDistance(asked, $0.lowercased())) }
    guard let closest = distances.min(by: { $0.distance < $1.distance }),
      2 * closest.distance <= max(asked.count, closest.name.count)
    else { return nil }
    return closest.name
  }
}

/// Levenshtein's distance, one row of its table at a time.
private func editDistance(_ source: String, _ target: String) -> Int {
  let target = Array(target)
  var row = Array(0...target.count)
  for (i, character) in source.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for j in target.indices {
      let substituted = diagonal + (character == target[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
    }
  }
  return row[target.count]
}
