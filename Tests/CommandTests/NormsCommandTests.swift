import Experiments
import Foundation
import Testing
import Training

/// `gputrain norms` run as a user would.
@Suite(.runsPrograms) struct NormsCommandTests {
  struct Row: Decodable {
    let name: String
    let shape: [Int]
    let spectral_norm, lower, upper, ratio, frobenius_norm, stable_rank: Double?
    let flattened: [Int]?
    let file: String?
    let update_spectral_norm, update_ratio, relative_update: Double?
    let problem: String?
  }

  static let keys: Set = [
    "name", "shape", "spectral_norm", "lower", "upper", "ratio", "frobenius_norm", "stable_rank",
  ]

  /// diag(2, −4) as 2×8, a convolution of ones, a bias.
  static let tensors = [
    NamedValues(
      name: "layers.0.weight", shape: [2, 8],
      values: [2, 0, 0, 0, 0, 0, 0, 0, 0, -4, 0, 0, 0, 0, 0, 0]),
    NamedValues(name: "conv.weight", shape: [1, 2, 2], values: [1, 1, 1, 1]),
    NamedValues(name: "layers.0.bias", shape: [2], values: [0, 0]),
  ]

  private func withFile(
    _ tensors: [NamedValues] = tensors, _ body: (URL, String) throws -> Void
  ) throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let url = directory.appendingPathComponent("w.safetensors")
      try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: url)
      try body(directory, url.path)
    }
  }

  private func rows(_ arguments: [String]) throws -> [Row] {
    let result = try CommandRunner.run(["norms", "--json"] + arguments)
    #expect(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode([Row].self, from: Data(result.output.utf8))
  }

  @Test func table_isSortedAndSaysWhatIsLeftOut() throws {
    try withFile { _, path in
      let result = try CommandRunner.run(["norms", path])
      #expect(result.status == 0, "\(result.errors)")
      #expect(
        result.output == """
          matrix          shape ‖W‖* [lower, upper] /√(out/in)  ‖W‖F stable
          layers.0.weight 2×8      4         [4, 4]          8 4.472   1.25
          conv.weight     1×4*     2         [2, 2]          4     2      1

          flattened: 1 of more dimensions, [out, in, k, …] as out × in·k·…
          left out: 1 tensor with fewer than two dimensions (biases, gains, scalars)

          """)
    }
  }

  @Test func json_hasExactlyTheKeys() throws {
    try withFile { _, path in
      let result = try CommandRunner.run(["norms", "--json", "--sort", "norm", path])
      let objects = try #require(
        try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
      #expect(objects.count == 2)
      #expect(Set(objects[0].keys) == Self.keys)
      #expect(Set(objects[1].keys) == Self.keys.union(["flattened"]))
      #expect(result.errors.contains("left out: 1 tensor with fewer than two dimensions"))
      let rows = try JSONDecoder().decode([Row].self, from: Data(result.output.utf8))
      #expect(rows.map(\.name) == ["layers.0.weight", "conv.weight"])
      #expect(rows[1].shape == [1, 2, 2] && rows[1].flattened == [1, 4])
      let first = rows[0]
      let spectral = try #require(first.spectral_norm)
      #expect(abs(spectral - 4) <= 4e-5)
      #expect(try #require(first.lower) <= 4)
      #expect(try #require(first.upper) >= 4)
      #expect(abs(try #require(first.ratio) - 8) <= 8e-5)
      #expect(abs(try #require(first.frobenius_norm) - 20.squareRoot()) <= 1e-9)
      #expect(abs(try #require(first.stable_rank) - 1.25) <= 4e-5)
    }
  }

  @Test func csv_isALineAMatrix() throws {
    try withFile { _, path in
      let result = try CommandRunner.run(["norms", "--csv", "--filter", "conv", path])
      let lines = result.output.split(separator: "\n")
      #expect(
        lines[0] == "name,shape,spectral_norm,lower,upper,ratio,frobenius_norm,stable_rank")
      #expect(lines.count == 2 && lines[1].hasPrefix("conv.weight,1x2x2,"))
      #expect(lines[1].split(separator: ",").dropFirst(2).allSatisfy { Double($0) != nil })
    }
  }

  @Test func filterAndSort_chooseAndOrder() throws {
    try withFile { _, path in
      #expect(try rows(["--filter", "layers.*.weight", path]).map(\.name) == ["layers.0.weight"])
      #expect(try rows(["--filter", "weight", path]).count == 2)
      #expect(try rows(["--filter", "weigh?", path]).isEmpty)
      #expect(try rows(["--sort", "name", path]).first?.name == "conv.weight")
      #expect(try rows(["--sort", "stable-rank", path]).first?.name == "conv.weight")
      let files = try rows([path, path]).map(\.file)
      #expect(files == [path, path, path, path])
    }
  }

  @Test func against_addsTheUpdate() throws {
    try withFile { directory, path in
      var later = Self.tensors
      var values = later[0].values
      values[15] = 0.5
      later[0] = NamedValues(name: later[0].name, shape: later[0].shape, values: values)
      let other = directory.appendingPathComponent("later.safetensors")
      try SafetensorsWriter.write(later, to: other)
      let rows = try rows([other.path, "--against", path])
      let row = try #require(rows.first)
      #expect(row.name == "layers.0.weight")
      let update = try #require(row.update_spectral_norm)
      #expect(abs(update - 0.5) <= 5e-6)
      #expect(abs(try #require(row.update_ratio) - 1) <= 1e-5)
      let relative = try #require(row.relative_update)
      let spectral = try #require(row.spectral_norm)
      #expect(abs(relative * spectral - update) <= 1e-12)
      #expect(rows[1].update_spectral_norm == 0 && rows[1].relative_update == 0)
      let table = try CommandRunner.run(["norms", other.path, "--against", path])
      #expect(table.output.contains("‖ΔW‖*/‖W‖*"))
      #expect(table.output.split(separator: "\n").allSatisfy { $0.count <= 80 })

      // The steps of a run: each file less the first.
      let steps = try self.rows([path, other.path, "--against", path, "--filter", "layers"])
      #expect(steps.map(\.file) == [other.path, path])
      #expect(steps.map { $0.update_spectral_norm ?? -1 > 0.4 } == [true, false])

      later.removeLast()
      try SafetensorsWriter.write(later, to: other)
      let result = try CommandRunner.run(["norms", other.path, "--against", path])
      #expect(result.status == 1 && result.output.isEmpty)
      #expect(result.errors.hasPrefix("Error: ") && result.errors.contains("layers.0.bias"))
    }
  }

  @Test func valuesThatAreNotFinite_areReported_andTheOthersMeasured() throws {
    let bad = NamedValues(name: "bad", shape: [2, 2], values: [0, .nan, 0, 0])
    try withFile(Self.tensors + [bad]) { _, path in
      let table = try CommandRunner.run(["norms", path])
      #expect(table.status == 1)
      #expect(table.output.contains("not finite: bad: nan at row 1, column 2"))
      #expect(table.output.contains("layers.0.weight 2×8      4"))
      let json = try CommandRunner.run(["norms", "--json", path])
      #expect(json.status == 1)
      let rows = try JSONDecoder().decode([Row].self, from: Data(json.output.utf8))
      #expect(rows.last?.name == "bad" && rows.last?.spectral_norm == nil)
      #expect(rows.count == 3 && rows[0].spectral_norm != nil)
    }
  }

  /// A name that would move the cursor or break a line of the table.
  @Test func namesFromOutside_cannotSteerTheTerminal() throws {
    let name = "=a\u{1B}[2J\n\u{9B}b,\"c\""
    try withFile([NamedValues(name: name, shape: [1, 1], values: [1])]) { _, path in
      let table = try CommandRunner.run(["norms", path])
      #expect(table.output.split(separator: "\n").count == 2)
      #expect(!table.output.contains("\u{1B}"))
      #expect(try rows([path]).first?.name == name)
      let json = try CommandRunner.run(["norms", "--json", path]).output
      #expect(json.contains("=a\\u001b[2J\\n\\u009bb"), "\(json)")
      let csv = try CommandRunner.run(["norms", "--csv", path])
      #expect(csv.output.contains("\"'=a [2J\n b,\"\"c\"\"\",1x1,"), "\(csv.output)")
    }
  }

  /// Kernels as GPT-2 has them, by name, by option and against its name.
  @Test func layouts_areSaidAndDecided() throws {
    let kernel = NamedValues(
      name: "h.0.mlp.c_fc.weight", shape: [2, 8],
      values: [2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0])
    let table = NamedValues(
      name: "wte.weight", shape: [3, 4], values: [3, 4] + .init(repeating: 0, count: 10))
    try withFile([kernel, table, NamedValues(name: "plain", shape: [2, 8], values: kernel.values)])
    {
      _, path in
      let result = try CommandRunner.run(["norms", path, "--sort", "name", "--transpose", "plain"])
      #expect(
        result.output.contains("read as [in, out], by name: 1 (h.0.mlp.c_fc.weight)"),
        "\(result.output)")
      #expect(result.output.contains("h.0.mlp.c_fc.weight 8×2†"))
      func expectRatios(_ rows: some Collection<Row>, _ expected: [Double]) throws {
        let ratios = try rows.map { try #require($0.ratio) }
        #expect(zip(ratios, expected).allSatisfy { abs($0 - $1) <= 1e-5 }, "\(ratios)")
        #expect(ratios.count == expected.count)
      }
      try expectRatios(rows([path, "--sort", "name"]), [1, 4, 2.5])
      let decided = try rows([
        path, "--sort", "name", "--transpose", "plain", "--as-stored", "c_fc", "--split", "c_fc=2",
      ])
      #expect(
        decided.map(\.name) == [
          "h.0.mlp.c_fc.weight[0]", "h.0.mlp.c_fc.weight[1]", "plain", "wte.weight",
        ])
      try expectRatios(decided.dropFirst(2), [1, 2.5])
      for (arguments, part) in [
        (["--transpose", "none"], "'none'"), (["--split", "w=0"], "PATTERN=N"),
        (["--split", "w"], "PATTERN=N"),
        (["--split", "wte=2", "--embedding", "wte"], nil),
        (["--split", "c_fc=3", "--filter", "c_fc"], "3 equal"),
      ] as [([String], String?)] {
        let result = try CommandRunner.run(["norms", path] + arguments)
        #expect((result.status == 0) == (part == nil), "\(arguments): \(result.errors)")
        if let part { #expect(result.errors.contains(part), "\(result.errors)") }
      }
    }
  }

  /// Every tensor has ‖W‖*/√(out/in) = 1 in truth. A ratio is 1, or the output says how the tensor was
  /// read and which options decide otherwise, and these do.
  @Test func othersLayouts_areReadRight_orSaid() throws {
    // [out, in] with singular values √(out/in), and the same as [in, out].
    func weight(_ out: Int, _ input: Int) -> [[Float]] {
      let size = Float((Double(out) / Double(input)).squareRoot())
      return (0..<out).map { row in (0..<input).map { row % input == $0 && row < input ? size : 0 }
      }
    }
    let tall = weight(16, 4)
    let turned = (0..<4).flatMap { column in tall.map { $0[column] } }
    let plain = tall.flatMap(\.self)
    // out × in·k·k as [in, out, k, k].
    let convolution = weight(6, 8)
    let transposed = (0..<2).flatMap { input in
      convolution.flatMap { $0[4 * input..<4 * (input + 1)] }
    }
    // Fan-in of an embedding is 1: a row's norm over √width.
    let table = (0..<5).flatMap { row in [row == 3 ? 2 : 1, 0, 0, 0] as [Float] }
    let tensors = [
      NamedValues(name: "linear.weight", shape: [16, 4], values: plain),
      NamedValues(name: "h.0.mlp.c_fc.weight", shape: [4, 16], values: turned),
      NamedValues(name: "dec.deconv.weight", shape: [2, 6, 2, 2], values: transposed),
      NamedValues(name: "wte.weight", shape: [5, 4], values: table),
      NamedValues(name: "out.experts.up", shape: [2, 16, 4], values: plain + plain),
      NamedValues(name: "in.experts.up", shape: [2, 4, 16], values: turned + turned),
    ]
    try withFile(tensors) { _, path in
      func wrong(_ arguments: [String]) throws -> [String] {
        try rows([path, "--sort", "name"] + arguments).filter { row in
          row.ratio.map { abs($0 - 1) > 1e-5 } ?? true
        }.map(\.name)
      }
      // Names do not say whether experts are [out, in].
      #expect(try wrong([]) == ["in.experts.up"])
      let said = try CommandRunner.run(["norms", path]).output
      #expect(said.contains("read as [stack, out, in], the largest of each stack, by name: 2"))
      #expect(said.contains("in.experts.up       2·4×16†") && said.contains("†: --transpose"))
      #expect(try wrong(["--transpose", "in.experts.up"]).isEmpty)
    }
  }

  struct Series: Decodable {
    struct Exponent: Decodable {
      let tensor, quantity, verdict, role: String
      let exponent, condition: Double
      let lower, upper: Double?
      let values: [Double]
    }
    let verdict: String
    let failures, exponents: [Exponent]
    let culprit: Exponent?
    let widths: [Int]
  }

  /// Square matrices of norm 1 whose updates grow as the width's power.
  private func withSeries(
    power: Double, _ body: ([String], String) throws -> Void
  ) throws {
    try CommandRunner.withTemporaryDirectory { directory in
      var first = ""
      let arguments = try [32, 64, 128].map { width in
        let files = try [0, pow(Double(width), power) / 64].map { change in
          let url = directory.appendingPathComponent("w:\(width)-\(change).safetensors")
          var values = [Float](repeating: 0, count: width * width)
          (values[0], values[width + 1]) = (1, Float(change))
          try SafetensorsWriter.write(
            [NamedValues(name: "layers.1.weight", shape: [width, width], values: values)], to: url)
          return url.path
        }
        first = files[0]
        return "\(width)=\(files[0]):\(files[1])"
      }
      try body(arguments.flatMap { ["--series", $0] }, first)
    }
  }

  @Test func series_givesTheVerdictOfCheck() throws {
    for (power, status, verdict) in [(0.0, Int32(0), "pass"), (1, 1, "fail")] {
      try withSeries(power: power) { arguments, _ in
        let result = try CommandRunner.run(["norms", "--json"] + arguments)
        #expect(result.status == status, "\(result.errors)")
        let report = try JSONDecoder().decode(Series.self, from: Data(result.output.utf8))
        #expect(report.verdict == verdict && report.widths == [32, 64, 128])
        #expect(report.exponents.map(\.quantity) == ["weight_norm", "update_norm"])
        let update = try #require(report.exponents.last)
        #expect(abs(update.exponent - power) <= 1e-4 && update.values.count == 3)
        #expect(update.tensor == "layers.1.weight" && update.role == "hidden")
        #expect(report.failures.map(\.quantity) == (power == 0 ? [] : ["update_norm"]))
        #expect(report.culprit?.tensor == (power == 0 ? nil : "layers.1.weight"))
        let table = try CommandRunner.run(["norms"] + arguments)
        #expect(table.status == status && table.output.contains("verdict  "))
        #expect(table.output.contains("one step after the start"))
      }
    }
  }

  /// Two files give no interval; of what cannot be read there is no verdict either.
  @Test func seriesThatTellNothing_haveTheirOwnStatus() throws {
    try withSeries(power: 0.3) { arguments, _ in
      let two = try CommandRunner.run(["norms"] + arguments.prefix(4))
      #expect(two.status == 2 && two.output.contains("verdict  cannot tell"), "\(two.output)")
      let absent = try CommandRunner.run(
        ["norms"] + arguments + ["--series", "64=/no/such:/other"])
      #expect(absent.status == 2 && absent.output.isEmpty && absent.errors.contains("missing"))
      let alone = try CommandRunner.run(["norms"] + arguments.prefix(2))
      #expect(alone.status == 64, "\(alone.errors)")
    }
  }

  @Test func seriesThatMakeNoSense_areRefused() throws {
    try withSeries(power: 0) { arguments, file in
      let cases: [([String], String)] = [
        (["--series", arguments[1]], "two widths"), (["--series", "x=a:b"], "WIDTH=BEFORE:AFTER"),
        (["--series", "8="], "WIDTH=BEFORE:AFTER"), (["--series", "0=a:b"], "--series"),
        (arguments + ["a.safetensors"], "takes the place"),
        (arguments + ["--csv"], "takes the place"),
        (arguments + ["--series", "64=/no/such:/other"], "missing"),
        (arguments + ["--series", "64=\(file)"], "every network"),
      ]
      for (arguments, part) in cases {
        let result = try CommandRunner.run(["norms"] + arguments)
        #expect(result.status != 0 && result.output.isEmpty, "\(arguments)")
        #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
      }
    }
  }

  @Test func emptyAndTinyModels_areNoError() throws {
    try withFile([NamedValues(name: "none", shape: [0, 5], values: [])]) { _, path in
      let result = try CommandRunner.run(["norms", path])
      #expect(result.status == 0)
      #expect(result.output == "left out: 1 tensor without elements\n")
      #expect(try rows([path]).isEmpty)
    }
  }

  /// Arguments, the file they are given, and what the one line of error must contain.
  static let badFiles: [(String, [UInt8], [String])] = [
    ("empty.safetensors", [], ["empty.safetensors", "empty"]),
    ("short.safetensors", [1, 2, 3], ["short.safetensors", "truncated"]),
    (
      "long.safetensors", [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7B],
      ["long.safetensors", "100000000"]
    ),
    ("zip.npz", Array("PK\u{3}\u{4}".utf8) + [0, 0, 0], ["zip.npz", "directory"]),
    ("text.txt", Array("hello, world".utf8), ["text.txt", "unrecognized", "safetensors"]),
    ("model.safetensors.index.json", Array(#"{"weight_map":{"a":"../x"}}"#.utf8), ["../x"]),
    ("model.safetensors.index.json", Array(#"{"weight_map":{"a":"x"}}"#.utf8), ["x: missing"]),
  ]

  @Test(arguments: badFiles.indices) func badFile_givesOneLine(index: Int) throws {
    let (name, bytes, parts) = Self.badFiles[index]
    try CommandRunner.withTemporaryDirectory { directory in
      let file = directory.appendingPathComponent(name)
      try Data(bytes).write(to: file)
      let result = try CommandRunner.run(["norms", file.path])
      #expect(result.status == 1 && result.output.isEmpty)
      #expect(result.errors.hasPrefix("Error: "))
      #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
      for part in parts { #expect(result.errors.contains(part), "\(result.errors)") }
    }
  }

  @Test func badArguments_areRefused() throws {
    try withFile { _, path in
      let cases: [([String], [String])] = [
        ([], ["<file>"]), (["/no/such/file"], ["/no/such/file", "missing"]),
        ([path, "--sort", "size"], ["--sort", "stable-rank"]),
        ([path, "--csv", "--json"], ["--csv or --json"]),
        ([path, "--against", "/no/such/file"], ["/no/such/file"]),
        ([path, "--device", "no-such-device"], ["no-such-device", "available"]),
      ]
      for (arguments, parts) in cases {
        let result = try CommandRunner.run(["norms"] + arguments)
        #expect(result.status != 0 && result.output.isEmpty, "\(arguments)")
        #expect(result.errors.hasPrefix("Error: "), "\(result.errors)")
        for part in parts { #expect(result.errors.contains(part), "\(result.errors)") }
      }
    }
  }
}
