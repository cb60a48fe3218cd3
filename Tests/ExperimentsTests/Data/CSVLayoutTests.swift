import Testing

@testable import Experiments

/// Which row is the header, and what is said of columns.
@Suite struct CSVLayoutTests {
  private func loaded(
    _ lines: [String], _ reading: DataReading = DataReading()
  ) throws -> LoadedData {
    let folder = try TemporaryFolder()
    let text = lines.joined(separator: "\n") + "\n"
    return try DataSet.load(path: folder.write("data.csv", text: text), reading)
  }

  private func problem(_ lines: [String], _ reading: DataReading = DataReading()) throws -> String {
    do {
      _ = try loaded(lines, reading)
      return ""
    } catch let error as DataError { return error.description }
  }

  // MARK: The header

  @Test(arguments: ["y", "Target", "class", "label"])
  func header_isNoRowOfAClassOfThatName(name: String) throws {
    let rows = (0..<60).map {
      "\($0 % 2 == 0 ? name : "n"),\(Double($0) / 8),\(1 + Double($0) / 4)"
    }
    let data = try loaded(rows)
    #expect(data.train.count == 60 && data.train.inputs == 2 && data.layout.targetColumns == [0])
    // In front of one number, in the middle and at the end.
    #expect(
      try loaded(rows.map { $0.split(separator: ",").prefix(2).joined(separator: ",") }).train.count
        == 60)
    #expect(try loaded(["1,2,\(name)", "3,4,n", "5,6,\(name)"]).train.count == 3)
    #expect(
      try loaded(["1,\(name),2", "3,n,4", "5,\(name),6"], DataReading(label: ["2"])).train.count
        == 3)
    #expect(try problem(rows, DataReading(label: [name])).contains("a row of data"))
  }

  @Test func header_ofNumbersMayNameTheLabel() throws {
    let data = try loaded(["400.5,401.5,label", "1,2,0", "3,4,1"])
    #expect(data.train.count == 2)
    #expect(
      data.layout.notes.first
        == "the first row is taken for the header, since it names \"label\"")
    #expect(try loaded(["label,0.1,0.3", "cat,1,2", "dog,3,4"]).train.count == 2)
  }

  @Test func header_thatCountsColumnsIsOneWhereDataAreReal() throws {
    let rows = (0..<60).map { "\(Double($0) / 8 - 1),\(1 + Double($0) / 4),\($0 % 2)" }
    let data = try loaded(["0,1,2"] + rows)
    #expect(data.train.count == 60 && data.train.classes == 2)
    #expect(data.layout.notes[0] == "the first row counts the columns and is the header")
    // With the rows' numbers.
    let numbered = try loaded([",0,1,2"] + rows.enumerated().map { "\($0),\($1)" })
    #expect(numbered.train.count == 60 && numbered.train.inputs == 2)
    // Whole numbers alone may be data; many columns are none.
    let whole = try loaded(["0,1,2", "1,1,0", "2,0,1", "0,0,2"])
    #expect(whole.train.count == 4)
    #expect(whole.layout.notes[0] == "the first row counts the columns and is data")
    let wide = try loaded(["0,1,2,3,4,5,6,7", "9,9,9,9,9,9,9,0", "8,8,8,8,8,8,8,1"])
    #expect(wide.train.count == 2)
  }

  @Test func label_ofDigitsIsAlwaysAPlace() throws {
    let rows = ["0,1,2", "0.5,0,7.5", "1.5,1,8.5", "2.5,0,9.5"]
    #expect(try loaded(rows, DataReading(label: ["2"])).layout.targetColumns == [1])
    #expect(try loaded(rows, DataReading(label: ["2"])).train.count == 3)
    #expect(
      try problem(rows, DataReading(label: ["0"])).hasSuffix(
        "--label 0: expected a column's name, or its number 1…3, found 0, which is the name of column 1"
      ))
  }

  // MARK: Columns that number rows

  @Test func id_thatDoesNotCountIsSaid() throws {
    func notes(_ header: String) throws -> [String] {
      try loaded([header] + (0..<60).map { "\(3 + 7 * $0),\(Double($0 % 7) / 8),\($0 % 2)" })
        .layout.notes
    }
    for name in ["Id", "PassengerId", "user_id", "index"] {
      #expect(
        try notes("\(name),a,label").contains(
          "column 1 \"\(name)\" is a feature, though its name is that of rows' numbers"))
    }
    #expect(try notes("humid,a,label") == ["label: column 3 \"label\""])
    let counted = try loaded(["sample,a,label"] + (0..<60).map { "\($0),\($0 % 7),\($0 % 2)" })
    #expect(counted.layout.notes.contains("column 1 \"sample\" counts the rows and is a feature"))
  }

  // MARK: Labels

  @Test func label_ofSignsIsTwoClasses() throws {
    let data = try loaded(["a,label"] + (0..<20).map { "0.5,\($0 % 2 * 2 - 1)" })
    #expect(data.train.labels.prefix(3) == [0, 1, 0] && data.layout.classNames == ["-1", "1"])
    #expect(data.layout.notes.contains("labels -1 and 1 are the classes 0 and 1"))
    let three = try problem(["a,label", "1,-1", "2,0", "3,1"])
    #expect(three.contains("line 2") && three.contains("column 2 \"label\""), "\(three)")
    #expect(three.contains("--label") && three.contains("--task regression"))
  }

  @Test func label_ofDecimalCommasIsReadInOneWay() throws {
    // Whole numbers in front, written as decimals.
    let rows = (0..<40).map { "\($0 % 4),0;\($0 * 7 % 256);0" }
    #expect(try loaded(rows).layout.targetColumns == [0])
  }
}
