import Foundation
import Testing
import Training

@testable import Experiments

@Suite struct WeightAuditTests {
  /// A file of the writer's, in a folder of its own.
  private final class Fixture {
    let folder: TemporaryFolder
    let file: WeightFile

    init(_ tensors: [NamedValues]) throws {
      folder = try TemporaryFolder()
      let url = URL(fileURLWithPath: folder.path).appendingPathComponent("w.safetensors")
      try SafetensorsWriter.write(tensors, to: url)
      file = try WeightFile(path: url.path)
    }
  }

  private let diagonal = NamedValues(name: "diagonal", shape: [2, 3], values: [3, 0, 0, 0, -4, 0])
  private let conv = NamedValues(
    name: "conv", shape: [1, 2, 2, 1], values: [1, 1, 1, 1])
  private let zero = NamedValues(name: "zero", shape: [2, 2], values: [0, 0, 0, 0])
  private let bias = NamedValues(name: "bias", shape: [3], values: [1, 2, 3])

  @Test func norms_ofKnownMatrices() throws {
    let fixture = try Fixture([diagonal, conv, zero, bias])
    let audit = try WeightAudit([fixture.file])
    #expect(audit.leftOut == ["1 tensor with fewer than two dimensions (biases, gains, scalars)"])
    let matrices = WeightAudit.sorted(try audit.run(ReferenceMeasure()), by: .name)
    #expect(matrices.map(\.name) == ["conv", "diagonal", "zero"])
    let (first, second, third) = (matrices[0], matrices[1], matrices[2])
    #expect(first.shape == [1, 2, 2, 1] && first.fanOut == 1 && first.fanIn == 4)
    #expect(abs(try #require(first.norms).spectral - 2) <= 1e-12)
    #expect(abs(try #require(first.ratio) - 4) <= 1e-12)
    #expect(abs(try #require(second.norms).spectral - 4) <= 1e-12)
    #expect(abs(try #require(second.norms).frobenius - 5) <= 1e-12)
    #expect(abs(try #require(second.norms?.stableRank) - 25.0 / 16) <= 1e-12)
    #expect(abs(try #require(second.ratio) - 4 * (3.0 / 2).squareRoot()) <= 1e-12)
    #expect(third.norms?.spectral == 0 && third.norms?.stableRank == nil && third.ratio == 0)
  }

  @Test func everyKindLeftOut_isCounted() throws {
    let folder = try TemporaryFolder()
    let header =
      "{"
      + [
        entry("a", "I64", [1, 1], 0, 8), entry("b", "I64", [1, 1], 8, 16),
        entry("c", "F32", [0, 4], 16, 16), entry("d", "F16", [], 16, 18),
      ].joined(separator: ",") + "}"
    let path = try folder.write(
      "w.safetensors", safetensors(header, [UInt8](repeating: 0, count: 18)))
    let audit = try WeightAudit([WeightFile(path: path)])
    #expect(audit.count == 0)
    #expect(
      audit.leftOut == [
        "2 tensors of type I64", "1 tensor with fewer than two dimensions (biases, gains, scalars)",
        "1 tensor without elements",
      ])
  }

  @Test func orders_areAsAsked() throws {
    let tensors = [
      NamedValues(name: "layers.10", shape: [1, 4], values: [1, 0, 0, 0]),  // norm 1, ratio 2
      NamedValues(name: "layers.2", shape: [4, 1], values: [3, 0, 0, 0]),  // norm 3, ratio 1.5
      NamedValues(name: "wide", shape: [2, 2], values: [1, 0, 0, 1]),  // norm 1, ratio 1, rank 2
      NamedValues(name: "bad", shape: [2, 2], values: [1, 0, .nan, 1]),
    ]
    let matrices = try WeightAudit([try Fixture(tensors).file]).run(ReferenceMeasure())
    func names(_ order: AuditOrder) -> [String] {
      WeightAudit.sorted(matrices, by: order).map(\.name)
    }
    #expect(names(.ratio) == ["layers.10", "layers.2", "wide", "bad"])
    #expect(names(.norm) == ["layers.2", "layers.10", "wide", "bad"])
    #expect(names(.name) == ["bad", "layers.2", "layers.10", "wide"])
    #expect(names(.stableRank) == ["layers.2", "layers.10", "wide", "bad"])
  }

  @Test func valuesThatAreNotFinite_areLocated_andHurtNoOther() throws {
    let tensors = [
      diagonal, NamedValues(name: "inf", shape: [2, 2], values: [0, 0, -.infinity, .nan]),
    ]
    let matrices = WeightAudit.sorted(
      try WeightAudit([try Fixture(tensors).file]).run(ReferenceMeasure()), by: .ratio)
    #expect(matrices.map(\.name) == ["diagonal", "inf"])
    #expect(matrices[0].problem == nil && matrices[0].norms != nil)
    #expect(matrices[1].norms == nil && matrices[1].ratio == nil)
    #expect(matrices[1].problem == "-inf at row 2, column 1")

    let folder = try TemporaryFolder()
    let path = try folder.write("w.npy", npy("<f8", [1, 2], raw([1, 1e300])))
    let wide = try WeightAudit([WeightFile(path: path)]).run(ReferenceMeasure())
    #expect(wide[0].problem == "inf as float32 at row 1, column 2")
  }

  @Test func against_measuresDifferences() throws {
    let later = NamedValues(name: "diagonal", shape: [2, 3], values: [3, 0, 0, 0, -4, 2])
    let audit = try WeightAudit(
      Fixture([later, bias]).file, against: Fixture([diagonal, bias]).file)
    let matrices = try audit.run(ReferenceMeasure())
    #expect(matrices.count == 1)
    let update = try #require(matrices[0].update)
    #expect(abs(update.spectral - 2) <= 1e-12)
    #expect(abs(try #require(matrices[0].updateRatio) - 2 * 1.5.squareRoot()) <= 1e-12)
    let norm = try #require(matrices[0].norms).spectral
    #expect(abs(try #require(matrices[0].relativeUpdate) - 2 / norm) <= 1e-12)
    #expect(abs(norm - 20.squareRoot()) <= 1e-12)
  }

  /// A value that cannot be read is that tensor's problem.
  @Test func unreadableValues_hurtNoOther() throws {
    let array = npy("<f4", [1, 2], raw([3, 4] as [Float]))
    var broken = ZipFixture("broken.npy", array)
    broken.checksum ^= 1
    let folder = try TemporaryFolder()
    let path = try folder.write(
      "w.npz",
      zip([broken, ZipFixture("good.npy", array), ZipFixture("objects.npy", npy("|O", [1], [0]))]))
    let file = try WeightFile(path: path)
    #expect(file.leftAside.count == 1 && file.leftAside[0].contains("objects.npy: pickled"))
    let matrices = WeightAudit.sorted(
      try WeightAudit([file]).run(ReferenceMeasure()), by: .ratio)
    #expect(matrices.map(\.name) == ["good", "broken"])
    #expect(matrices[0].norms?.spectral == 5 && matrices[1].norms == nil)
    #expect(matrices[1].problem?.contains("CRC-32") == true && !matrices[1].isReadable)
  }

  /// In safetensors, NPZ and PyTorch's files, and against another file.
  @Test func equivalentNames_areTwoTensors() throws {
    let names = ["\u{E9}", "e\u{301}"]
    let values: [[Float]] = [[1, 0], [2, 0]]
    let folder = try TemporaryFolder()
    let tensor = PickleFixture.tensor([1, 2], strides: [2, 1], count: 2)
    let files: [(String, [UInt8])] = [
      (
        "w.safetensors",
        safetensors(
          "{\(entry(names[0], "F32", [1, 2], 0, 8)),\(entry(names[1], "F32", [1, 2], 8, 16))}",
          raw(values[0]) + raw(values[1]))
      ),
      (
        "w.npz",
        zip(Swift.zip(names, values).map { ZipFixture("\($0).npy", npy("<f4", [1, 2], raw($1))) })
      ),
      (
        "w.pt",
        torchFile(.dictionary(names.map { ($0, tensor) }), storages: ["0": raw(values[0])])
      ),
    ]
    for (name, bytes) in files {
      let file = try WeightFile(path: folder.write(name, bytes))
      #expect(file.tensors.count == 2, "\(name)")
      let matrices = try WeightAudit(file, against: file).run(ReferenceMeasure())
      #expect(matrices.count == 2 && matrices.allSatisfy { $0.update?.spectral == 0 }, "\(name)")
    }
  }

  @Test func against_matchesNamesOfWrappers() throws {
    let wrapped = NamedValues(
      name: "module.diagonal", shape: diagonal.shape, values: diagonal.values.map { 2 * $0 })
    let audit = try WeightAudit(
      Fixture([wrapped, bias]).file, against: Fixture([diagonal, bias]).file)
    #expect(audit.renamed.count == 1 && audit.renamed[0].contains("module.diagonal and diagonal"))
    let matrix = try audit.run(ReferenceMeasure())[0]
    #expect(matrix.name == "module.diagonal" && abs(matrix.update!.spectral - 4) <= 1e-12)
  }

  /// What `--init-from` reads: names without prefixes, and no file of which part cannot be read.
  @Test func initialWeights_areNamedWithoutPrefixes() throws {
    let wrapped = NamedValues(
      name: "module._orig_mod.diagonal", shape: diagonal.shape, values: diagonal.values)
    let (plain, shortened) = (try Fixture([diagonal]), try Fixture([wrapped]))
    let weights = try InitialWeights(path: shortened.file.path)
    #expect(weights.tensors == [diagonal])
    #expect(weights.renamed?.from == wrapped.name && weights.renamed?.to == diagonal.name)
    let expected = try InitialWeights(path: plain.file.path)
    #expect(weights.fingerprint == expected.fingerprint && expected.renamed == nil)
    let folder = try TemporaryFolder()
    let path = try folder.write(
      "w.npz",
      zip([ZipFixture("a.npy", npy("<f4", [1], raw([1 as Float]))), ZipFixture("b.npy", [1, 2])]))
    #expect(throws: DataError.self) { try InitialWeights(path: path) }
  }

  /// In float64 files a difference far below float32's resolution of the weights survives.
  @Test func against_keepsFloat64Differences() throws {
    let folder = try TemporaryFolder()
    let before = try folder.write("before.npy", npy("<f8", [1, 2], raw([1.0, 1.0])))
    let after = try folder.write("after.npy", npy("<f8", [1, 2], raw([1 + 1e-12, 1.0])))
    let audit = try WeightAudit(WeightFile(path: after), against: WeightFile(path: before))
    let update = try #require(try audit.run(ReferenceMeasure())[0].update)
    #expect(abs(update.spectral - 1e-12) <= 1e-15)
  }

  @Test func against_namesEveryDisagreement() throws {
    let square = NamedValues(name: "conv", shape: [2, 2], values: [0, 0, 0, 0])
    let error = #expect(throws: WeightComparisonError.self) {
      try WeightAudit(
        Fixture([diagonal, conv, bias]).file, against: Fixture([square, zero, bias]).file)
    }
    #expect(error?.extra == ["diagonal"] && error?.missing == ["zero"])
    #expect(error?.reshaped == ["conv [1, 2, 2, 1] and [2, 2]"])
    let text = error?.description ?? ""
    for part in ["diagonal", "zero", "conv", "w.safetensors"] { #expect(text.contains(part)) }
    #expect(throws: Never.self) {
      try WeightAudit(
        Fixture([diagonal, conv]).file, against: Fixture([square, diagonal]).file,
        filter: { $0 == "diagonal" })
    }
  }

  @Test func difference_thatIsNotFinite_keepsTheNorm() throws {
    let broken = NamedValues(name: "diagonal", shape: [2, 3], values: [3, 0, 0, 0, .nan, 0])
    let audit = try WeightAudit(Fixture([diagonal]).file, against: Fixture([broken]).file)
    let matrix = try audit.run(ReferenceMeasure())[0]
    #expect(matrix.norms != nil && matrix.update == nil && matrix.relativeUpdate == nil)
    #expect(matrix.problem?.hasPrefix("nan at row 2, column 2") == true)
  }
}
