/// Tokens to train on, with those to validate on where they came beside them.
public struct LoadedTokens: Sendable {
  /// The tokens to train on, or to split.
  public let train: TokenSequence
  /// Those found beside them, of the same vocabulary; nil where the end of `train` is to validate.
  public let validation: TokenSequence?
  /// What is worth saying of how the files were read, a line each.
  public let notes: [String]

  /// Pairs the two; traps where their vocabularies differ.
  public init(train: TokenSequence, validation: TokenSequence? = nil, notes: [String] = []) {
    precondition(
      validation == nil || validation?.vocabulary == train.vocabulary,
      "LoadedTokens: validation of another vocabulary than the training tokens")
    (self.train, self.validation, self.notes) = (train, validation, notes)
  }

  /// What the tokens of both stand for.
  public var vocabulary: Vocabulary { train.vocabulary }

  /// The tokens that a split's validation positions index: `validation`, else `train`.
  public var validationSource: TokenSequence { validation ?? train }

  /// Loads the tokens at a path:
  /// - Text, plain or gzip, of any name that is no other format's: UTF-8, or UTF-16 by its byte
  ///   order mark.
  /// - Token numbers: `.bin` of 16 bits, little-endian, as nanoGPT writes them, or with llm.c's
  ///   header, of 16 or 32 bits; `.npy` of whole numbers in one dimension.
  /// - A directory with one file of these whose name has the part `train`, as `train.txt` or
  ///   `tiny_shakespeare_train.bin`.
  ///
  /// The file of the same name but for `val`, `valid`, `validation` or `test` in place of `train`
  /// is what validates.
  ///
  /// For example, `try LoadedTokens.load(path: "shakespeare.txt", .bytes)`.
  ///
  /// - tokenization: what a text becomes, by default characters; token numbers take none.
  /// - Throws: `DataError`, and no other error.
  public static func load(
    path: String, _ tokenization: Tokenization? = nil
  ) throws -> LoadedTokens {
    let files = try TokenFiles(DataLocation(path: path), tokenization)
    return files.kind == .text
      ? try TextTokens.load(files, tokenization ?? .characters) : try NumberedTokens.load(files)
  }

  /// Whether there are tokens at a path and no rows of features, by names and first bytes.
  public static func recognizes(path: String) -> Bool {
    guard let location = try? DataLocation(path: path),
      let files = try? TokenFiles(location, nil)
    else { return false }
    switch files.kind {
    case .binary: return true
    case .array: return NumberedTokens.isArray(files.train)
    case .text: return TextTokens.begins(files.train)
    }
  }

  /// Positions to train on and positions of `validationSource` to validate on, by place: the end of
  /// the text validates, so that no window of it was trained on.
  ///     validation tokens = round(validationFraction · count), at least a window, leaving one
  /// All of both where validation tokens came along (the fraction then changes nothing).
  ///
  /// - validationFraction: in 0..<1; 0 validates on nothing. Default 0.1.
  /// - window: tokens that are read at once, ≥ 2: those that a network sees, and the one that
  ///   follows.
  /// - Throws: `DataError.tooFewTokens` where a part is shorter than a window.
  public func split(validationFraction: Double = 0.1, window: Int = 2) throws -> TokenSplit {
    precondition(
      validationFraction >= 0 && validationFraction < 1,
      "split: validation fraction \(validationFraction), expected 0..<1")
    precondition(window >= 2, "split: window \(window), expected ≥ 2")
    func require(_ count: Int, of sequence: TokenSequence) throws {
      if sequence.count < count {
        throw DataError.tooFewTokens(name: sequence.name, expected: count, found: sequence.count)
      }
    }
    if let validation {
      try require(window, of: train)
      try require(window, of: validation)
      return TokenSplit(train: 0..<train.count, validation: 0..<validation.count)
    }
    guard validationFraction > 0 else {
      try require(window, of: train)
      return TokenSplit(train: 0..<train.count, validation: train.count..<train.count)
    }
    try require(2 * window, of: train)
    let wanted = Int((validationFraction * Double(train.count)).rounded())
    let first = train.count - min(max(wanted, window), train.count - window)
    return TokenSplit(train: 0..<first, validation: first..<train.count)
  }
}

/// Which tokens train and which validate.
public struct TokenSplit: Hashable, Sendable {
  /// Positions of the training tokens.
  public let train: Range<Int>
  /// Positions of the validation tokens. See `LoadedTokens.validationSource` for of what.
  public let validation: Range<Int>

  /// Takes positions as they are.
  public init(train: Range<Int>, validation: Range<Int>) {
    (self.train, self.validation) = (train, validation)
  }
}
