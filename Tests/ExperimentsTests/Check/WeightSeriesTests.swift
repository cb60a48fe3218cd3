import Foundation
import Testing
import Training

@testable import Experiments

/// Files of matrices whose norms grow with width by known exponents.
@Suite struct WeightSeriesTests {
  private let widths = [32, 64, 128, 256]

  /// What is written of one tensor at a width: its shape, and ‖W‖/√(out/in) as a power of the width.
  private struct Tensor {
    var name: String
    var shape: (Int) -> [Int]
    var start, update: Double
  }

  /// The norm of a matrix with one entry.
  private struct FrobeniusMeasure: MatrixMeasure {
    func norms(of matrix: any MatrixRows) throws -> MatrixNorms {
      let values = try matrix.values(0..<matrix.rows)
      let norm = values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      return MatrixNorms(spectral: norm, lower: norm, upper: norm, frobenius: norm)
    }
  }

  /// An input layer, a hidden one, a readout, an embedding and a matrix that never changes shape.
  private let network = [
    Tensor(name: "layers.0.weight", shape: { [$0, 2] }, start: 0, update: 0),
    Tensor(name: "layers.1.weight", shape: { [$0, $0] }, start: 0, update: 0),
    Tensor(name: "layers.2.weight", shape: { [2, $0] }, start: 0, update: 0),
    Tensor(name: "wte.weight", shape: { [5, $0] }, start: 0, update: 0),
    Tensor(name: "fixed.weight", shape: { _ in [3, 2] }, start: 0, update: 0),
  ]

  /// A matrix of one entry in its first row, which is every norm of it.
  private func values(_ tensor: Tensor, _ width: Int, _ size: Double) -> NamedValues {
    let shape = tensor.shape(width)
    let scale =
      tensor.name.hasPrefix("wte")
      ? Double(width).squareRoot() : (Double(shape[0]) / Double(shape[1])).squareRoot()
    var values = [Float](repeating: 0, count: shape[0] * shape[1])
    values[0] = Float(size * scale)
    return NamedValues(name: tensor.name, shape: shape, values: values)
  }

  /// The size of a start that meets the condition: a Gaussian matrix under the spectral rule.
  private func needed(_ tensor: Tensor, _ width: Int) -> Double {
    let (n, two) = (Double(width), 2.0)
    return switch tensor.name {
    case "layers.0.weight": 1 + (two / n).squareRoot()
    case "layers.2.weight": 1 + (two / n).squareRoot()
    default: 1
    }
  }

  /// - edit: of a network's tensors before and after the step, by width.
  private func report(
    _ network: [Tensor], widths: [Int]? = nil, seeds: Int = 1, prefix: String = "",
    noise: Double = 0, updates: Bool = true, rules: LayoutRules = LayoutRules(),
    filter: @escaping (String) -> Bool = { _ in true },
    edit: (Int, inout [NamedValues]) -> Void = { _, _ in }
  ) throws -> SeriesReport {
    let folder = try TemporaryFolder()
    var random = SplitMix(state: 7)
    var members: [WeightSeries.Member] = []
    for width in widths ?? self.widths {
      for seed in 0..<seeds {
        func file(_ name: String, _ tensors: [NamedValues]) throws -> WeightFile {
          let url = URL(fileURLWithPath: "\(folder.path)/\(name)-\(width)-\(seed).safetensors")
          var tensors = tensors
          edit(width, &tensors)
          try SafetensorsWriter.write(tensors, to: url)
          return try WeightFile(path: url.path)
        }
        func factor() -> Double { exp2(noise * Double.random(in: -1...1, using: &random)) }
        let n = Double(width)
        let before = network.map {
          values($0, width, needed($0, width) * pow(n, $0.start) * factor())
        }
        let after = zip(network, before).map { tensor, old in
          let change = values(tensor, width, pow(n, tensor.update) * factor() / 8)
          return NamedValues(
            name: prefix + tensor.name, shape: old.shape,
            values: zip(old.values, change.values).map { $0 + $1 })
        }
        members.append(
          .init(
            width: width, before: try file("before", before),
            after: updates ? try file("after", after) : nil))
      }
    }
    return try WeightSeries(members, rules: rules, filter: filter).run(FrobeniusMeasure())
  }

  /// The same tensor without an update.
  private func frozen(_ tensor: Tensor) -> Tensor {
    var tensor = tensor
    tensor.update = -.infinity
    return tensor
  }

  private func broken(_ report: SeriesReport) -> [String] {
    report.failures.filter { $0.verdict == .breaks }.map { "\($0.tensor) \($0.quantity.rawValue)" }
  }

  @Test func networkThatMeetsTheCondition_passes() throws {
    let report = try self.report(network)
    #expect(report.verdict == .pass && report.failures.isEmpty)
    #expect(report.exponents.count == 10 && report.unjudged.isEmpty)
    #expect(
      report.remarks == [
        "read as [vocabulary, width], norm of the largest row over √width, by name: wte.weight"
      ])
    #expect(
      report.exponents.map(\.role).uniqued() == [.embedding, .input, .hidden, .fixed, .readout])
    for exponent in report.exponents {
      #expect(abs(exponent.exponent - exponent.condition) <= 1e-6, "\(exponent.tensor)")
    }
    #expect(report.table().contains("verdict  meets the spectral condition"))
  }

  /// Standard parametrization under Adam: hidden updates grow as n, so do the readout's, whose start
  /// grows as √n.
  @Test func faults_areFoundWithTheirExponents() throws {
    var network = network
    network[1].update = 1
    (network[2].start, network[2].update) = (0.5, 1)
    let report = try self.report(network)
    #expect(report.verdict == .fail)
    #expect(
      broken(report) == [
        "layers.1.weight update_norm", "layers.2.weight weight_norm", "layers.2.weight update_norm",
      ])
    let culprit = try #require(report.failures.first)
    #expect(abs(culprit.exponent - 1) <= 1e-5)
    #expect(report.failures.allSatisfy { $0.upper != nil })
    let table = report.table()
    #expect(
      report.sentence
        == "breaks the spectral condition, first in layers.1.weight: ‖ΔW‖/√(out/in) grows as n^1.00 "
        + "where n^0.00 is needed. Others: layers.2.weight")
    #expect(table.contains("verdict  breaks") && table.contains("one step after the start"))
    #expect(table.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(table)")
  }

  @Test func embeddingsAndFixedTensors_areJudgedToo() throws {
    var network = network
    network[3].update = -0.5
    network[4].start = 0.5
    #expect(try broken(report(network)) == ["wte.weight update_norm", "fixed.weight weight_norm"])
  }

  /// Two files have no interval, and a noisy series no verdict: neither is a pass.
  @Test func whatCannotBeTold_isNoPass() throws {
    let two = try report(network, widths: [32, 256])
    #expect(two.verdict == .unclear && two.exponents.allSatisfy { $0.lower == nil })
    #expect(two.table().contains("cannot tell") && two.table().contains("give more widths"))
    #expect(try report(network, noise: 1.5).verdict != .pass)
    // Small noise is in the interval, which holds the true exponent.
    let noisy = try report(network, seeds: 4, noise: 0.1)
    #expect(noisy.verdict == .pass && noisy.files == 16)
    for exponent in noisy.exponents where exponent.quantity == .updateNorm {
      #expect(try #require(exponent.lower) < 0.05 && #require(exponent.upper) > -0.05)
      #expect(try #require(exponent.upper) > #require(exponent.lower))
    }
  }

  @Test func startsAlone_andPrefixes_areTaken() throws {
    let starts = try report(network, updates: false)
    #expect(starts.verdict == .pass && starts.exponents.count == 5)
    #expect(!starts.table().contains("one step after"))
    let wrapped = try report(network, prefix: "module.")
    #expect(wrapped.verdict == .pass && wrapped.exponents.map(\.tensor).contains("layers.1.weight"))
    #expect(wrapped.remarks.contains { $0.contains("module.") })
  }

  /// A readout that starts at 0 has no exponent there; one that is 0 at some widths has none at all.
  @Test func zeroReadout_isSaid_andOtherZerosAreNotPassed() throws {
    func zero(_ name: String, at widths: [Int]) throws -> SeriesReport {
      try report(
        network, updates: false,
        edit: { width, tensors in
          guard widths.contains(width) else { return }
          for index in tensors.indices where tensors[index].name == name {
            let old = tensors[index]
            tensors[index] = NamedValues(
              name: name, shape: old.shape, values: old.values.map { _ in 0 })
          }
        })
    }
    let readout = try zero("layers.2.weight", at: widths)
    #expect(readout.verdict == .pass && readout.exponents.count == 4)
    #expect(
      readout.remarks.contains(
        "1 tensor, 0 at the start in every file, which has no exponent: layers.2.weight"))
    let hidden = try zero("layers.1.weight", at: widths)
    #expect(hidden.verdict == .unclear && hidden.unjudged == ["layers.1.weight"])
    #expect(hidden.sentence == "cannot tell: not judged: layers.1.weight")
    let some = try zero("layers.2.weight", at: [64])
    #expect(some.verdict == .unclear && some.unjudged == ["layers.2.weight"])
  }

  /// Tensors of a network that were not judged, whyever, are said and pass nothing; what surely breaks breaks.
  @Test func whatIsNotJudged_isNoPass() throws {
    // The file after is the file before, in one tensor or in all.
    for names in [["layers.1.weight"], network.map(\.name)] {
      let report = try self.report(
        network.map { names.contains($0.name) ? frozen($0) : $0 })
      #expect(report.verdict == .unclear && report.unjudged.contains("layers.1.weight"))
      #expect(!report.unjudged.contains("fixed.weight"))
      #expect(report.remarks.contains { $0.contains("there is no update to judge: ") })
    }
    var broken = network
    broken[1].update = 1
    // Missing at one width, and called otherwise there.
    for name in [nil, "encoder.layers.1.weight"] {
      func part(_ network: [Tensor]) throws -> SeriesReport {
        try report(
          network,
          edit: { width, tensors in
            guard width == 32 else { return }
            let index = tensors.firstIndex { $0.name == "layers.1.weight" }!
            let old = tensors.remove(at: index)
            if let name {
              tensors.append(NamedValues(name: name, shape: old.shape, values: old.values))
            }
          })
      }
      let lacking = try part(broken)
      #expect(lacking.verdict == .unclear && lacking.unjudged.contains("layers.1.weight"))
      let head = name == nil ? "left out: 1 tensor, which" : "left out: 2 tensors, which"
      #expect(lacking.remarks.contains { $0.hasPrefix(head) }, "\(lacking.remarks)")
      var worse = broken
      worse[2].update = 1
      #expect(try part(worse).verdict == .fail)
    }
  }

  /// Types that are not read, and members of archives that are broken, in every file.
  @Test func whatCannotBeRead_isNoPass() throws {
    let folder = try TemporaryFolder()
    func array(_ width: Int, _ value: Float) -> [Float] {
      [value] + [Float](repeating: 0, count: width * width - 1)
    }
    func members(_ name: String, _ bytes: (Int, Float) -> [UInt8]) throws -> [WeightSeries.Member] {
      try [32, 64, 128, 256].map { width in
        let files = try [1 as Float, 2].map { value in
          try WeightFile(path: folder.write("\(width)-\(value)-\(name)", bytes(width, value)))
        }
        return .init(width: width, before: files[0], after: files[1])
      }
    }
    func verdict(
      _ members: [WeightSeries.Member], filter: @escaping (String) -> Bool = { _ in true }
    ) throws -> SeriesReport {
      try WeightSeries(members, filter: filter).run(FrobeniusMeasure())
    }
    func stored(_ type: String, _ shape: @escaping (Int) -> [Int]) throws -> [WeightSeries.Member] {
      try members("\(type).safetensors") { width, value in
        let (first, count) = (4 * width * width, shape(width).reduce(1, *))
        return safetensors(
          "{\(entry("a", "F32", [width, width], 0, first)),"
            + "\(entry("b", type, shape(width), first, first + count))}",
          raw(array(width, value)) + [UInt8](repeating: 1, count: count))
      }
    }
    for (type, shape) in [
      ("F8_E4M3", { [$0, $0] }), ("F8_E4M3", { _ in [3, 2] }), ("I8", { [$0, 2 * $0] }),
    ] as [(String, (Int) -> [Int])] {
      let report = try verdict(stored(type, shape))
      #expect(report.verdict == .unclear && report.unjudged == ["b"])
      #expect(report.remarks == ["b: values of type \(type) are not read"])
      #expect(try verdict(stored(type, shape)) { $0 == "a" }.verdict == .pass)
    }
    // Positions and masks are no weights.
    #expect(try verdict(stored("U8") { _ in [1, 512] }).verdict == .pass)
    let damaged = try members("w.npz") { width, value in
      let good = npy("<f4", [width, width], raw(array(width, value)))
      var broken = good
      broken[1] = 0
      return zip([ZipFixture("a.npy", good), ZipFixture("b.npy", broken)])
    }
    let report = try verdict(damaged)
    #expect(report.verdict == .unclear && report.unjudged == ["b"])
    #expect(report.remarks.contains { $0.hasPrefix("b: cannot be read in 8 of the files; ") })
    #expect(try verdict(damaged) { $0 == "a" }.verdict == .pass)
  }

  /// Files of one network, or of the widths in another order, say nothing of width.
  @Test func filesOfOtherWidths_areNoSeries() throws {
    let folder = try TemporaryFolder()
    func file(_ width: Int) throws -> WeightFile {
      let url = URL(fileURLWithPath: "\(folder.path)/\(width).safetensors")
      try SafetensorsWriter.write(network.map { values($0, width, 1) }, to: url)
      return try WeightFile(path: url.path)
    }
    let cases: [([(Int, Int)], String)] = [
      ([(32, 32), (64, 32), (128, 32)], "widths 32 and 64 have the same extents"),
      ([(32, 32), (64, 64), (128, 64)], "widths 64 and 128 have the same extents"),
      ([(32, 128), (64, 64), (128, 32)], "an extent of 128 in a file of width 32 and of 64"),
      ([(32, 32), (64, 64), (64, 65), (128, 128)], "an extent of 64 in a file of width 64"),
      ([(32, 32), (64, 33), (128, 34)], "no extent of any tensor grows as the widths"),
    ]
    for (files, part) in cases {
      let members = try files.map { width, actual in
        WeightSeries.Member(width: width, before: try file(actual), after: nil)
      }
      let report = try WeightSeries(members).run(FrobeniusMeasure())
      #expect(report.verdict == .unclear && report.exponents.isEmpty)
      #expect(report.sentence.contains(part), "\(report.sentence)")
      #expect(report.sentence.hasSuffix("these are no networks of the widths given"))
    }
  }

  /// No vocabulary grows with width: what does is no embedding, whatever it is called.
  @Test func extentsThatGrow_decideAgainstNames() throws {
    var network = network
    network[0].name = "input.embedding.weight"
    network[1].name = "shared.weight"
    let report = try self.report(network)
    #expect(
      report.exponents.filter { $0.tensor == "shared.weight" }.allSatisfy { $0.role == .hidden })
    #expect(
      report.exponents.filter { $0.tensor == "input.embedding.weight" }
        .allSatisfy { $0.role == .input })
    #expect(
      report.exponents.filter { $0.tensor == "wte.weight" }.allSatisfy { $0.role == .embedding })
    #expect(
      report.remarks.contains(
        "read as [out, in], whatever its name says, as the first extent grows with width: "
          + "shared.weight, input.embedding.weight")
        || report.remarks.contains(
          "read as [out, in], whatever its name says, as the first extent grows with width: "
            + "input.embedding.weight, shared.weight")
    )
    // What a user says stands.
    var rules = LayoutRules()
    rules.embeddings = [NamePattern("shared")]
    let asked = try self.report(network, rules: rules)
    #expect(asked.exponents.first { $0.tensor == "shared.weight" }?.role == .embedding)
    #expect(asked.remarks.contains { $0.hasSuffix("as asked: shared.weight") })
  }

  @Test func narrowAndCloseWidths_breakNothingForSure() throws {
    var network = network
    network[1].update = 1
    for (widths, part) in [
      ([8, 16, 32, 64], "width 8 is too narrow"), ([60, 64, 68], "too close"),
    ] {
      let report = try self.report(network, widths: widths)
      #expect(
        report.verdict == .unclear && report.failures.map(\.tensor).contains("layers.1.weight"))
      #expect(report.sentence.contains("that may be chance: "), "\(report.sentence)")
      #expect(report.sentence.contains(part), "\(report.sentence)")
    }
  }

  @Test func namesThatMeetAfterASplit_areRefused() throws {
    let pair = [
      Tensor(name: "a.weight", shape: { [2 * $0, $0] }, start: 0, update: 0),
      Tensor(name: "a.weight[0]", shape: { [$0, $0] }, start: 0, update: 0),
    ]
    var rules = LayoutRules()
    rules.splits = [(NamePattern("?.weight"), 2)]
    #expect(throws: LayoutError.sameName("a.weight[0]")) {
      try report(pair, rules: rules)
    }
    #expect("\(LayoutError.sameName("a.weight[0]"))".contains("both called \"a.weight[0]\""))
  }

  @Test func emptySelection_hasNoTable() throws {
    let report = try self.report(network, filter: { $0 == "none" })
    #expect(report.verdict == .unclear)
    #expect(
      report.table()
        == "4 networks of 4 widths: how norms grow with width, ‖ΔW‖ from the first file of\n"
        + "  each pair to the second\n\n"
        + "verdict  cannot tell: there is no tensor to measure in every file\n")
  }

  /// An exponent meets the condition where its printed interval excludes the mildest fault.
  @Test func interval_isThatOfTheVerdict() throws {
    // Of three values a residual counts 12.7-fold: ±0.61 beside −0.02.
    let wide = try #require(FittedExponent(over: [1, 2, 4], ofRuns: [1, exp2(0.0831), 1]))
    #expect(wide.halfWidth > 0.5 && wide.standing(to: 0, within: 0.2) == .unclear)
    let narrow = try #require(FittedExponent(over: [1, 2, 4], ofRuns: [1, exp2(0.02), 1]))
    #expect(narrow.standing(to: 0, within: 0.2) == .met)
    // Over seeds that spread alike: of three ±0.56, of six ±0.25.
    func seeds(_ slopes: [Double]) throws -> FittedExponent {
      try #require(
        FittedExponent(
          over: [1, 2], values: [slopes.map { _ in 1 }, slopes.map { exp2($0) }]))
    }
    let few = try seeds([-0.225, 0, 0.225])
    #expect(abs(few.halfWidth - 0.5589) <= 1e-3)
    #expect(few.standing(to: 0, within: 0.2) == .unclear)
    let more = try seeds([-0.225, -0.225, 0, 0, 0.225, 0.225])
    #expect(more.halfWidth < 0.3 && more.standing(to: 0, within: 0.2) == .met)
    // −0.31 ± 0.20 excludes 0, and not what is within the tolerance of it; −0.55 ± 0.20 does.
    for (mean, standing) in [(-0.31, FittedExponent.Standing.unclear), (-0.55, .broken)] {
      let off = try seeds([-0.19, -0.19, 0, 0, 0.19, 0.19].map { $0 + mean })
      #expect(off.halfWidth > 0.15 && off.standing(to: 0, within: 0.3) == .broken)
      #expect(off.standing(to: 0, within: 0.3, againstTheory: true) == standing)
    }
  }

  /// The slope's standard error by the textbook, on numbers worked out by hand.
  @Test func lineThroughRuns_hasTheIntervalOfLeastSquares() throws {
    // log2: x = 0, 1, 2, 3; y = 0, 1, 1, 2: slope 0.6, residuals sum to 0.2, se = √(0.1/5).
    let fitted = try #require(FittedExponent(over: [1, 2, 4, 8], ofRuns: [1, 2, 2, 4]))
    #expect(abs(fitted.exponent - 0.6) <= 1e-12)
    #expect(abs(fitted.halfWidth - 4.302653 * (0.02).squareRoot()) <= 1e-5)
    #expect(FittedExponent(over: [1, 2], ofRuns: [1, 2])?.halfWidth == .infinity)
    #expect(FittedExponent(over: [1, 2, 4], ofRuns: [1, 0, 2]) == nil)
  }
}
