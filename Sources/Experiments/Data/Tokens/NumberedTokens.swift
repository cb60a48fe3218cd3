import Tensors

/// Token numbers that another program's tokenizer made.
enum NumberedTokens {
  /// A header of llm.c: 256 words of 32 bits, of which the first three are these.
  /// Source: llm.c, dev/data/data_common.py, write_datafile.
  private struct Header {
    let magic: UInt32
    let version: Int
    let tokenBytes: Int
    let name: String

    static let bytes = 1024

    static let known = [
      Header(magic: 20_240_520, version: 1, tokenBytes: 2, name: "GPT-2"),
      Header(magic: 20_240_801, version: 7, tokenBytes: 4, name: "Llama 3"),
    ]

    /// Of questions with answers to choose from, which are no text to learn.
    static let evaluationMagic: UInt32 = 20_240_522
  }

  /// Tokens of a `.bin` or `.npy` file, and of that which validates. The vocabulary ends at the
  /// largest number of both.
  ///
  /// - Throws: `DataError`.
  static func load(_ files: TokenFiles) throws -> LoadedTokens {
    let read = files.kind == .array ? array : binary
    let train = try checked(read(files.train), path: files.train)
    let validation = try files.validation.map { try checked(read($0), path: $0) }
    let largest = max(train.bounds?.upperBound ?? 0, validation?.bounds?.upperBound ?? 0)
    let vocabulary = Vocabulary.numbered(Int(largest) + 1)
    return try LoadedTokens(
      train: TokenSequence(
        name: files.name, checked: train, vocabulary: vocabulary, path: files.train),
      validation: validation.map {
        try TokenSequence(
          name: files.validationName, checked: $0, vocabulary: vocabulary,
          path: files.validation ?? files.train)
      },
      notes: files.notes + [
        "token numbers 0…\(largest), of a tokenizer that is not known here: samples are numbers"
      ])
  }

  /// Refuses numbers that no vocabulary has.
  private static func checked(
    _ tokens: DeviceRows.Tokens, path: String
  ) throws -> DeviceRows.Tokens {
    let limit = UInt32(Vocabulary.maximumCount)
    if case .wide(let values) = tokens, let bounds = tokens.bounds, bounds.upperBound >= limit {
      let position = values.firstIndex { $0 >= limit } ?? 0
      throw DataError.tokenOutOfRange(
        path: path, position: position + 1, found: "\(values[position])")
    }
    return tokens
  }

  // MARK: Files

  /// Little-endian words of 16 bits, as nanoGPT writes them, or of what llm.c's header says.
  ///
  /// Of any size that memory holds: read in pieces, straight into the tokens.
  private static func binary(_ path: String) throws -> DeviceRows.Tokens {
    let file = try RandomAccessFile(path: path, expected: "token numbers of 16 bits")
    let magic = try file.byteCount < 4 ? 0 : UInt32(file.read(0..<4).unsigned(at: 0, width: 4))
    if let header = Header.known.first(where: { $0.magic == magic }) {
      guard file.byteCount >= Header.bytes else {
        throw DataError.truncated(
          path: path, expected: "a header of llm.c, \(Header.bytes) bytes",
          found: "\(file.byteCount) bytes")
      }
      let fields = try file.read(4..<12)
      let version = fields.unsigned(at: 0, width: 4)
      guard version == header.version else {
        throw DataError.unsupported(
          path: path, expected: "\(header.name) tokens of llm.c, version \(header.version)",
          found: "version \(version)")
      }
      try DataFile.checkSize(
        of: [Int(fields.unsigned(at: 4, width: 4))], elementBytes: header.tokenBytes,
        available: file.byteCount - Header.bytes, path: path)
      guard file.byteCount > Header.bytes else {
        throw DataError.empty(path: path, expected: "token numbers after the header")
      }
      return try header.tokenBytes == 2
        ? .narrow(words(of: file, from: Header.bytes)) : .wide(words(of: file, from: Header.bytes))
    }
    guard magic != Header.evaluationMagic else {
      throw DataError.unsupported(
        path: path, expected: "tokens of a text", found: "an evaluation of llm.c")
    }
    guard file.byteCount.isMultiple(of: 2) else {
      throw DataError.truncated(
        path: path, expected: "whole tokens of 2 bytes",
        found: "\(file.byteCount) bytes, 1 after the last whole token")
    }
    return try .narrow(words(of: file, from: 0))
  }

  /// Little-endian words from a byte on to the end.
  private static func words<Word: FixedWidthInteger & BitwiseCopyable>(
    of file: RandomAccessFile, from start: Int
  ) throws -> [Word] {
    let count = (file.byteCount - start) / MemoryLayout<Word>.size
    return try [Word](unsafeUninitializedCapacity: count) { words, filled in
      let memory = UnsafeMutableRawBufferPointer(words)
      for piece in stride(from: 0, to: memory.count, by: 1 << 24) {
        let end = min(piece + 1 << 24, memory.count)
        let bytes = try file.read((start + piece)..<(start + end))
        UnsafeMutableRawBufferPointer(rebasing: memory[piece..<end]).copyBytes(from: bytes)
      }
      if Word(1).littleEndian != 1 {
        for index in 0..<count { words[index] = Word(littleEndian: words[index]) }
      }
      filled = count
    }
  }

  /// Whole numbers of any type, [count].
  private static func array(_ path: String) throws -> DeviceRows.Tokens {
    let array = try NPYArray(
      DataFile.read(path, expected: "an NPY array of token numbers"), path: path)
    return try .wide(array.tokens())
  }

  /// Whether a file is an NPY array of whole numbers in one dimension, by its header.
  static func isArray(_ path: String) -> Bool {
    guard let file = try? RandomAccessFile(path: path, expected: TokenFiles.expected),
      let header = try? NPYHeader(file, path: path)
    else { return false }
    return header.isTokens
  }
}

extension NPYHeader {
  /// Whether the values are whole numbers in one dimension.
  var isTokens: Bool {
    guard shape.count == 1, let type = NPYElementType(type) else { return false }
    return type.isReal && "ui".contains(type.kind)
  }
}
