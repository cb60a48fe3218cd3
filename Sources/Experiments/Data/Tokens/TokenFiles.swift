/// The files that tokens are read from, found by their names.
struct TokenFiles {
  /// What a file holds.
  enum Kind: CaseIterable {
    /// Token numbers, with a header or without.
    case binary
    /// Token numbers in an array of one dimension.
    case array
    /// Text that becomes tokens here.
    case text

    /// By the file's name; nil where it says nothing.
    init?(name: String) {
      let name = name.lowercased()
      guard let kind = Self.allCases.first(where: { $0.endings.contains(where: name.hasSuffix) })
      else { return nil }
      self = kind
    }

    private var endings: [String] {
      switch self {
      case .binary: [".bin"]
      case .array: [".npy"]
      case .text: Self.textEndings + Self.textEndings.map { $0 + ".gz" }
      }
    }

    private static let textEndings = [".txt", ".text", ".md", ".tokens", ".raw"]
  }

  static let expected =
    "a text, plain or gzip, or token numbers (.bin or .npy); or a directory with train.txt, "
    + "train.bin or train.npy, and val.txt… to validate on"

  /// Of what was asked for.
  let name: String
  let kind: Kind
  /// Path of the tokens to train on.
  let train: String
  /// Path of those that validate; nil where they are to be split off.
  let validation: String?
  /// What is worth saying of the choice.
  let notes: [String]

  /// Of the part to validate on.
  var validationName: String { "\(name) validation" }

  /// Finds the files: that of the path, or of a directory the one whose name has the part `train`;
  /// to validate on, the file whose name has `val`, `valid`, `validation` or `test` in its place.
  ///
  /// - tokenization: what text is to become; nil where token numbers may be read, which come first
  ///   then.
  /// - Throws: `DataError.unrecognized`; `.unsupported` for files of rows, and for token numbers
  ///   where text is asked for.
  init(_ location: DataLocation, _ tokenization: Tokenization?) throws {
    name = location.name
    guard let entries = location.entries else {
      kind = try Self.kind(of: location, tokenization)
      train = location.path
      validation = Self.validation(of: location.name, among: location.neighbours)
        .map(location.file(named:))
      notes = []
      return
    }
    let candidates = entries.filter { Self.trainingPart(of: $0) != nil && Kind(name: $0) != nil }
    let usable = try candidates.filter { name in
      let isText = Kind(name: name) == .text
      return try isText
        || tokenization == nil
          && !CIFARFormat.holdsRecords(location.file(named: name))
    }
    guard let kind = Kind.allCases.first(where: { usable.map(Kind.init(name:)).contains($0) })
    else { throw Self.unrecognized(location) }
    let found = usable.filter { Kind(name: $0) == kind }
    guard found.count == 1 else {
      throw DataError.unsupported(
        path: location.path, expected: "one file to train on",
        found: found.joined(separator: ", ") + "; give the file of one")
    }
    self.kind = kind
    train = location.file(named: found[0])
    validation = Self.validation(of: found[0], among: entries).map(location.file(named:))
    let others = usable.filter { $0 != found[0] }
    notes = others.isEmpty ? [] : ["\(found[0]) is read; \(others.joined(separator: ", ")) not"]
  }

  private static func kind(of location: DataLocation, _ tokenization: Tokenization?) throws -> Kind
  {
    let named = Kind(name: location.name)
    if let tokenization {
      guard named == nil || named == .text else {
        throw DataError.unsupported(
          path: location.path, expected: "a text for --tokens \(tokenization.rawValue)",
          found: "a file of token numbers: leave --tokens out")
      }
      return .text
    }
    let isRows =
      try named == .binary
      ? CIFARFormat.holdsRecords(location.path) : named == nil && location.rowFormat != nil
    if isRows { throw unrecognized(location) }
    return named ?? .text
  }

  private static func unrecognized(_ location: DataLocation) -> DataError {
    location.rowFormat == nil
      ? .unrecognized(path: location.path, expected: expected)
      : .unsupported(
        path: location.path, expected: "tokens: \(expected)", found: "rows of features")
  }

  /// Where in a name the word "train" stands, between its ends, dots, dashes and underscores.
  private static func trainingPart(of name: String) -> Range<String.Index>? {
    name.split { "._-".contains($0) }.first { $0.lowercased() == "train" }
      .map { $0.startIndex..<$0.endIndex }
  }

  private static func validation(of name: String, among names: [String]) -> String? {
    guard let part = trainingPart(of: name) else { return nil }
    for word in ["val", "valid", "validation", "test"] {
      let wanted = name.replacingCharacters(in: part, with: word).lowercased()
      if let found = names.first(where: { $0.lowercased() == wanted }) { return found }
    }
    return nil
  }
}
