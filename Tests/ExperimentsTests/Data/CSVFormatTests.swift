import Tensors
import Testing

@testable import Experiments

@Suite struct CSVFormatTests {
  private func load(_ text: String) throws -> DataSet { try loaded(text).train }

  private func loaded(
    _ text: String, _ reading: DataReading = DataReading()
  ) throws -> LoadedData {
    let folder = try TemporaryFolder()
    return try DataSet.load(path: folder.write("data.csv", text: text), reading)
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
        == .notANumber(path: path, at: .line(3), column: 1, found: "x1"))
    #expect(try error("1,,0\n") == .notANumber(path: path, at: .line(1), column: 2, found: ""))
    // A slip in the first row of data makes no header of it.
    #expect(try error("1,2x,0\n") == .notANumber(path: path, at: .line(1), column: 2, found: "2x"))
    for text in ["nan", "inf", "-Infinity", "1e50"] {
      #expect(
        try error("1,2,0\n1,\(text),1\n")
          == .notFinite(path: path, at: .line(2), column: 2, found: "\"\(text)\""))
    }
    #expect(
      try error("1,2,0\n1,2\n")
        == .malformed(path: path, expected: "line 2: 3 fields as in the first row", found: "2"))
    #expect(
      try error("1,0\n2,-2\n")
        == .labelOutOfRange(
          path: path, at: .line(2),
          expected: "0…65535 in column 2, or -1 and 1 alone (--label names another column, --task "
            + "regression learns numbers)", found: "-2"))
    #expect(
      try error("a,label\n1,0\n2,1.5\n")
        == .labelOutOfRange(
          path: path, at: .line(3),
          expected: "a whole number from 0, or text, in column 2 \"label\" (--label names another "
            + "column, --task regression learns real numbers)", found: "1.5"))
    #expect(
      try error("1,0\n2,\n")
        == .labelOutOfRange(
          path: path, at: .line(2), expected: "a label in column 2", found: "a blank field"))
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

  // MARK: Which column is the label

  /// 180 rows: a class of 1 to 3 in front, a real number, and a whole number that is no class.
  private let wine = (0..<180).map {
    "\(1 + $0 % 3),\(12 + Double($0 % 7) / 8),\(278 + $0 * 97 % 1403)"
  }

  @Test func csv_labelInFrontIsFoundWhereTheLastColumnIsNone() throws {
    let data = try loaded(wine.joined(separator: "\n"))
    #expect(data.train.labels.prefix(4) == [1, 2, 3, 1] && data.train.inputs == 2)
    #expect(data.train[0, 1] == 278)
    #expect(
      data.layout.notes == [
        "label: column 1, as the last would be 1672 classes of 180 rows; --label names another"
      ])
    // A border's pixels are 0; abalone's sex is the only text.
    let digits = (0..<40).map { "\($0 % 4),\($0 * 7 % 256),0" }.joined(separator: "\n")
    #expect(try loaded(digits).layout.targetColumns == [0])
    let texts = (0..<40).map { "\(["M", "F"][$0 % 2]),0.5,\($0 % 5)" }.joined(separator: "\n")
    #expect(try loaded(texts).layout.targetColumns == [0])
    #expect(try loaded(texts).layout.classNames == ["F", "M"])
  }

  @Test func csv_lastColumnIsSaidWhereTheFirstMayBeTheLabelToo() throws {
    let both = (0..<40).map { "\($0 % 3),0.5,\($0 % 5)" }.joined(separator: "\n")
    #expect(
      try loaded(both).layout.notes
        == ["label: column 3, the last (column 1 may be it too); --label names another"])
    #expect(
      try loaded("a,b,label\n1,2,0\n2,1,1\n3,1,0\n \n").layout.notes
        == ["label: column 3 \"label\""])
  }

  @Test func csv_labelIsChosenByNameOrNumber() throws {
    let text = "Wine,Alcohol,Proline\n" + wine.joined(separator: "\n")
    for label in ["Wine", "wine", "1"] {
      let data = try loaded(text, DataReading(label: [label]))
      #expect(data.train.labels.prefix(3) == [1, 2, 3] && data.layout.featureColumns == [1, 2])
      #expect(data.layout.notes[0] == "label: column 1 \"Wine\"")
    }
    // Numbers are places, not names: the first row may be data.
    #expect(try loaded("3,5,1\n2,6,0\n", DataReading(label: ["3"])).layout.targetColumns == [2])
    func problem(_ text: String, _ reading: DataReading) throws -> String {
      do {
        _ = try loaded(text, reading)
        return ""
      } catch let error as DataError { return error.description }
    }
    #expect(
      try problem(text, DataReading(label: ["Hue"])).hasSuffix(
        "--label Hue: expected a column's name in the first row or number 1…3, found no such column "
          + "among Wine, Alcohol, Proline"))
    #expect(
      try problem("a,a,b\n1,2,0\n1,2,1\n", DataReading(label: ["a"])).contains("columns 1, 2"))
    #expect(try problem(text, DataReading(label: ["4"])).contains("number 1…3"))
    #expect(try problem(text, DataReading(label: ["1", "2"])).contains("one column of classes"))
    #expect(try problem(text, DataReading(label: ["1", "wine"])).contains("twice"))
  }

  @Test func csv_absurdClassesAreRefused() throws {
    let proline = "Alcohol,Proline\n" + wine.map { String($0.dropFirst(2)) }.joined(separator: "\n")
    let got = try error(proline)
    guard
      case .implausibleClasses(
        _, "column 2 \"Proline\" as the label", classes: 1672, used: 180, rows: 180, other: nil) =
        got
    else {
      Issue.record("\(String(describing: got))")
      return
    }
    let text = try #require(got?.description)
    #expect(text.contains("--label") && text.contains("--task regression"))
    // Under a header, numbers at the end may be there to be learned; a real number in any case.
    let header = "Wine,Alcohol,Proline\n" + wine.joined(separator: "\n")
    #expect(
      try error(header)?.description.contains("--label (column 1 \"Wine\" looks like one)") == true)
    let real = wine.map { $0 + ".5" }.joined(separator: "\n")
    #expect(
      try error(real)?.description.contains(
        "(--label names another column such as column 1, --task regression learns real numbers)")
        == true)
    // A year is 2021 numbers, of which 21 are there.
    let years = (0..<3000).map { "0.5,\(2000 + $0 % 21)" }.joined(separator: "\n")
    guard case .implausibleClasses(_, _, classes: 2021, used: 21, rows: 3000, _) = try error(years)
    else {
      Issue.record("years are classes")
      return
    }
    // A name a row, whatever says that it is the label.
    let names = "x,label\n" + (0..<30).map { "\($0),name\($0)" }.joined(separator: "\n")
    guard case .implausibleClasses = try error(names) else {
      Issue.record("names are classes")
      return
    }
  }

  @Test func csv_columnThatNumbersRowsIsLeftOut() throws {
    func rows(_ index: (Int) -> Int) -> String {
      (0..<30).map { "\(index($0)),\($0 * 5 % 9),\($0 / 15)" }.joined(separator: "\n")
    }
    // pandas to_csv, of a sample of rows too; R's write.csv; an id.
    for (name, index) in [
      ("", { $0 }), ("", { $0 * 7 % 30 }), ("Unnamed: 0", { $0 * 7 % 30 }), ("\"\"", { $0 + 1 }),
      ("Id", { $0 + 1 }),
    ] as [(String, (Int) -> Int)] {
      let data = try loaded("\(name),a,label\n" + rows(index))
      #expect(data.train.inputs == 1 && data.layout.featureColumns == [1], "\(name)")
      #expect(data.layout.notes[0].contains("numbers the rows and is left out"))
    }
    // Of that name, but no number of the row; and a column that somebody asks for.
    #expect(try loaded("id,a,label\n" + rows { $0 * 7 % 30 }).train.inputs == 2)
    #expect(try loaded(",a,label\n" + rows { $0 % 4 }).train.inputs == 2)
    #expect(
      try loaded("id,a,label\n" + rows { $0 }, DataReading(task: .regression, label: ["id"]))
        .layout.targetColumns == [0])
    #expect(
      try loaded(rows { $0 }).layout.notes.contains("column 1 counts the rows and is a feature"))
  }

  // MARK: How the text is written

  @Test func csv_separatorsAndDecimalCommasAreRead() throws {
    for (separator, note) in [(";", "semicolons"), ("\t", "tabs")] {
      let data = try loaded(
        [
          "a\(separator)b\(separator)label", "1,5\(separator)2\(separator)0",
          "-3,25\(separator) 4 \(separator)1",
        ]
        .joined(separator: "\r\n") + "\r\n\r\n")
      #expect(data.train.values == [1.5, 2, -3.25, 4] && data.train.labels == [0, 1])
      #expect(data.layout.notes.contains("fields are separated by \(note)"))
      #expect(data.layout.notes.contains("numbers have decimal commas"))
    }
    let points = try loaded("1.5;2;0\n3;4;1\n")
    #expect(points.train.values == [1.5, 2, 3, 4])
    #expect(!points.layout.notes.contains("numbers have decimal commas"))
    // A comma that separates thousands where others are decimal, or both in one number.
    guard case .malformed = try error("1,5;2;0\n3.5;4;1\n"),
      case .notANumber = try error("1,234.5;2;0\n3.5;4;1\n")
    else {
      Issue.record("mixed decimals are read")
      return
    }
    #expect(try error("1 2 0\n3 4 1\n")?.description.contains("commas, semicolons or tabs") == true)
  }

  @Test func csv_encodingsAreRead() throws {
    let text = "größe,label\n1,ä\n2,b\n"
    let folder = try TemporaryFolder()
    for isLittle in [true, false] {
      let units = Array(("\u{FEFF}" + text).utf16)
      let bytes = units.flatMap { unit in
        let pair = [UInt8(unit & 255), UInt8(unit >> 8)]
        return isLittle ? pair : pair.reversed()
      }
      let path = try folder.write("data.csv", bytes)
      let data = try DataSet.load(path: path)
      #expect(data.train.values == [1, 2] && data.layout.classNames == ["b", "ä"])
      #expect(data.layout.notes.contains("UTF-16"))
      try folder.write("data.csv", Array(bytes.dropLast()))
      #expect(try loadError(path)?.description.contains("UTF-16") == true)
      // Without its mark it is bytes with NUL among them.
      try folder.write("data.csv", Array(bytes.dropFirst(2)))
      #expect(try loadError(path)?.description.contains("NUL byte in line 1") == true)
    }
  }

  @Test func csv_nulBytesAreRefused() throws {
    for text in ["a,b,label\n1\0junk,2,0\n2,1,1\n", "a,b,label\n1,2,0\n3,1,0\0x\n"] {
      let got = try error(text)?.description
      #expect(got?.contains("expected text, found a NUL byte in line") == true, "\(got ?? "read")")
    }
  }

  @Test func csv_commentsAreSkippedAndMayHoldTheHeader() throws {
    let data = try loaded("# by numpy\n#a,label,b\n1,0,2\n # between\n3,1,4\n\t\n")
    #expect(data.train.values == [1, 2, 3, 4] && data.train.labels == [0, 1])
    #expect(
      data.layout.notes == ["label: column 2 \"label\"", "2 lines that begin with # are skipped"])
    #expect(try loaded("# 1,2\na,label\n1,0\n2,1\n").train.values == [1, 2])
  }

  // MARK: Numbers to learn

  @Test func csv_targetsAreRead() throws {
    let text = "price,rooms,area\n1.5,3,20\n2.5,4,30\n0.5,2,10\n"
    let two = try loaded(text, DataReading(task: .regression, label: ["price", "3"]))
    guard case .values([1.5, 20, 2.5, 30, 0.5, 10], names: ["price", "area"]) = two.train.targets
    else {
      Issue.record("\(two.train.targets)")
      return
    }
    #expect(two.train.values == [3, 4, 2] && two.train.outputs == 2 && two.train.classes == 0)
    #expect(two.layout.notes == ["target: column 1 \"price\", column 3 \"area\""])
    let last = try loaded(text, DataReading(task: .regression))
    #expect(last.layout.targetColumns == [2])
    #expect(last.train.fingerprint != two.train.fingerprint)
    #expect(throws: DataError.self) {
      try loaded("a,y\n1,2.5\n2,x\n", DataReading(task: .regression))
    }
  }

  @Test func csv_randomBytesNeverTrap() throws {
    let seed: UInt64 = 9
    var random = Philox(seed: seed, stream: 0)
    let alphabet = Array("01.,;\t#\"\n\r -eyn\u{FF}".utf8) + [0xFF, 0x00]
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
      .labelOutOfRange(path: "f", at: .line(1), expected: "e", found: "g\r\n"),
      .notFinite(path: "f", at: .row(1), column: 2, found: "nan"),
      .notANumber(path: "f", at: .line(1), column: 2, found: String(repeating: "x\n", count: 99)),
      .countMismatch(path: "f", features: 1, labelsPath: "g", labels: 2),
      .inputMismatch(path: "f", expected: 1, found: 2), .tooFewClasses(path: "f"),
      .constantTarget(path: "f", name: "y\n", value: "1"),
      .noSuchColumn(path: "f", label: "\n", expected: "e", found: "g"),
      .tooFewRows(found: 1),
    ]
    for error in errors {
      #expect(!error.description.isEmpty && error.description.count <= 120)
      #expect(error.description.allSatisfy { !$0.isNewline }, "\(error)")
    }
    #expect(
      DataError.notFinite(path: "x.npy", at: .row(2), column: 3, found: "nan").description
        == "x.npy: row 2, column 3: expected a finite number, found nan")
  }
}
