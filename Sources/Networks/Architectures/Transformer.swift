import Spectral
import Tensors

/// A decoder Transformer that predicts each next token.
///
///     x ← embedding(tokens), with learned positions added where there are any
///     x ← a·x + s·output(attention(query(n(x)), key(n(x)), value(n(x))))     once for each block,
///     x ← a·x + s·down(φ(up(n(x))))                                      a and s by the depth rule
///     logits = readout(n(x))
///
/// n is a normalisation, or nothing. A gated block has φ(gate(n(x))) ∘ up(n(x)) in place of φ(up(n(x))).
/// The input is a column of token numbers, row s·context + t being token t of sequence s.
///
/// For example, `Transformer(vocabulary: 65, width: 128, depth: 4, heads: .size(32), context: 64)`.
public struct Transformer: Architecture, Codable, Hashable {
  /// How heads share the width.
  public enum Heads: Codable, Hashable, Sendable {
    /// Heads of so many columns, as many as the width has room for.
    case size(Int)
    /// So many heads, which widen with the network.
    case count(Int)
  }

  /// How a token's position is known.
  public enum Positions: String, Codable, Hashable, Sendable, CaseIterable {
    /// A learned vector is added to each token's.
    case learned
    /// Queries and keys are turned by their positions.
    case rotary
    /// By the causal mask alone.
    case none
  }

  /// What attention's logits are divided by.
  public enum AttentionScale: String, Codable, Hashable, Sendable, CaseIterable {
    /// √headSize, and beside it what the parametrization says.
    case parametrization
    /// √headSize at every width.
    case squareRoot = "sqrt"
  }

  /// Number of tokens, ≥ 1.
  public var vocabulary: Int
  /// Columns of the stream, ≥ 1; a multiple of the head size.
  public var width: Int
  /// Number of blocks, ≥ 1, each of attention and a perceptron.
  public var depth: Int
  /// How heads share the width.
  public var heads: Heads
  /// Tokens of a sequence, ≥ 1.
  public var context: Int
  /// How a token's position is known; rotary ones want even head sizes.
  public var positions = Positions.learned
  /// What normalises the branches' inputs and the stream's end, if anything.
  public var normalization: RowNormalization.Kind? = .rms
  /// Whether queries and keys are normalised, head by head.
  public var normalizesQueries = false
  /// φ of the perceptrons.
  public var activation = Activation.gelu
  /// Whether perceptrons are gated: with silu this is SwiGLU.
  public var isGated = false
  /// The perceptrons' inner columns, as a multiple of the width.
  public var expansion = 4
  /// Whether every matrix but the readout has a bias.
  public var bias = false
  /// Whether the embedding's transpose gives the logits.
  public var isTied = false
  /// Multiplies attention's logits, beside 1/√headSize and what `attentionScale` says.
  public var attentionMultiplier = 1.0
  /// What attention's logits are divided by.
  public var attentionScale = AttentionScale.parametrization
  /// Multiplies what each branch adds, beside the depth rule's factor.
  public var branchMultiplier = 1.0
  /// How branches and their rates scale with depth.
  public var depthRule = DepthRule.completeP
  /// The number of blocks at which the depth rule changes nothing, of `modular` nothing of rates; ≥ 1.
  public var baseDepth = 1
  /// a: embeddings start 1/√a as large and are multiplied by √a.
  public var inputMultiplier = 1.0
  /// Multiplies the logits; initial values stay as they are.
  public var outputMultiplier = 1.0
  /// Whether the readout's weight starts at 0; not of tied ones.
  public var zeroReadout = false
  /// Whether the queries' weights start at 0, so that every token attends to all before alike.
  public var zeroQueries = false
  /// Whether the branches' last weights, `output` and `down`, start at 0.
  public var zeroProjections = false

  /// A Transformer of the sizes given; everything else is set by its properties. Traps unless all are ≥ 1
  /// and heads divide the width.
  public init(vocabulary: Int, width: Int, depth: Int, heads: Heads, context: Int) {
    precondition(
      [vocabulary, width, depth, context].allSatisfy { $0 >= 1 },
      "sizes must be ≥ 1, got \([vocabulary, width, depth, context])")
    (self.vocabulary, self.width, self.depth) = (vocabulary, width, depth)
    (self.heads, self.context) = (heads, context)
    precondition(
      width.isMultiple(of: headExtent.size), "heads of \(headExtent.size) in a width of \(width)")
  }

  /// A column of token numbers.
  public var inputs: Int { 1 }

  /// Columns of a head, which grow with the width where the number of heads is fixed.
  public var headExtent: Extent {
    switch heads {
    case .size(let size): .fixed(size)
    case .count(let count): .growing(max(1, width / count))
    }
  }

  /// The depth rule at this depth; a block has two branches.
  public var depthScaling: DepthScaling {
    DepthScaling(
      depthRule, depth: 2 * depth, baseDepth: 2 * baseDepth, multiplier: branchMultiplier)
  }

  /// Embedding, blocks, readout.
  public func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
    precondition(!(isTied && zeroReadout), "a tied readout cannot start at 0")
    let start = 1 / inputMultiplier.squareRoot()
    var x = g.embedding(
      input, "embedding",
      Embedding(
        count: vocabulary, outputs: .growing(width), scale: inputMultiplier.squareRoot(),
        initialFactor: start, tiedMultiplier: isTied ? outputMultiplier : nil))
    if positions == .learned { x = g.positions(x, "positions", context: context) }
    for block in 0..<depth {
      x = g.residual(x, depthScaling) { g, x in
        attention(&g, normalized(&g, x, "blocks.\(block).norm1"), "blocks.\(block).attention")
      }
      x = g.residual(x, depthScaling) { g, x in
        perceptron(&g, normalized(&g, x, "blocks.\(block).norm2"), "blocks.\(block).mlp")
      }
    }
    x = normalized(&g, x, "norm")
    guard !isTied else {
      return g.tiedReadout(
        x, "readout", "embedding", count: vocabulary, multiplier: outputMultiplier,
        initialFactor: start)
    }
    return g.linear(
      x, "readout", .fixed(vocabulary), multiplier: outputMultiplier,
      initialFactor: zeroReadout ? 0 : 1)
  }

  private func normalized(_ g: inout GraphBuilder, _ x: Node, _ module: String) -> Node {
    normalization.map { g.normalization(x, module, $0) } ?? x
  }

  private func attention(_ g: inout GraphBuilder, _ x: Node, _ module: String) -> Node {
    let columns = Extent.growing(width)
    let headSize = headExtent
    func project(_ name: String, _ factor: Double = 1, isQuery: Bool = false) -> Node {
      g.linear(
        x, "\(module).\(name)", columns, bias: bias, initialFactor: factor, headSize: headSize,
        isQuery: isQuery)
    }
    // Where queries are normalised, a multiplier of their weight would be divided out again.
    let isRuled = attentionScale == .parametrization
    var query = project(
      "query", zeroQueries ? 0 : 1, isQuery: isRuled && !normalizesQueries)
    var key = project("key")
    let value = project("value")
    if normalizesQueries {
      query = g.headNormalization(
        query, "\(module).query_norm", headSize: headSize, isQuery: isRuled)
      key = g.headNormalization(key, "\(module).key_norm", headSize: headSize)
    }
    if positions == .rotary {
      query = g.rotary(query, headSize: headSize, context: context)
      key = g.rotary(key, headSize: headSize, context: context)
    }
    let mixed = g.attention(
      query, key, value, module,
      Attention(headSize: headSize, context: context, multiplier: attentionMultiplier))
    return g.linear(
      mixed, "\(module).output", columns, bias: bias, initialFactor: zeroProjections ? 0 : 1)
  }

  private func perceptron(_ g: inout GraphBuilder, _ x: Node, _ module: String) -> Node {
    let inner = Extent.growing(expansion * width)
    var y = g.linear(x, "\(module).\(isGated ? "gate" : "up")", inner, bias: bias)
    y = g.activation(y, activation)
    if isGated { y = g.multiply(y, g.linear(x, "\(module).up", inner, bias: bias)) }
    return g.linear(
      y, "\(module).down", .growing(width), bias: bias, initialFactor: zeroProjections ? 0 : 1)
  }
}
