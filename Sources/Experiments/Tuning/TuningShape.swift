import Tensors

/// A layer whose three products are to be fast: forward, passed back, weight's gradient.
public struct TuningShape: Sendable, Hashable {
  /// Networks that train together.
  public let replicas: Int
  /// Rows of a batch, the layer's outputs and inputs.
  public let batch, outputs, inputs: Int

  /// A layer of these sizes, all ≥ 1.
  public init(replicas: Int = 1, batch: Int, outputs: Int, inputs: Int) {
    precondition([replicas, batch, outputs, inputs].allSatisfy { $0 >= 1 }, "sizes below 1")
    (self.replicas, self.batch) = (replicas, batch)
    (self.outputs, self.inputs) = (outputs, inputs)
  }

  /// Reads `BATCHxOUTPUTSxINPUTS` or `REPLICAS*BATCHxOUTPUTSxINPUTS`; nil for anything else.
  ///
  /// - most: the greatest size.
  public init?(text: String, atMost most: Int) {
    let sides = text.split(separator: "*", omittingEmptySubsequences: false)
    let sizes = (sides.last ?? "").split(
      omittingEmptySubsequences: false, whereSeparator: { $0 == "x" || $0 == "×" })
    guard sides.count <= 2, sizes.count == 3 else { return nil }
    let numbers = (sides.count == 2 ? [sides[0]] : ["1"] + sizes[..<0]) + sizes
    let values = numbers.compactMap { Int($0) }.filter { (1...most).contains($0) }
    guard values.count == 4 else { return nil }
    self.init(replicas: values[0], batch: values[1], outputs: values[2], inputs: values[3])
  }

  /// Widths that networks have: small ones as a sweep trains them, large ones alone.
  public static let usual = [
    TuningShape(replicas: 32, batch: 64, outputs: 128, inputs: 128),
    TuningShape(replicas: 16, batch: 64, outputs: 256, inputs: 256),
    TuningShape(batch: 64, outputs: 512, inputs: 512),
    TuningShape(batch: 64, outputs: 1024, inputs: 1024),
    TuningShape(batch: 64, outputs: 4096, inputs: 4096),
    TuningShape(batch: 512, outputs: 2048, inputs: 2048),
  ]

  /// Multiply-adds of one product.
  var work: Double { Double(batch) * Double(outputs) * Double(inputs) }

  /// The class of its products.
  var productClass: ProductClass { ProductClass(m: batch, n: outputs, k: inputs) }

  /// The products of a training step, one of each mode.
  var products: [ProductBench] {
    [
      ProductBench(mode: .nt, m: batch, n: outputs, k: inputs, replicas: replicas),
      ProductBench(mode: .nn, m: batch, n: inputs, k: outputs, replicas: replicas),
      ProductBench(mode: .tn, m: outputs, n: inputs, k: batch, replicas: replicas),
    ]
  }
}
