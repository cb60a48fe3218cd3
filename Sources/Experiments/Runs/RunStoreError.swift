import Foundation

/// What can go wrong with a directory of runs.
public enum RunStoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One setting that is not as stored; `none` stands for an absent value.
  public struct Difference: Hashable, Sendable {
    /// Dotted path of the setting in `sweep.json`.
    public let key: String
    /// The value in the store.
    public let stored: String
    /// The value asked for.
    public let given: String
  }

  /// The store holds runs under other settings.
  case otherSettings(file: String, differences: [Difference])
  /// Something that is not a directory is in the way.
  case notADirectory(path: String)
  /// A call of the file system failed.
  case fileFailed(operation: String, path: String, reason: String)
  /// A file is there and does not read as what it should be. Files appear whole, so this is
  /// damage from outside, not a run cut short.
  case malformed(file: String, expected: String, got: String)
  /// Two configurations have one identifier.
  case collision(identifier: String, file: String)

  /// One line that names the operation or file, what was expected and what was found.
  public var description: String {
    switch self {
    case .otherSettings(let file, let differences):
      let list = differences.map { "\($0.key): stored \($0.stored), given \($0.given)" }
      return "\(file) holds other settings: \(list.joined(separator: "; "))"
    case .notADirectory(let path):
      return "run store \(path): expected a directory, got a file"
    case .fileFailed(let operation, let path, let reason):
      return "\(operation) \(path): \(reason)"
    case .malformed(let file, let expected, let got):
      return "\(file): expected \(expected), got \(got); remove it to have it made anew"
    case .collision(let identifier, let file):
      return "\(file): another configuration has the identifier \(identifier)"
    }
  }
}

extension RunStoreError {
  /// Every setting of `given` that is not as stored. Compared as JSON, so that one that another
  /// version knows is named too.
  static func differences(stored: JSONValue, given: some Encodable) throws -> [Difference] {
    let stored = stored.leaves
    let given = try JSONDecoder().decode(
      JSONValue.self, from: CanonicalJSON.compact(given)
    ).leaves
    return Set(stored.keys).union(given.keys).sorted().compactMap { key in
      stored[key] == given[key]
        ? nil
        : Difference(
          key: key, stored: (stored[key] ?? .null).text, given: (given[key] ?? .null).text)
    }
  }
}
