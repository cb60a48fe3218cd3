import Foundation

/// What can go wrong with a directory of runs.
public enum RunStoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One setting that is not as stored; `none` stands for an absent value.
  public struct Difference: Hashable, Sendable {
    /// The setting's name, or the path of what was found: `batch-size`, `data.fingerprint`.
    public let key: String
    /// The value in the store.
    public let stored: String
    /// The value asked for.
    public let given: String
  }

  /// The store holds runs of another experiment.
  case otherExperiment(file: String, differences: [Difference])
  /// The store's layout is of another version.
  case otherVersion(file: String, version: String)
  /// A process of another version of the program is training runs of the store.
  case otherProgram(directory: String, holder: String, version: String, own: String)
  /// Something that is not a directory is in the way.
  case notADirectory(path: String)
  /// A call of the file system failed.
  case fileFailed(operation: String, path: String, reason: String)
  /// A file is there and does not read as what it should be. Files appear whole, so this is
  /// damage from outside, not a run cut short.
  ///
  /// - remedy: what to do about it.
  case malformed(
    file: String, expected: String, got: String, remedy: String = "remove it to have it made again")
  /// Two configurations have one identifier.
  case collision(identifier: String, file: String)

  /// One line that names the operation or file, what was expected and what was found.
  public var description: String {
    switch self {
    case .otherExperiment(let file, let differences):
      let list = differences.map { "\($0.key): stored \($0.stored), given \($0.given)" }
      return "\(file) holds other settings: \(list.joined(separator: "; "))"
    case .otherVersion(let file, let version):
      return "\(file): a store of version \(version), and this gputrain reads and writes version "
        + "\(RunStore.version); give another directory, or continue with the gputrain that began it"
    case .otherProgram(let directory, let holder, let version, let own):
      return
        "\(directory) is being filled by another gputrain, \(version) on \(holder), and this is "
        + "\(own): their runs would be mixed; wait for its end, or give another directory"
    case .notADirectory(let path):
      return "run store \(path): expected a directory, got a file"
    case .fileFailed(let operation, let path, let reason):
      return "\(operation) \(path): \(reason)"
    case .malformed(let file, let expected, let got, let remedy):
      return "\(file): expected \(expected), got \(got); \(remedy)"
    case .collision(let identifier, let file):
      return "\(file): another configuration has the identifier \(identifier)"
    }
  }
}

extension RunStoreError {
  /// Every setting and fact of `given` that is not as stored; a stored one that this version does
  /// not know is named too.
  ///
  /// - stored: an object with `settings` and `facts`.
  static func differences(stored: JSONValue, given: Experiment) throws -> [Difference] {
    // Through text, so that a number is written in one way on both sides.
    func asWritten(_ values: [String: JSONValue]) throws -> [String: JSONValue] {
      guard case .object(let values) = try JSONValue(of: values) else { return [:] }
      return values
    }
    var known: [String: JSONValue] = [:]
    if case .object(let members) = stored {
      if case .object(let settings)? = members["settings"] { known = settings }
      // A setting that came after the store was written is as by default there, the perceptron's default, whatever
      // the network: stores are read and runs are named so too.
      let defaults = try asWritten(Configuration().record.filter { known[$0.key] == nil })
      let alternatives = Configuration.declarations.filter { known[$0.name] != nil }
        .flatMap(\.alternatives)
      known.merge(defaults.filter { !alternatives.contains($0.key) }) { stored, _ in stored }
      known.merge(members["facts"]?.leaves ?? [:]) { settings, _ in settings }
    }
    return differences(known, try asWritten(given.leaves))
  }

  /// Every leaf that is not as stored.
  static func differences(
    _ stored: [String: JSONValue], _ given: [String: JSONValue]
  ) -> [Difference] {
    Set(stored.keys).union(given.keys).sorted().compactMap { key in
      stored[key] == given[key]
        ? nil
        : Difference(
          key: key, stored: (stored[key] ?? .null).optionText,
          given: (given[key] ?? .null).optionText)
    }
  }
}
