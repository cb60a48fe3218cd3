import Foundation
import Testing

/// Every bad input gives one clear line, a non-zero exit, and changes nothing already written.
@Suite(.serialized, .runsPrograms) struct BadInputTests {
  /// Arguments and what the error line must contain.
  static let cases: [([String], [String])] = [
    (["--widths", "0"], ["--widths", "from 1 to", "0"]),
    (["--widths", "64,x"], ["--widths", "an integer", "64,x"]),
    (["--widths", "64,64"], ["widths", "64 twice"]),
    (["--widths", "99999999999"], ["widths", "16777216"]),
    (["--widths", "64", "128"], ["128", "stand between commas: --widths 64,128"]),
    (["runs.csv"], ["got a table", "gputrain transfer runs.csv", "--data"]),
    (["--log2-lr", ""], ["--log2-lr", "''"]),
    (["--log2-lr", "-8:-4:0"], ["--log2-lr", "START:STOP:COUNT"]),
    (["--log2-lr", "nan"], ["--log2-lr", "from -126 to 16"]),
    (["--log2-lr=0.001,0.01"], ["--log2-lr", "rates 1.001,1.007", "give lr 0.001,0.01"]),
    (["--lr=0.001,0"], ["--lr", "above 0 and at most 65536", "'0.001,0'"]),
    (["--lr=1e-3:1e6:4"], ["--lr", "at most 65536"]),
    (["--lr=0.001", "--log2-lr=-7"], ["give --log2-lr or --lr, not both"]),
    (["--log2-lr=2000"], ["--log2-lr", "from -126 to 16", "2000"]),
    (["--log2-lr=-10:-200:3"], ["--log2-lr", "from -126 to 16"]),
    (["--parametrization", "spektral"], ["spektral", "spectral"]),
    (["--optimizer", "lyon"], ["--optimizer", "adamw", "lyon"]),
    (["--hidden-pattern", "1:0"], ["--hidden-pattern", "1:0"]),
    (["--epochs", "2", "--steps", "3"], ["--epochs", "epochs or steps"]),
    (["--steps", "0"], ["--steps", "0"]),
    (["--seeds", "0"], ["--seeds", "0"]),
    (["--widths", "16777216", "--hidden-pattern", "1024"], ["--hidden-pattern", "1024"]),
    (["--widths", "16777216"], ["width 16777216", "device allows"]),
    (["--depth", "100000"], ["--depth", "4096"]),
    (["--log2-lr", "-9:-1:10000", "--seeds", "1000"], ["grid", "1000000"]),
    (["--validation-fraction", "1"], ["--validation-fraction"]),
    (["--batch-size", "-1"], ["--batch-size"]),
    (["--batch-size", "9901"], ["--batch-size", "9900 training rows", "9901"]),
    (
      ["--validation-fraction=0", "--objective=validation"], ["--objective", "no validation rows"]
    ),
    (["--schedule=cosine:150steps"], ["--schedule", "shorter than the run's 150 steps"]),
    (["--schedule=cosine:155steps", "--epochs=1"], ["--schedule", "run's 155 steps", "155"]),
    (["--device", "no-such-device"], ["no-such-device", "available"]),
    (["--device", "99"], ["99", "available"]),
    (["--memory", "10K"], ["not enough memory", "--memory"]),
    (["--memory", "lots"], ["--memory"]),
    (["--data", "/no/such/file.csv"], ["/no/such/file.csv"]),
    (["--task", "regression"], ["--task", "--data"]), (["--label", "y"], ["--label", "--data"]),
    (
      ["--data", "a.csv", "--task", "regression", "--loss", "cross-entropy"],
      ["--loss", "mse for task regression"]
    ),
    (["--weight-decay", "0.1", "--optimizer", "adam,adamw"], ["--weight-decay", "decoupled"]),
    (["--spectral-sphere", "0"], ["--spectral-sphere", "above 0", "0"]),
    (["--spectral-cap", "-1"], ["--spectral-cap", "above 0", "-1"]),
    (
      ["--spectral-cap", "2", "--spectral-sphere", "1"],
      ["spectral-cap", "spectral-sphere", "not both"]
    ),
    (["--spectral-clip", "0"], ["--spectral-clip", "above 0", "0"]),
    (["--heads", "3"], ["--heads", "network transformer"]),
    (
      ["--network", "transformer", "--widths", "30,64"],
      ["--widths", "multiples of 16", "30"]
    ),
    (
      ["--network=transformer", "--positions=rotary", "--head-size=5", "--widths=65"],
      ["--head-size", "even", "5"]
    ),
    (["--network", "transformer", "--tied", "--zero-readout"], ["--zero-readout", "tied"]),
    (["--network", "transformer", "--loss", "mse"], ["--loss", "cross-entropy"]),
    (["--network", "transformer", "--context", "600000"], ["tales", "1200002"]),
    (
      ["--network", "transformer", "--group", "embedding=optimizer:muon"],
      ["--group", "embedding"]
    ),
    (
      ["--network", "transformer", "--data", CommandRunner.data],
      [CommandRunner.data, "a text"]
    ),
    (
      ["--spectral-clip", "2", "--spectral-cap", "1"],
      ["spectral-cap", "spectral-clip", "not both"]
    ),
    (["--group", "hidden=spectral-clip:x"], ["--group", "spectral-clip", "above 0"]),
    (["--group", "hiden=spectral-sphere:1"], ["--group", "hidden", "'hiden'"]),
    (["--group", "hidden=spectral-sphere:0"], ["--group", "spectral-sphere", "above 0"]),
    (["--bias", "--group", "layers.1.bias=spectral-cap:1"], ["--group", "matrices", "vector"]),
    (["--schedule", "sometimes"], ["--schedule", "sometimes"]),
    (["--input-multiplier", "0"], ["--input-multiplier", "0"]),
    (["--scale", "depth"], ["--scale", "NAME=a,b,c", "'depth'"]),
    (["--scale", "momentum=0.5"], ["--scale", "depth, batch-size", "'momentum'"]),
    (["--scale", "depth=2,4", "--widths=16,32"], ["--scale", "one width", "16, 32"]),
    (["--scale", "width=16,32", "--widths=16"], ["--scale", "--widths", "not both"]),
    (["--scale", "depth=2,2"], ["--scale", "depth 2 twice"]),
    (["--scale", "depth=2,x"], ["--scale", "depth: expected an integer from 1", "'x'"]),
    (["--scale", "batch-size=32,9901"], ["--batch-size", "9900 training rows", "9901"]),
    (
      ["--scale=steps=10,50", "--schedule=cosine:20steps"],
      ["--schedule", "shorter than the run's 10 steps", "20"]
    ),
    (["--tune", "weight-decy=1,2"], ["--tune", "'weight-decy'", "did you mean 'weight-decay'?"]),
    (["--tune", "activation=1,2"], ["--tune", "activation is no number"]),
    (["--tune", "weight-decay=0,1"], ["--tune", "above 0", "got 0"]),
    (["--tune", "depth=2,4", "--scale", "depth=2,4"], ["--tune", "depth is the scale already"]),
    (["--tune", "log2-lr=-8,-7"], ["--tune", "give --log2-lr"]),
    (["--tune", "momentum=0.5,0.8"], ["--tune", "momentum: is for momentum, nesterov"]),
    (
      ["--tune=momentum=0.5,0.8", "--optimizer=momentum", "--log2-lr=-4,-3"],
      ["--tune", "one log2-lr", "2 of them"]
    ),
  ]

  /// The one line that says what is wrong; the command line's own parser adds how to get help.
  func error(of result: CommandResult) throws -> Substring {
    let lines = result.errors.split(separator: "\n").filter {
      !$0.hasPrefix("device: ") && !$0.hasPrefix("data: ")
    }
    let line = try #require(lines.first)
    #expect(line.hasPrefix("Error: "))
    let help = ["Help: ", "Usage: ", "  See "]
    #expect(
      lines.dropFirst().allSatisfy { line in help.contains { line.hasPrefix($0) } },
      "\(result.errors)")
    return line
  }

  @Test(arguments: cases) func badOption_givesOneLine(arguments: [String], parts: [String]) throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let result = try CommandRunner.run(["sweep", "--out", out.path] + arguments)
      #expect(result.status != 0)
      #expect(result.output.isEmpty)
      let line = try error(of: result)
      for part in parts { #expect(line.contains(part), "\(line)") }
      #expect(!FileManager.default.fileExists(atPath: out.path))
    }
  }

  @Test func badData_namesTheFileAndWhatWasFound() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let files: [(String, Data, [String])] = [
        ("empty.csv", Data(), ["empty"]),
        ("nan.csv", Data("a,b,label\n1,nan,0\n2,3,1\n".utf8), ["line 2", "nan"]),
        ("data_batch_1.bin", Data(repeating: 3, count: 3072), ["3073"]),
        ("data_batch_2.bin", Data(repeating: 200, count: 3073), ["label", "200"]),
        ("train-images-idx3-ubyte", Data([1, 2, 3, 4, 5, 6, 7, 8]), ["train-images-idx3-ubyte"]),
      ]
      for (name, content, parts) in files {
        let file = directory.appendingPathComponent(name)
        try content.write(to: file)
        let result = try CommandRunner.run([
          "sweep", "--data", file.path, "--out", directory.appendingPathComponent("out").path,
        ])
        #expect(result.status != 0)
        let line = try error(of: result)
        for part in parts + [name] {
          #expect(line.lowercased().contains(part.lowercased()), "\(line)")
        }
      }
    }
  }

  @Test func otherSettings_areNamed_andNothingIsMixed() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let arguments = SweepCommandTests.small + ["--out", out.path]
      _ = try CommandRunner.run(arguments)
      let summary = out.appendingPathComponent("summary.csv")
      let before = try Data(contentsOf: summary)
      let result = try CommandRunner.run(arguments + ["--bias"])
      #expect(result.status != 0)
      #expect(result.errors.contains("bias: stored false, given true"))
      #expect(try Data(contentsOf: summary) == before)
    }
  }

  /// Without validation rows there are no validation figures, and all else as ever.
  @Test func noValidationRows_giveNoValidationFigures() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let sweep = try CommandRunner.run(
        SweepCommandTests.small + ["--validation-fraction", "0", "--out", "out"], in: directory)
      #expect(sweep.status == 0, "\(sweep.errors)")
      let rows = try SweepCommandTests().summary(directory.appendingPathComponent("out"))
      #expect(rows.count == 13)
      for row in rows.dropFirst() {
        #expect(Double(row[9]) != nil && row[10].isEmpty && row[11].isEmpty, "\(row)")
      }
      let train = try CommandRunner.run(
        [
          "train", "--data", CommandRunner.data, "--width", "8", "--steps", "3",
          "--validation-fraction", "0",
        ], in: directory)
      #expect(train.status == 0 && !train.output.contains("validation"), "\(train.errors)")
    }
  }

  /// A store of the layout before is refused, and nothing in it changes.
  @Test func storeOfAnEarlierVersion_isRefused() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      try FileManager.default.createDirectory(at: out, withIntermediateDirectories: true)
      let file = out.appendingPathComponent("sweep.json")
      try Data("{\"depth\": 4}\n".utf8).write(to: file)
      let result = try CommandRunner.run(["sweep", "--out", out.path])
      #expect(result.status == 1)
      let line = try error(of: result)
      #expect(line.contains("a store of version 1") && line.contains("give another directory"))
      #expect(try Data(contentsOf: file) == Data("{\"depth\": 4}\n".utf8))
    }
  }

  @Test func unwritableDirectory_isNamed() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let file = directory.appendingPathComponent("file")
      try Data("kept".utf8).write(to: file)
      let result = try CommandRunner.run(["sweep", "--out", file.path])
      #expect(result.status != 0)
      #expect(result.errors.contains(file.path))
      #expect(try String(contentsOf: file, encoding: .utf8) == "kept")
    }
  }

  @Test func strangeDirectories_areRefused() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let link = directory.appendingPathComponent("link")
      try FileManager.default.createSymbolicLink(
        at: link, withDestinationURL: URL(fileURLWithPath: "/nonexistent/place"))
      for path in [link.path, link.appendingPathComponent("x").path, ""] {
        let result = try CommandRunner.run(["sweep", "--out", path])
        #expect(result.status == (path.isEmpty ? 64 : 1))
        _ = try error(of: result)
      }
    }
  }

  @Test func corruptResult_isNamed() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let arguments = SweepCommandTests.small + ["--out", out.path]
      _ = try CommandRunner.run(arguments)
      let runs = out.appendingPathComponent("runs")
      let name = try #require(try FileManager.default.contentsOfDirectory(atPath: runs.path).first)
      let file = runs.appendingPathComponent("\(name)/result.json")
      try Data("{".utf8).write(to: file)
      let result = try CommandRunner.run(arguments)
      #expect(result.status == 1)
      #expect(try error(of: result).contains(file.path))
    }
  }

  @Test func noPlatform_saysWhatToInstall() throws {
    for command in ["devices", "sweep"] {
      let result = try CommandRunner.run(
        [command], environment: ["OCL_ICD_VENDORS": "/nonexistent", "OCL_ICD_FILENAMES": ""])
      #expect(result.status != 0)
      #expect(result.errors.contains("no OpenCL platform found"), "\(result.errors)")
      #expect(result.errors.contains("pocl-opencl-icd"))
    }
  }
}
