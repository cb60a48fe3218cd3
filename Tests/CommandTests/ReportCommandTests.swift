import Foundation
import Testing

@Suite(.serialized, .runsPrograms) struct ReportCommandTests {
  func page(_ directory: URL, _ name: String = "report.html") throws -> String {
    try String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8)
  }

  func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func sweep_leavesAPage_thatReportMakesAnew() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let arguments = SweepCommandTests.small + ["--out", "out", "--json"]
      let swept = try CommandRunner.run(arguments, in: directory)
      #expect(swept.status == 0 && swept.errors.contains("report in out/report.html"))
      let out = directory.appendingPathComponent("out")
      #expect((try object(swept.output)["page"] as? String)?.hasSuffix("out/report.html") == true)
      let first = try page(out)
      #expect(first.contains("gputrain " + arguments.joined(separator: " ")))
      #expect(first.contains("built 20"))
      try FileManager.default.removeItem(at: out.appendingPathComponent("report.html"))
      let again = try CommandRunner.run(["report", "out"], in: directory)
      #expect(again.status == 0, "\(again.errors)")
      #expect(again.output.contains("spectral, adam: "))
      #expect(try page(out) == first)
      let json = try object(
        CommandRunner.run(["report", "out", "--json", "--out", "p/q.html"], in: directory).output)
      #expect((json["report"] as? String)?.hasSuffix("p/q.html") == true)
      let verdicts = try #require(json["verdicts"] as? [[String: Any]])
      #expect(verdicts.count == 1 && verdicts[0]["parametrization"] as? String == "spectral")
      #expect(verdicts[0]["missing"] as? Int == 0)
      #expect(try page(directory, "p/q.html").contains("href=\"../out/runs/"))
    }
  }

  @Test func stoppedSweep_leavesAPageOfWhatIsDone() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      var longer = SweepCommandTests.small
      longer[longer.firstIndex(of: "16,32")!] = "16,32,512"
      longer[longer.firstIndex(of: "40")!] = "300"
      let out = directory.appendingPathComponent("out")
      func narrowRunsAreDone() -> Bool {
        let runs = out.appendingPathComponent("runs").path
        let names = (try? FileManager.default.contentsOfDirectory(atPath: runs)) ?? []
        return names.count >= 12
      }
      let stopped = try CommandRunner.run(
        longer + ["--out", out.path], signal: (SIGINT, 0.3), once: narrowRunsAreDone)
      #expect(stopped.status == 130, "\(stopped.errors)")
      let html = try page(out)
      #expect(html.contains("12 runs are done and 6 missing (width 512: 6)"))
    }
  }

  @Test func pictures_areWrittenWhereAskedFor() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let result = try CommandRunner.run(
        SweepCommandTests.small + ["--out", "out", "--pictures", "svg", "--size", "100x70mm"],
        in: directory)
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("3 pictures in out/report-pictures"))
      let picture = try page(directory, "out/report-pictures/best-rate.svg")
      #expect(picture.contains("width=\"283.46pt\" height=\"198.43pt\""))
      let json = try object(
        CommandRunner.run(
          ["report", "out", "--pictures", "svg", "--font-size", "6", "--json"], in: directory
        ).output)
      #expect((json["pictures"] as? [String])?.count == 3)
      #expect(
        try page(directory, "out/report-pictures/best-rate.svg").contains("font-size=\"6\""))
    }
  }

  /// Before anything is trained.
  @Test(
    arguments: [
      ("sweep", ["--pictures", "pdf"], "rsvg-convert, which is not in PATH"),
      ("check", ["--size", "85mm"], "give --pictures too"),
      ("figures", ["--pictures", "svg", "--size", "20mm"], "too small"),
    ]) func badPictures_areRefused(command: String, arguments: [String], part: String) throws
  {
    try CommandRunner.withTemporaryDirectory { directory in
      let result = try CommandRunner.run(
        [command, "--out", "out"] + arguments, in: directory,
        environment: ["PATH": directory.path])
      #expect(result.status == 64 && result.errors.contains(part), "\(result.errors)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }
  }

  @Test func severalSweeps_areCompared_inTheCurrentDirectory() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      var other = SweepCommandTests.small
      other[other.firstIndex(of: "40")!] = "30"
      for (arguments, name) in [(SweepCommandTests.small, "a"), (other, "b")] {
        _ = try CommandRunner.run(arguments + ["--out", name], in: directory)
      }
      let result = try CommandRunner.run(["report", "a", "b", "a/"], in: directory)
      #expect(result.status == 0 && result.errors.contains("report in report.html"))
      let html = try page(directory)
      #expect(html.contains("B: spectral, adam") && !html.contains("C: spectral, adam"))
      #expect(html.contains(">steps<"))
      #expect(html.contains("href=\"a/runs/") && html.contains("href=\"b/runs/"))
    }
  }

  @Test func checkAndFigures_leavePages_thatReportMakesAnew() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let check = try CommandRunner.run(
        [
          "check", "--widths", "32,64,128", "--seeds", "3", "--depth", "2", "--rate-rule",
          "readout=sp",
        ], in: directory)
      let runs = directory.appendingPathComponent("runs")
      let name = try #require(try FileManager.default.contentsOfDirectory(atPath: runs.path).first)
      #expect(
        name.hasSuffix("-check") && check.errors.contains("report in runs/\(name)/report.html"))
      #expect(try page(runs.appendingPathComponent(name)).contains("It breaks the condition"))
      let figures = try CommandRunner.run(
        [
          "figures", "--widths", "16,32", "--seeds", "2", "--steps", "2", "--spectrum-width", "16",
          "--batch-sizes", "1,4", "--out", "f",
        ], in: directory)
      #expect(figures.status == 0, "\(figures.errors)")
      let places = [runs.appendingPathComponent(name), directory.appendingPathComponent("f")]
      for place in places {
        let before = try page(place)
        let again = try CommandRunner.run(["report", place.path, "--json"])
        #expect(again.status == 0, "\(again.errors)")
        #expect(try page(place) == before)
      }
    }
  }

  /// Values that are not finite are kept too.
  @Test func divergedNetworks_haveAPage() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let check = try CommandRunner.run(
        [
          "check", "--widths", "16,32", "--seeds", "2", "--depth", "4", "--log2-lr", "16", "--out",
          "c",
        ], in: directory)
      #expect(check.status == 2 && check.errors.contains("report in c/report.html"))
      #expect(try page(directory, "c/report.html").contains("? Cannot tell"))
      #expect(try CommandRunner.run(["report", "c"], in: directory).status == 0)
    }
  }

  @Test(
    arguments: [
      ([], 64, "Missing expected argument"),
      (["absent"], 1, "absent: expected a directory, found none"),
      (["."], 1, "expected sweep.json, check.json or figures.json"),
      (["."], 1, ".: expected sweep.json"), ([""], 64, "got an empty name"),
      ([".", "--out", "."], 64, "expected a file such as report.html"),
      ([".", "--out", "x/"], 64, "expected a file such as report.html"),
      ([".", "--pictures", "gif"], 64, "gif"),
    ] as [([String], Int32, String)])
  func badRequest_isRefusedInOneLine(arguments: [String], status: Int32, part: String) throws {
    let result = try CommandRunner.run(["report"] + arguments)
    #expect(result.status == status, "\(result.errors)")
    #expect(result.errors.contains(part), "\(result.errors)")
    #expect(result.output.isEmpty)
  }

  /// A directory has one page: of another command's results there would be none.
  @Test func otherResultsInTheDirectory_areRefused() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      try FileManager.default.createDirectory(
        at: directory.appendingPathComponent("there"), withIntermediateDirectories: true)
      for (name, command) in [
        ("sweep", ["check", "--out", "there"]), ("check", ["figures", "--out", "there"]),
        ("figures", ["sweep", "--out", "there"]),
      ] {
        let file = directory.appendingPathComponent("there/\(name).json")
        try Data("{}".utf8).write(to: file)
        let result = try CommandRunner.run(command, in: directory)
        #expect(result.status != 0 && result.errors.contains("there holds a \(name)"))
        try FileManager.default.removeItem(at: file)
      }
    }
  }
}
