import Spectral
import Tensors

/// A residual perceptron: blocks of two matrices whose results are added to a stream.
///
///     x ← readin(input)
///     x ← a·x + s·down(φ(up(begin(x))))      once for each block, a and s by the depth rule
///     output = readout(end(x))
///
/// `begin` and `end` are normalisations; without them a block begins with φ and nothing ends.
/// Source of the form without normalisation: CompleteP, arXiv:2505.01618.
public struct ResidualMLP: Architecture, Codable, Hashable {
  /// Number of inputs, ≥ 1.
  public var inputs: Int
  /// Columns of the stream, ≥ 1.
  public var width: Int
  /// Number of blocks, ≥ 1.
  public var depth: Int
  /// Number of outputs, ≥ 1.
  public var outputs: Int
  /// A block's inner columns, as a multiple of the stream's; ≥ 1.
  public var expansion: Int
  /// What normalises a block's input and the stream's end, if anything.
  public var normalization: RowNormalization.Kind?
  /// Whether every matrix has a bias.
  public var bias: Bool
  /// φ.
  public var activation: Activation
  /// Multiplies what a block adds, beside the depth rule's factor.
  public var branchMultiplier: Double
  /// How blocks and their rates scale with depth.
  public var depthRule: DepthRule
  /// The number of blocks at which the depth rule changes nothing, of `modular` nothing of rates; ≥ 1.
  public var baseDepth: Int
  /// a: the readin's weight starts 1/√a as large and its product is multiplied by √a.
  public var inputMultiplier: Double
  /// Multiplies the readout's product; initial values stay as they are.
  public var outputMultiplier: Double
  /// Whether the readout's weight starts at 0.
  public var zeroReadout: Bool

  /// A residual perceptron of the sizes given. Traps unless all are ≥ 1.
  public init(
    inputs: Int, width: Int, depth: Int, outputs: Int, expansion: Int = 1,
    normalization: RowNormalization.Kind? = .rms, bias: Bool = false,
    activation: Activation = .relu, branchMultiplier: Double = 1,
    depthRule: DepthRule = .completeP, baseDepth: Int = 1,
    inputMultiplier: Double = 1, outputMultiplier: Double = 1, zeroReadout: Bool = false
  ) {
    precondition(
      [inputs, width, depth, outputs, expansion, baseDepth].allSatisfy { $0 >= 1 },
      "sizes must be ≥ 1, got \([inputs, width, depth, outputs, expansion, baseDepth])")
    (self.inputs, self.width, self.depth, self.outputs) = (inputs, width, depth, outputs)
    (self.expansion, self.normalization) = (expansion, normalization)
    (self.bias, self.activation) = (bias, activation)
    (self.branchMultiplier, self.baseDepth) = (branchMultiplier, baseDepth)
    self.depthRule = depthRule
    (self.inputMultiplier, self.outputMultiplier) = (inputMultiplier, outputMultiplier)
    self.zeroReadout = zeroReadout
  }

  /// The depth rule at this depth.
  public var depthScaling: DepthScaling {
    DepthScaling(depthRule, depth: depth, baseDepth: baseDepth, multiplier: branchMultiplier)
  }

  /// Readin, blocks, readout.
  public func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
    var x = g.linear(
      input, "readin", .growing(width), bias: bias, multiplier: inputMultiplier.squareRoot(),
      initialFactor: 1 / inputMultiplier.squareRoot())
    for block in 0..<depth {
      x = g.residual(x, depthScaling) { g, x in
        branch(&g, x, "blocks.\(block)")
      }
    }
    if let normalization { x = g.normalization(x, "norm", normalization) }
    return g.linear(
      x, "readout", .fixed(outputs), bias: bias, multiplier: outputMultiplier,
      initialFactor: zeroReadout ? 0 : 1)
  }

  private func branch(_ g: inout GraphBuilder, _ x: Node, _ module: String) -> Node {
    var y: Node
    if let normalization {
      y = g.normalization(x, "\(module).norm", normalization)
    } else {
      y = g.activation(x, activation)
    }
    y = g.linear(y, "\(module).up", .growing(expansion * width), bias: bias)
    y = g.activation(y, activation)
    return g.linear(y, "\(module).down", .growing(width), bias: bias)
  }
}
