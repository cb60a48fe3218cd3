import Tensors
import Testing

@testable import Experiments

@Suite struct CSVFormatTests {
  private func load(_ text: String) throws -> DataSet {
    let folder = try TemporaryFolder()
    return try DataSet.load(path: folder.write("data.csv", text: text)).train
  }

  private func error(_ text: String) throws -> DataError? {
    let folder = try TemporaryFolder()
    return try loadError(folder.write("data.csv", text: text))
  }

  @Test func csv_withoutHeaderTakesLastColumn() throws {
    let data = try load("1,2.5,0\n-3,1e-2,1\n")
    #expect(data.values == [1, 2.5, -3, 0.01] && data.labels == [0, 1])
    #expect(data.inputs == 2 && data.classes == 2 && data.count == 2)
  }

  @Test func csv_headerNamesLabelColumn() throws {
    #expect(try load("a,Label,b\n1,1,2\n3,0,4").values == [1, 2, 3, 4])
    #expect(try load("target,a\n1,7\n0,8\n").labels == [1, 0])
    // "label" goes before "y", which then is a feature.
    #expect(try load("y,label\n5,1\n6,0\n").values == [5, 6])
    #expect(try load("a,b,kind\n1,2,0\n3,4,1\n").labels == [0, 1])
    // A header of numbers but for the label's name.
    #expect(try load("0,1,label\n1,2,0\n3,4,1\n").count == 2)
  }

  @Test func csv_classNamedLikeAHeaderIsData() throws {
    let data = try load("1,2,y\n3,4,n\n5,6,y\n")
    #expect(data.count == 3 && data.labels == [1, 0, 1])
  }

  @Test func csv_textLabelsAreSorted() throws {
    let data = try load("1,pear\n2,apple\n3,pear\n4,fig\n")
    #expect(data.labels == [2, 0, 2, 1] && data.classes == 3)
  }

  @Test func csv_wholeNumberLabelsLoad() throws {
    #expect(try load("1,2.0\n2,0.0\n").labels == [2, 0])
  }

  @Test func csv_quotedFieldsFollowRFC4180() throws {
    let data = try load(
      "\"a\",\"b\"\"x\",label\r\n\"1\", 2 ,\"big, \"\"red\"\"\nbox\"\r\n3,4,b\r\n")
    #expect(data.values == [1, 2, 3, 4] && data.labels == [1, 0])
  }

  @Test func csv_lineEndsBlankLinesAndMarkAreSkipped() throws {
    #expect(try load("\u{FEFF}1,0\r\r2,1\r\n\n3,1").values == [1, 2, 3])
  }

  @Test func csv_numbersOfEveryLengthParse() throws {
    let data = try load("0000255,9999999,0\n12345678,-0.5,1\n+7,.5,1\n")
    #expect(data.values == [255, 9_999_999, 12_345_678, -0.5, 7, 0.5])
  }

  @Test func csv_errorsNameRowAndColumn() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/data.csv"
    func error(_ text: String) throws -> DataError? {
      try folder.write("data.csv", text: text)
      return try loadError(path)
    }
    #expect(
      try error("a,label\n1,0\nx1,1\n")
        == .notANumber(path: path, row: 3, column: 1, found: "x1"))
    #expect(try error("1,,0\n") == .notANumber(path: path, row: 1, column: 2, found: ""))
    // A slip in the first row of data makes no header of it.
    #expect(try error("1,2x,0\n") == .notANumber(path: path, row: 1, column: 2, found: "2x"))
    for text in ["nan", "inf", "-Infinity", "1e50"] {
      #expect(
        try error("1,2,0\n1,\(text),1\n")
          == .notFinite(path: path, row: 2, column: 2, found: "\"\(text)\""))
    }
    #expect(
      try error("1,2,0\n1,2\n")
        == .malformed(path: path, expected: "row 2: 3 fields as in the first row", found: "2"))
    #expect(
      try error("1,0\n2,-1\n")
        == .labelOutOfRange(path: path, row: 2, expected: "0…65535", found: "-1"))
    #expect(
      try error("a,label\n1,0\n2,1.5\n")
        == .labelOutOfRange(
          path: path, row: 3, expected: "a whole number from 0, or text", found: "1.5"))
    #expect(
      try error("1,0\n2,\n")
        == .labelOutOfRange(path: path, row: 2, expected: "a label", found: "a blank field"))
    #expect(try error("1,3\n2,3e9\n")?.description.contains("label out of range") == true)
    #expect(try error("1,0\n2,0\n") == .tooFewClasses(path: path))
  }

  @Test func csv_emptyAndBrokenFilesAreErrors() throws {
    let expected = "rows of numbers and a label"
    guard case .empty(_, expected: expected) = try error(""),
      case .empty(_, expected: expected) = try error("\n\r\n"),
      case .empty(_, expected: "rows after the header") = try error("a,label\n"),
      case .malformed(_, expected: _, found: "1 column") = try error("1\n2\n"),
      case .malformed(_, expected: _, found: "the end of the file") = try error("1,\"2\n"),
      case .malformed(_, expected: _, found: "78") = try error("1,\"2\"x\n")
    else {
      Issue.record("another error")
      return
    }
  }

  @Test func csv_randomBytesNeverTrap() throws {
    let seed: UInt64 = 9
    var random = Philox(seed: seed, stream: 0)
    let alphabet = Array("01.,\"\n\r -eyn\u{FF}".utf8) + [0xFF, 0x00]
    let folder = try TemporaryFolder()
    for _ in 0..<300 {
      let bytes = (0..<random.index(below: 40)).map { _ in
        alphabet[random.index(below: alphabet.count)]
      }
      _ = try loadError(folder.write("data.csv", bytes))
    }
  }
}

@Suite struct DataErrorTests {
  @Test func load_missingAndUnrecognizedAreErrors() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/nothing"
    #expect(
      try loadError(path) == .missing(path: path, expected: "a data file or directory"))
    let other = try folder.write("notes.txt", text: "hello")
    #expect(
      try loadError(other)?.description.hasPrefix("\(other): unrecognized; expected ") == true)
    #expect(try loadError(folder.path)?.description.contains("CIFAR-10") == true)
  }

  @Test func load_fileTooLargeIsRefusedUnread() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("data_batch_1.bin", [0])
    // Sparse: no such space is used.
    let size = DataFile.maximumBytes + 1
    try #require(setFileSize(path, size))
    #expect(try loadError(path) == .tooLarge(path: path, limit: DataFile.maximumBytes))
  }

  @Test func description_isOneLine() {
    let errors: [DataError] = [
      .missing(path: "f\ng", expected: "e"), .unreadable(path: "f", reason: "r\u{2028}s"),
      .unrecognized(path: "f", expected: "e"), .empty(path: "f", expected: "e"),
      .truncated(path: "f", expected: "e", found: "g"), .tooLarge(path: "f", limit: 1),
      .wrongMagic(path: "f", expected: "e", found: "g"),
      .unsupported(path: "f", expected: "e", found: "g"),
      .malformed(path: "f", expected: "e", found: "g"),
      .labelOutOfRange(path: "f", row: 1, expected: "e", found: "g\r\n"),
      .notFinite(path: "f", row: 1, column: 2, found: "nan"),
      .notANumber(path: "f", row: 1, column: 2, found: String(repeating: "x\n", count: 99)),
      .countMismatch(path: "f", features: 1, labelsPath: "g", labels: 2),
      .inputMismatch(path: "f", expected: 1, found: 2), .tooFewClasses(path: "f"),
      .tooFewRows(found: 1),
    ]
    for error in errors {
      #expect(!error.description.isEmpty && error.description.count <= 120)
      #expect(error.description.allSatisfy { !$0.isNewline }, "\(error)")
    }
    #expect(
      DataError.notFinite(path: "x.npy", row: 2, column: 3, found: "nan").description
        == "x.npy: row 2, column 3: expected a finite number, found nan")
  }
}
