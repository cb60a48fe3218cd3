import Foundation
import Testing
import Training

@testable import Experiments

/// Matrices whatever the order of a tensor's axes: every one has ‖W‖_*/√(out/in) = 1 in truth.
@Suite struct TensorLayoutTests {
  /// [out, in], row-major, with all singular values √(out/in): a shuffled identity with repeated blocks.
  private func semiOrthogonal(_ out: Int, _ input: Int) -> [[Float]] {
    let size = Float((Double(out) / Double(input)).squareRoot())
    return (0..<out).map { row in
      (0..<input).map { column in
        (row * 7 + 3) % max(out, input) == column * 1 % max(out, input) ? size : 0
      }
    }
  }

  private func audit(
    _ tensors: [NamedValues], _ change: (inout LayoutRules) -> Void = { _ in }
  ) throws -> [String: AuditedMatrix] {
    let folder = try TemporaryFolder()
    let url = URL(fileURLWithPath: folder.path).appendingPathComponent("w.safetensors")
    try SafetensorsWriter.write(tensors, to: url)
    var rules = LayoutRules()
    change(&rules)
    let audit = try WeightAudit([WeightFile(path: url.path)], rules: rules)
    return try Dictionary(
      uniqueKeysWithValues: audit.run(ReferenceMeasure()).map { ($0.name, $0) })
  }

  private func expectOne(_ matrix: AuditedMatrix?, _ origin: TensorLayout.Origin) throws {
    let matrix = try #require(matrix)
    let ratio = try #require(matrix.ratio)
    #expect(abs(ratio - 1) <= 1e-6, "\(matrix.name): \(ratio)")
    #expect(matrix.layout.origin == origin, "\(matrix.name)")
  }

  private func transposed(_ matrix: [[Float]]) -> [Float] {
    matrix[0].indices.flatMap { column in matrix.map { $0[column] } }
  }

  @Test func knownNames_areReadAsTheyAreStored() throws {
    let up = semiOrthogonal(16, 4)  // [out, in]
    let down = semiOrthogonal(4, 16)
    let query = semiOrthogonal(12, 4)
    let conv = semiOrthogonal(6, 18)
    // [k, k, in, out] of Flax from [out, in·k·k].
    let kernel = (0..<18).flatMap { place in (0..<6).map { conv[$0][place] } }
    let matrices = try audit([
      NamedValues(name: "linear.weight", shape: [16, 4], values: up.flatMap(\.self)),
      // GPT-2, and the same names in the other orientation.
      NamedValues(name: "h.0.mlp.c_fc.weight", shape: [4, 16], values: transposed(up)),
      NamedValues(name: "h.0.mlp.c_proj.weight", shape: [16, 4], values: transposed(down)),
      NamedValues(name: "h.0.attn.c_attn.weight", shape: [4, 12], values: transposed(query)),
      NamedValues(name: "nano.c_fc.weight", shape: [16, 4], values: up.flatMap(\.self)),
      NamedValues(name: "nano.c_proj.weight", shape: [4, 16], values: down.flatMap(\.self)),
      // Flax and Keras.
      NamedValues(name: "params/Dense_0/kernel", shape: [4, 16], values: transposed(up)),
      NamedValues(name: "dense/kernel:0", shape: [4, 16], values: transposed(up)),
      NamedValues(name: "Conv_0.kernel", shape: [3, 3, 2, 6], values: kernel),
      NamedValues(name: "attention/query/kernel", shape: [4, 3, 4], values: transposed(query)),
      NamedValues(
        name: "experts.up_proj", shape: [3, 16, 4],
        values: [1, 0.5, 0.25].flatMap { factor in up.flatMap { $0.map { factor * $0 } } }),
    ])
    for name in ["linear.weight", "nano.c_fc.weight", "nano.c_proj.weight"] {
      try expectOne(matrices[name], .usual)
    }
    for name in matrices.keys where !name.hasPrefix("linear") && !name.hasPrefix("nano") {
      try expectOne(matrices[name], .name)
    }
    #expect(matrices.count == 11)
    #expect(matrices["experts.up_proj"]?.stackSize == 3)
    let query3 = try #require(matrices["attention/query/kernel"])
    #expect(query3.fanOut == 12 && query3.fanIn == 4)
  }

  /// [in, out, k, k] of a transposed convolution is another matrix, not the transpose of the flattened one.
  @Test func options_decide_whereNamesSayNothing() throws {
    let conv = semiOrthogonal(6, 8)  // out 6, in 2, k 2×2
    let deconv = (0..<2).flatMap { input in
      (0..<6).flatMap { out in (0..<4).map { conv[out][input * 4 + $0] } }
    }
    let up = semiOrthogonal(16, 4)
    let tensors = [
      NamedValues(name: "up.weight", shape: [2, 6, 2, 2], values: deconv),
      NamedValues(name: "w", shape: [4, 16], values: transposed(up)),
      NamedValues(name: "stack", shape: [2, 4, 16], values: transposed(up) + transposed(up)),
      NamedValues(name: "strange.kernel", shape: [16, 4], values: up.flatMap(\.self)),
    ]
    let matrices = try audit(tensors) {
      $0.transposed = ["up.*", "w", "stack"].map { NamePattern($0) }
      $0.stacked = [NamePattern("stack")]
      $0.asStored = [NamePattern("strange")]
    }
    for name in ["up.weight", "w", "stack", "strange.kernel"] {
      try expectOne(matrices[name], .option)
    }
    #expect(matrices["up.weight"]?.fanIn == 8 && matrices["up.weight"]?.fanOut == 6)
    var rules = LayoutRules()
    rules.transposed = [NamePattern("w"), NamePattern("none")]
    #expect(rules.unmatched(in: tensors.map(\.name)).map(\.text) == ["none"])
  }

  /// Fan-in is the one-hot's: the norm is that of the largest row, over √width.
  @Test func embeddings_haveTheNormOfTheirLargestRow() throws {
    let values: [Float] = [3, 4, 0, 0, 1, 1, 1, 1, 0, 0, 0, 5, 0, 0, 0, 0, 2, 2, 2, 2]
    let names = [
      "wte.weight", "model.embed_tokens.weight", "Embed_0/embedding",
      "embeddings.word_embeddings.weight",
    ]
    let matrices = try audit(
      names.map { NamedValues(name: $0, shape: [5, 4], values: values) } + [
        NamedValues(name: "pos_embed", shape: [1, 5, 4], values: values),
        NamedValues(name: "rows", shape: [5, 4], values: values),
        NamedValues(name: "embeddings.projection.weight", shape: [5, 4], values: values),
      ]
    ) { $0.embeddings = [NamePattern("rows")] }
    for name in names + ["pos_embed", "rows"] {
      let matrix = try #require(matrices[name])
      #expect(matrix.norms?.spectral == 5 && matrix.ratio == 2.5, "\(name)")
      #expect(matrix.fanIn == 1 && matrix.fanOut == 4 && matrix.stableRank == nil)
    }
    #expect(matrices["embeddings.projection.weight"]?.layout.axes == .outputFirst)
  }

  @Test func fusedQueryKeyValue_isSplit_inEitherOrientation() throws {
    let parts: [Float] = [1, 2, 3]
    let rows = parts.flatMap { factor in semiOrthogonal(4, 4).map { $0.map { factor * $0 } } }
    let tensors = [
      NamedValues(name: "qkv.weight", shape: [12, 4], values: rows.flatMap(\.self)),
      NamedValues(name: "c_attn.weight", shape: [4, 12], values: transposed(rows)),
    ]
    let matrices = try audit(tensors) {
      $0.splits = [(NamePattern("qkv"), 3), (NamePattern("c_attn"), 3)]
    }
    for name in ["qkv", "c_attn"] {
      for (index, factor) in parts.enumerated() {
        let matrix = try #require(matrices["\(name).weight[\(index)]"])
        #expect(abs(try #require(matrix.ratio) - Double(factor)) <= 1e-6)
        #expect(matrix.fanOut == 4 && matrix.fanIn == 4)
      }
    }
    #expect(throws: LayoutError.self) {
      try audit(tensors) { $0.splits = [(NamePattern("qkv"), 5)] }
    }
  }

  @Test func partsCalledAsAnotherMatrix_areRefused() throws {
    let tensors = ["a.weight", "a.weight[0]"].map {
      NamedValues(name: $0, shape: [4, 2], values: [Float](repeating: 1, count: 8))
    }
    #expect(throws: LayoutError.sameName("a.weight[0]")) {
      try audit(tensors) { $0.splits = [(NamePattern("?.weight"), 2)] }
    }
    #expect(try audit(tensors).count == 2)
  }

  @Test func prefixesOfWrappers_areMatchedAway() {
    #expect(
      TensorName.canonical("module._orig_mod.model.layers.0._orig_mod.weight") == "layers.0.weight")
    #expect(TensorName.canonical("model") == "model")
    // Where two names would become one, both stay.
    #expect(
      TensorName.canonical(["model.a", "a", "module.b"])
        == ["model.a": "model.a", "a": "a", "module.b": "b"])
  }

  /// Every order of axes, against plain indexing, also in parts and where values lie far apart.
  @Test func stridedReading_isThatOfIndices() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("values", raw((0..<5000).map { Float($0) }))
    let source = try RandomAccessFile(path: path, expected: "")
    let cases: [(shape: [Int], strides: [Int], first: Int)] = [
      ([6, 5], [5, 1], 0), ([6, 5], [1, 6], 3), ([3, 4, 5], [1, 3, 12], 0),
      ([3, 4, 5], [5, 15, 1], 7), ([4, 3], [1000, 300], 2), ([2, 1, 3], [1, 999_999, 2], 1),
      ([5, 2, 2], [40, 1, 7], 0), ([3, 3], [1, 1], 0), ([2, 3], [0, 1], 4),
    ]
    for (shape, strides, first) in cases {
      let tensor = StoredTensor(
        name: "t", shape: shape, typeName: "float32", type: NumericType(.float32), strides: strides,
        source: source, offset: 4 * first)
      var expected: [Float] = []
      for index in 0..<tensor.count {
        var (rest, place) = (index, first)
        for axis in shape.indices.reversed() {
          place += rest % shape[axis] * strides[axis]
          rest /= shape[axis]
        }
        expected.append(Float(place))
      }
      #expect(try tensor.values(path: path).values == expected, "\(shape) \(strides)")
      let matrix = try #require(StoredMatrix(tensor))
      let last = (matrix.rows - 1)..<matrix.rows
      #expect(
        try matrix.values(last) == Array(expected.suffix(matrix.columns)), "\(shape) \(strides)")
    }
  }
}
