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
