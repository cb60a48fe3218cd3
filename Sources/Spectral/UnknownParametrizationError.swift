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
