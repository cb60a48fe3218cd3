/// What can be wrong with data from outside: each case says which file, what was expected, what
/// was found. Rows, lines and columns count from 1.
public enum DataError: Error, Hashable, CustomStringConvertible {
  /// A place in a file, from 1, as in "line 3".
  public enum Place: Hashable, Sendable, CustomStringConvertible {
    /// Of an array.
    case row(Int)
    /// Of a text, as an editor counts it: header, comments and blank lines too.
    case line(Int)

    /// The place in words.
    public var description: String {
      switch self {
      case .row(let row): "row \(row)"
      case .line(let line): "line \(line)"
      }
    }
  }

  /// Nothing is at the path.
  case missing(path: String, expected: String)
  /// Something is there, but reading it failed.
  case unreadable(path: String, reason: String)
  /// No known format is at the path.
  case unrecognized(path: String, expected: String)
  /// There are no bytes or no rows.
  case empty(path: String, expected: String)
  /// The contents end early.
  case truncated(path: String, expected: String, found: String)
  /// More bytes than this library will hold in memory.
  case tooLarge(path: String, limit: Int)
  /// The first bytes belong to another format.
  case wrongMagic(path: String, expected: String, found: String)
  /// The right format, in a variant that is not read here.
  case unsupported(path: String, expected: String, found: String)
  /// The contents break their format's rules.
  case malformed(path: String, expected: String, found: String)
  /// A label that is no class.
  case labelOutOfRange(path: String, at: Place, expected: String, found: String)
  /// NaN or infinity among the features.
  case notFinite(path: String, at: Place, column: Int, found: String)
  /// Text where a number should be.
  case notANumber(path: String, at: Place, column: Int, found: String)
  /// The labels do not pair up with the features.
  case countMismatch(path: String, features: Int, labelsPath: String, labels: Int)
  /// Validation data of another shape than the training data.
  case inputMismatch(path: String, expected: Int, found: Int)
  /// Only one class, so there is nothing to learn.
  case tooFewClasses(path: String)
  /// Labels that look like numbers, with hardly a row of each class.
  case implausibleClasses(
    path: String, labels: String, classes: Int, used: Int, rows: Int, other: String? = nil)
  /// A number to learn that is the same in every row.
  case constantTarget(path: String, name: String, value: String)
  /// No such column, or several.
  case noSuchColumn(path: String, label: String, expected: String, found: String)
  /// Not enough rows to train on some and validate on others.
  case tooFewRows(found: Int)
  /// A token number that no vocabulary has; positions count from 1.
  case tokenOutOfRange(path: String, position: Int, found: String)
  /// A text or a part of it that is shorter than what is read at once.
  case tooFewTokens(name: String, expected: Int, found: Int)
  /// Text that the vocabulary of a network has no token for.
  case notInVocabulary(found: String, expected: String)

  /// One line: file, expected, found.
  public var description: String { message.printable() }

  private var message: String {
    switch self {
    case .missing(let path, let expected):
      "\(path): missing; expected \(expected)"
    case .unreadable(let path, let reason):
      "\(path): unreadable: \(reason)"
    case .unrecognized(let path, let expected):
      "\(path): unrecognized; expected \(expected)"
    case .empty(let path, let expected):
      "\(path): empty; expected \(expected)"
    case .truncated(let path, let expected, let found):
      "\(path): truncated: expected \(expected), found \(found)"
    case .tooLarge(let path, let limit):
      "\(path): too large: expected at most \(limit) bytes of contents"
    case .wrongMagic(let path, let expected, let found):
      "\(path): wrong first bytes: expected \(expected), found \(found)"
    case .unsupported(let path, let expected, let found):
      "\(path): unsupported: expected \(expected), found \(found)"
    case .malformed(let path, let expected, let found):
      "\(path): malformed: expected \(expected), found \(found)"
    case .labelOutOfRange(let path, let place, let expected, let found):
      "\(path): \(place): label out of range: expected \(expected), found \(found)"
    case .notFinite(let path, let place, let column, let found):
      "\(path): \(place), column \(column): expected a finite number, found \(found)"
    case .notANumber(let path, let place, let column, let found):
      "\(path): \(place), column \(column): expected a number, found \(Self.quoted(found))"
    case .countMismatch(let path, let features, let labelsPath, let labels):
      "\(labelsPath): expected \(features) labels, one for each row of \(path), found \(labels)"
    case .inputMismatch(let path, let expected, let found):
      "\(path): expected \(expected) features per row as in the training data, found \(found)"
    case .tooFewClasses(let path):
      "\(path): expected at least 2 classes, found 1"
    case .implausibleClasses(let path, let labels, let classes, let used, let rows, let other):
      "\(path): \(labels): \(classes) classes, \(used) of them used in \(rows) rows; expected classes "
        + "of several rows each: name the label's column with --label\(other.map { " (\($0) looks like one)" } ?? ""), or learn numbers with --task "
        + "regression"
    case .constantTarget(let path, let name, let value):
      "\(path): target \(name) is \(value) in every training row; expected numbers to learn"
    case .noSuchColumn(let path, let label, let expected, let found):
      "\(path): --label \(label): expected \(expected), found \(found)"
    case .tooFewRows(let found):
      "split: expected at least 2 rows to share between training and validation, found \(found)"
    case .tokenOutOfRange(let path, let position, let found):
      "\(path): token \(position): out of range: expected 0…\(Vocabulary.maximumCount - 1), found \(found)"
    case .tooFewTokens(let name, let expected, let found):
      "\(name): expected at least \(expected) tokens, so that every part has a window, found \(found)"
    case .notInVocabulary(let found, let expected):
      "text: \(found) is not in the vocabulary; expected \(expected)"
    }
  }

  /// Text in quotes, cut to 40 characters.
  static func quoted(_ text: String) -> String {
    text.count <= 40 ? "\"\(text)\"" : "\"\(text.prefix(40))…\""
  }

  /// Bytes in hex, as in `1f 8b 08`; the word "nothing" for none.
  static func hex(_ bytes: some Collection<UInt8>) -> String {
    guard !bytes.isEmpty else { return "nothing" }
    return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
  }
}
