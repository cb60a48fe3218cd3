import Testing

@testable import Experiments

/// Comments, separators, blank ends and line numbers.
@Suite struct CSVTextTests {
  private func loaded(
    _ text: String, _ reading: DataReading = DataReading()
  ) throws -> LoadedData {
    let folder = try TemporaryFolder()
    return try DataSet.load(path: folder.write("data.csv", text: text), reading)
  }

  private func problem(_ text: String) throws -> String {
    do {
      _ = try loaded(text)
      return ""
    } catch let error as DataError { return error.description }
  }

  // MARK: Numbers

  @Test func number_withACommaIsRefusedBesideCommas() throws {
    let rows = (0..<60).map { "\($0 % 2 == 0 ? "732" : "\"17,796\""),\($0 % 3),\($0 % 2)\n" }
      .joined()
    let got = try problem("pop,b,label\n" + rows)
    #expect(
      got.hasSuffix(
        "expected line 3, column 1: a number without a comma, which may be decimal or of thousands "
          + "where fields are separated by commas, found \"17,796\""), "\(got)")
    // Nor are such numbers a header.
    #expect(try problem("\"1,796\",\"2,500\",0\n1,2,1\n").contains("line 1, column 1"))
  }

  // MARK: Comments

  @Test func hash_beginsAFieldWhereTheRowFits() throws {
    let rows = (0..<60).map { "\($0 % 2 == 0 ? "plain" : "#000006"),\(Double($0) / 8),0.5\n" }
      .joined()
    let data = try loaded("label,a,b\n" + rows)
    #expect(data.train.count == 60 && data.layout.classNames == ["#000006", "plain"])
    #expect(data.layout.notes == ["label: column 1 \"label\""])
    // In the first row too.
    let first = try loaded("#ff,0.5,1\nplain,2,3\n#ff,2,1\nplain,2,3\n", DataReading(label: ["1"]))
    #expect(first.train.count == 4)
  }

  @Test func hash_commentsAreCounted() throws {
    let one = try loaded("# made in 2020, v2\n0.044,-0.74,0\n-0.273,-1.517,1\n")
    #expect(one.train.count == 2)
    #expect(one.layout.notes.contains("1 line that begins with # is skipped"))
    let more = try loaded("a,b,label\n1,2,0\n# 1,5,0\n#again\n#a,b,label\n3,4,1\n")
    #expect(more.train.count == 2)
    #expect(more.layout.notes.contains("3 lines that begin with # are skipped"))
  }

  // MARK: What Excel writes

  @Test func sep_lineTellsTheSeparator() throws {
    for (line, separator, note) in [
      ("sep=;", ";", "semicolons"), ("\"sep=;\"\r", ";", "semicolons"), ("SEP=|", "|", "\"|\""),
    ] {
      let rows =
        ["a", "b", "label"].joined(separator: separator) + "\n"
        + ["1.5", "2", "0"].joined(separator: separator) + "\n"
        + ["3", "4", "1"].joined(separator: separator) + "\n"
      let data = try loaded("\(line)\n" + rows)
      #expect(data.train.values == [1.5, 2, 3, 4] && data.train.labels == [0, 1])
      #expect(data.layout.notes.contains("fields are separated by \(note)"))
    }
    #expect(try loaded("sep=,\n1,0\n2,1\n").train.count == 2)
  }

  @Test func blankEnds_areNoColumn() throws {
    for header in ["a,b,label,\n", "a,b,label\n", ""] {
      let data = try loaded(header + "1,2,0,\n3,4,1,\n")
      #expect(data.train.values == [1, 2, 3, 4] && data.train.labels == [0, 1], "\(header)")
      #expect(
        data.layout.notes.contains {
          $0.hasSuffix("rows end with a separator: no column comes after it")
        })
    }
    // A column without a name, and a blank label.
    #expect(try loaded("a,label,\n1,0,5\n2,1,\"6\"\n").train.inputs == 2)
    #expect(try problem("1,2,\n3,4,1\n").contains("a blank field"))
  }

  // MARK: Places

  @Test func errors_nameTheLineOfTheFile() throws {
    // A header of two lines, a comment, blank lines of every end.
    let start = "# note\n\"a\nb\",c,label\r\n1,2,0\r\n\r\n# more\r3,4,1\n"
    #expect(try problem(start + "x,4,1\n").contains("line 8, column 1: expected a number"))
    #expect(try problem(start + "nan,4,1\n").contains("line 8, column 1: expected a finite"))
    #expect(try problem(start + "5,1\n").contains("line 8: 3 fields"))
    #expect(try problem(start + "5,1,1.5\n").contains("line 8: label out of range"))
    #expect(try problem(start + "5,1,\n").contains("line 8: label out of range"))
    #expect(try problem(start + "5,\"1,0\n").contains("line 8: a closing quote"))
    #expect(
      try problem("1,5;2;0\n\n3.5;4;1\n").contains("a point in line 3 and a comma in line 1"))
  }
}
