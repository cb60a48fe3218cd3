import Foundation
import Testing

/// Every bad input gives one clear line, a non-zero exit, and changes nothing already written.
@Suite(.serialized) struct BadInputTests {
  /// Arguments and what the error line must contain.
  static let cases: [([String], [String])] = [
    (["--widths", "0"], ["widths", "≥ 1", "0"]),
    (["--widths", "64,x"], ["--widths", "integers", "64,x"]),
    (["--widths", "64,64"], ["widths", "64 twice"]),
    (["--widths", "99999999999"], ["widths", "at most"]),
    (["--log2-lr", ""], ["log2 learning rates"]),
    (["--log2-lr", "-8:-4:0"], ["log2 learning rates", "START:STOP:COUNT"]),
    (["--log2-lr", "nan"], ["log2 learning rates", "finite"]),
    (["--parametrization", "spektral"], ["spektral", "spectral"]),
    (["--optimizer", "lion"], ["--optimizer", "adamw", "lion"]),
    (["--hidden-pattern", "1:0"], ["hidden pattern", "1:0"]),
    (["--epochs", "2", "--steps", "3"], ["--epochs or --steps"]),
    (["--steps", "0"], ["--steps", "0"]),
    (["--seeds", "0"], ["--seeds", "0"]),
    (["--batch-size", "-1"], ["--batch-size"]),
    (["--device", "no-such-device"], ["no-such-device", "available"]),
    (["--device", "99"], ["99", "available"]),
    (["--memory", "10K"], ["not enough memory", "--memory"]),
    (["--memory", "lots"], ["--memory"]),
    (["--data", "/no/such/file.csv"], ["/no/such/file.csv"]),
    (["--weight-decay", "0.1", "--optimizer", "adam,adamw"], ["--weight-decay", "decoupled"]),
    (["--schedule", "sometimes"], ["--schedule", "sometimes"]),
    (["--input-multiplier", "0"], ["--input-multiplier", "0"]),
  ]

  @Test(arguments: cases) func badOption_givesOneLine(arguments: [String], parts: [String]) throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let result = try CommandRunner.run(["sweep", "--out", out.path] + arguments)
      #expect(result.status != 0)
      #expect(result.output.isEmpty)
      let line = try #require(
        result.errors.split(separator: "\n").first { $0.hasPrefix("Error: ") })
      for part in parts { #expect(line.contains(part), "\(line)") }
      #expect(!FileManager.default.fileExists(atPath: out.path))
    }
  }

  @Test func badData_namesTheFileAndWhatWasFound() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let files: [(String, Data, [String])] = [
        ("empty.csv", Data(), ["empty"]),
        ("nan.csv", Data("a,b,label\n1,nan,0\n2,3,1\n".utf8), ["row", "nan"]),
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
        let line = try #require(
          result.errors.split(separator: "\n").first { $0.hasPrefix("Error: ") })
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
