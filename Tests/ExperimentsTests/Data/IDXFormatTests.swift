import Testing

@testable import Experiments

/// idx(sizes: [2], values: [1, 0]) by Python: gzip.compress(bytes, mtime=0).
let goldenGzipLabels: [UInt8] = [
  31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 99, 96, 224, 96, 100, 96, 96, 96, 98, 100, 0, 0, 88, 157, 135,
  140, 10, 0, 0, 0,
]

@Suite struct IDXFormatTests {
  private let images = idx(sizes: [2, 2, 3], values: Array(1...12))
  private let labels = idx(sizes: [2], values: [1, 0])

  @Test func idx_directoryLoadsBothParts() throws {
    let folder = try TemporaryFolder()
    try folder.write("train-images-idx3-ubyte", images)
    try folder.write("train-labels-idx1-ubyte", labels)
    try folder.write("t10k-images-idx3-ubyte", idx(sizes: [1, 2, 3], values: [9, 8, 7, 6, 5, 4]))
    try folder.write("t10k-labels-idx1-ubyte", idx(sizes: [1], values: [4]))
    let loaded = try DataSet.load(path: folder.path)
    #expect(loaded.train.values == (1...12).map { Float($0) })
    #expect(loaded.train.labels == [1, 0] && loaded.train.inputs == 6)
    #expect(loaded.validation?.values == [9, 8, 7, 6, 5, 4])
    // The largest label is in the validation part.
    #expect(loaded.train.classes == 5 && loaded.validation?.classes == 5)
  }

  @Test func idx_fileFindsLabelsByName() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("letters-train-images-idx3-ubyte", images)
    try folder.write("letters-train-labels-idx1-ubyte", labels)
    #expect(try DataSet.load(path: path).validation == nil)
    try folder.write("letters-test-images-idx3-ubyte", images)
    try folder.write("letters-test-labels-idx1-ubyte", labels)
    #expect(try DataSet.load(path: path).validation?.count == 2)
    let dotted = try folder.write("digits.images.idx2", idx(sizes: [2, 2], values: [1, 2, 3, 4]))
    try folder.write("digits.labels.idx1", labels)
    #expect(try DataSet.load(path: dotted).train.inputs == 2)
  }

  /// Kaggle's copy: a folder for each file, beside files of other names.
  @Test func idx_foldersNamedLikeFilesLoad() throws {
    let folder = try TemporaryFolder()
    for (name, contents) in [
      ("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels),
      ("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", labels),
    ] {
      _ = try folder.makeFolder(name)
      try folder.write("\(name)/\(name)", contents)
      try folder.write(name.replacing("-idx", with: ".idx"), contents)
    }
    let loaded = try DataSet.load(path: folder.path)
    #expect(loaded.train.labels == [1, 0] && loaded.validation?.count == 2)
    // One of those folders, and the file in it.
    let name = "train-images-idx3-ubyte"
    for path in [
      "\(folder.path)/\(name)", "\(folder.path)/\(name)/", "\(folder.path)/\(name)/\(name)",
    ] {
      let inner = try DataSet.load(path: path)
      #expect(inner.train.labels == [1, 0] && inner.validation?.count == 2, "\(path)")
    }
    // Such a folder with its labels in it is a folder like any other.
    try folder.write("\(name)/train-labels-idx1-ubyte", idx(sizes: [2], values: [0, 1]))
    #expect(try DataSet.load(path: "\(folder.path)/\(name)").train.labels == [0, 1])
  }

  @Test func idx_severalSplitsAreRefusedByName() throws {
    let folder = try TemporaryFolder()
    for split in ["balanced", "letters"] {
      try folder.write("emnist-\(split)-train-images-idx3-ubyte", images)
      try folder.write("emnist-\(split)-train-labels-idx1-ubyte", labels)
    }
    let names = ["balanced", "letters"].map { "emnist-\($0)-train-images-idx3-ubyte" }
    #expect(
      try loadError(folder.path)
        == .unsupported(
          path: folder.path, expected: "the images file of one of its 2 splits",
          found: "a directory of \(names.joined(separator: ", "))"))
    #expect(try DataSet.load(path: "\(folder.path)/\(names[1])").train.count == 2)
    // A file and its gzip are one.
    let twice = try TemporaryFolder()
    for (name, contents) in [("images-idx3", images), ("labels-idx1", labels)] {
      try twice.write("train-\(name)-ubyte", contents)
    }
    try twice.write("train-images-idx3-ubyte.gz", goldenGzipLabels)
    #expect(try DataSet.load(path: twice.path).train.labels == [1, 0])
  }

  @Test func idx_gzipIsInflated() throws {
    let folder = try TemporaryFolder()
    try folder.write("train-images-idx3-ubyte", images)
    try folder.write("train-labels-idx1-ubyte.gz", goldenGzipLabels)
    #expect(try DataSet.load(path: folder.path).train.labels == [1, 0])
  }

  @Test func idx_labelErrorsAreThrown() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("train-images-idx3-ubyte", images)
    let labelsPath = "\(folder.path)/train-labels-idx1-ubyte"
    #expect(try loadError(path) == .missing(path: labelsPath, expected: "IDX labels"))
    try folder.write("train-labels-idx1-ubyte", idx(sizes: [3], values: [0, 1, 2]))
    #expect(
      try loadError(path)
        == .countMismatch(path: path, features: 2, labelsPath: labelsPath, labels: 3))
    try folder.write("train-labels-idx1-ubyte", idx(sizes: [2, 1], values: [0, 1]))
    #expect(
      try loadError(path)
        == .unsupported(path: labelsPath, expected: "labels of rank 1", found: "rank 2"))
    try folder.write("train-labels-idx1-ubyte", idx(sizes: [2], values: [0, 0]))
    #expect(try loadError(path) == .tooFewClasses(path: path))
    #expect(
      try loadError(labelsPath)
        == .malformed(
          path: labelsPath,
          expected: "an images file named …images-idx3…, to find its labels by",
          found: "the name \"train-labels-idx1-ubyte\""))
  }

  @Test func idx_validationOfOtherSizeIsRefused() throws {
    let folder = try TemporaryFolder()
    try folder.write("train-images-idx3-ubyte", images)
    try folder.write("train-labels-idx1-ubyte", labels)
    let path = try folder.write(
      "t10k-images-idx3-ubyte", idx(sizes: [1, 2, 2], values: [1, 2, 3, 4]))
    try folder.write("t10k-labels-idx1-ubyte", idx(sizes: [1], values: [0]))
    #expect(try loadError(folder.path) == .inputMismatch(path: path, expected: 6, found: 4))
  }

  @Test func idx_headerErrorsAreThrown() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/train-images-idx3-ubyte"
    try folder.write("train-labels-idx1-ubyte", labels)
    func error(_ bytes: [UInt8]) throws -> DataError? {
      try folder.write("train-images-idx3-ubyte", bytes)
      return try loadError(path)
    }
    #expect(try error([]) == .empty(path: path, expected: "IDX images"))
    #expect(
      try error([1, 2, 3, 4])
        == .wrongMagic(
          path: path, expected: "IDX of unsigned bytes, 00 00 08 and the rank",
          found: "01 02 03 04"))
    #expect(
      try error(idx(type: 0x0D, sizes: [1, 1], values: [0, 0, 0, 0]))
        == .unsupported(
          path: path, expected: "IDX elements of type 0x08 (unsigned byte)",
          found: "type 0x0D (float32)"))
    #expect(
      try error(idx(sizes: [2], values: [1, 2]))
        == .unsupported(path: path, expected: "images of rank 2 or more", found: "rank 1"))
    #expect(
      try error(idx(sizes: [0, 2], values: []))
        == .empty(path: path, expected: "rows and features, not shape [0, 2]"))
    #expect(
      try error(idx(sizes: [2, 2], values: [1, 2, 3, 4, 5]))
        == .malformed(path: path, expected: "4 bytes of values for shape [2, 2]", found: "5"))
    #expect(
      try error(idx(sizes: [0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], values: [1]))?.description
        .contains("more bytes than 64 bits count") == true)
  }

  @Test func idx_truncationAtEachLengthIsAnError() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("train-images-idx3-ubyte", images)
    try folder.write("train-labels-idx1-ubyte", labels)
    for length in 0..<images.count {
      try folder.write("train-images-idx3-ubyte", Array(images.prefix(length)))
      #expect(try loadError(path) != nil, "length \(length)")
    }
  }

  @Test func idx_flippedHeaderBytesNeverTrap() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("train-images-idx3-ubyte", images)
    try folder.write("train-labels-idx1-ubyte", labels)
    for position in 0..<16 {
      for mask in [0x01, 0x80, 0xFF] as [UInt8] {
        var bytes = images
        bytes[position] ^= mask
        try folder.write("train-images-idx3-ubyte", bytes)
        #expect(try loadError(path) != nil, "byte \(position) ⊕ \(mask)")
      }
    }
  }
}

@Suite struct GzipTests {
  private func inflate(_ bytes: [UInt8], limit: Int = 1000) throws -> [UInt8] {
    try Gzip.inflate(bytes, path: "f.gz", limit: limit)
  }
  private let contents = idx(sizes: [2], values: [1, 0])

  @Test func inflate_returnsContents() throws {
    #expect(try inflate(goldenGzipLabels) == contents)
  }

  @Test func inflate_joinsMembersAndSkipsPadding() throws {
    let two = goldenGzipLabels + goldenGzipLabels
    #expect(try inflate(two) == contents + contents)
    #expect(try inflate(two + [0, 0, 0]) == contents + contents)
    #expect(throws: DataError.self) { try inflate(goldenGzipLabels + [7]) }
  }

  @Test func inflate_truncationAtEachLengthIsAnError() {
    for length in 0..<goldenGzipLabels.count {
      #expect(throws: DataError.self, "length \(length)") {
        try inflate(Array(goldenGzipLabels.prefix(length)))
      }
    }
    // In the second member, too.
    let two = goldenGzipLabels + goldenGzipLabels
    for length in (goldenGzipLabels.count + 1)..<two.count {
      #expect(throws: DataError.self, "length \(length)") { try inflate(Array(two.prefix(length))) }
    }
  }

  @Test func inflate_damageIsAnErrorOrChangesNothing() {
    for position in goldenGzipLabels.indices {
      var bytes = goldenGzipLabels
      bytes[position] ^= 0x10
      // Time stamp, extra flags and system (bytes 4 to 9) carry no contents.
      let got = try? inflate(bytes)
      #expect(got == nil || got == contents, "byte \(position)")
    }
  }

  @Test func inflate_limitIsKept() {
    #expect(throws: DataError.tooLarge(path: "f.gz", limit: 9)) {
      try inflate(goldenGzipLabels, limit: 9)
    }
  }

  @Test func read_gzipNameWithoutGzipIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("data.csv.gz", text: "1,2,0\n")
    #expect(
      try loadError(path) == .wrongMagic(path: path, expected: "gzip, 1f 8b", found: "31 2c"))
  }
}
