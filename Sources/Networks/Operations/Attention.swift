import Foundation
import Spectral
import Tensors

/// Causal multi-head attention of queries over keys and values.
///
///     p[t, u] = softmax over u ≤ t of s·q[t]·k[u]/√headSize,   y[t] = Σ_u p[t, u]·v[u]
///
/// Rows are tokens: row s·context + t is at position t of sequence s; a head's columns lie together. What a
/// width-scaling rule adds to the scale is a multiplier of the queries' weight (`Linear.headSize`).
/// Source: Vaswani et al., arXiv:1706.03762.
public struct Attention: Operation {
  /// Columns of a head.
  public let headSize: Extent
  /// Positions of a sequence.
  public let context: Int
  /// s, beside 1/√headSize.
  public let multiplier: Double

  /// Attention with heads of so many columns over sequences of `context` tokens.
  public init(headSize: Extent, context: Int, multiplier: Double = 1) {
    precondition(context >= 1, "a context of \(context)")
    (self.headSize, self.context, self.multiplier) = (headSize, context, multiplier)
  }

  /// s/√headSize.
  public var scale: Double { multiplier / Double(headSize.size).squareRoot() }

  /// Those of its inputs, which must be alike, and a multiple of a head's.
  public func columns(of inputs: [Extent]) -> Extent {
    precondition(
      inputs.count == 3 && Set(inputs).count == 1 && inputs[0].size.isMultiple(of: headSize.size),
      "attention by heads of \(headSize.size) of \(inputs.map(\.size)) columns")
    return inputs[0]
  }

  /// y; keeps the logarithms of the softmaxes' sums.
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    let (output, logSums) = try compute.attention(
      query: inputs[0], key: inputs[1], value: inputs[2], shape: shape(of: inputs[0]),
      scale: Float(scale))
    return OperationValue(output, saved: [logSums])
  }

  /// The gradients of queries, keys and values.
  ///
  /// - Throws: `OpenCLError`.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    let result = try pass.compute.attentionBackward(
      gradient, query: pass.inputs[0], key: pass.inputs[1], value: pass.inputs[2],
      output: pass.value.output, logSums: pass.value.saved[0], shape: shape(of: gradient),
      scale: Float(scale))
    return [result.query, result.key, result.value]
  }

  /// How attention is computed for values of these columns.
  public func shape(of x: Tensor) -> AttentionShape {
    AttentionShape(
      heads: x.columns / headSize.size, headSize: headSize.size, context: context)
  }

  /// The logits.
  public var observation: Observation? { .attention }

  /// The logits of tokens with themselves, [replica, rows, heads]: what is measured of attention.
  ///
  ///     l[t] = s·q[t]·k[t]/√headSize
  ///
  /// - inputs: queries, keys and values.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func ownLogits(_ inputs: [Tensor], compute: Compute) throws -> Tensor {
    let products = try compute.elementwiseProduct(inputs[0], inputs[1])
    let heads = products.columns / headSize.size
    let ones = try compute.filled(
      1, replicas: products.replicas, rows: 1, columns: headSize.size)
    return try compute.product(
      .nt, products.reshaped(rows: products.rows * heads, columns: headSize.size), ones,
      alpha: Float(scale)
    ).reshaped(rows: products.rows, columns: heads)
  }

  /// Near the start, where queries and keys are not yet aligned; see `AttentionSignal`.
  public var signal: (any SignalRule)? {
    AttentionSignal(scale: scale, headSize: Double(headSize.size), context: context)
  }

  /// Attention with wider heads, where heads grow.
  public func widened(by factor: Int) -> Attention {
    Attention(
      headSize: headSize.widened(by: factor), context: context, multiplier: multiplier)
  }
}

/// Of attention at the start: every token attends to all before about alike, and queries and keys are
/// independent, so that a logit is a sum of headSize random products.
///
///     κ = mean over t of Σ_u p[t, u]² = (1 + 1/2 + … + 1/context)/context,   c = scale·√headSize
///     rms y = √κ·rms v
///     ‖δ_v‖ = √κ‖δ‖,   ‖δ_q‖ = c·rms k·rms v·√κ‖δ‖,   ‖δ_k‖ = c·rms q·rms v·√κ‖δ‖
///     rms² Δy = rms² Δv + c²(rms² Δq·rms² k + rms² q·rms² Δk)·rms² v·κ
///     rms l = c·rms q·rms k,   rms Δl = c·√headSize·(rms Δq·rms k + rms q·rms Δk)
///
/// Values and gradients of different tokens are independent and averaged down, by √κ; what training changes
/// of the values is common to tokens and passed on whole. What it changes of queries and keys is not
/// aligned with that: squares add up. It is aligned with the keys and queries that it was made of, as the
/// logits show.
struct AttentionSignal: SignalRule {
  /// c.
  private let logit: Double
  /// √κ.
  private let averaging: Double
  /// √headSize.
  private let alignment: Double

  init(scale: Double, headSize: Double, context: Int) {
    alignment = headSize.squareRoot()
    logit = scale * alignment
    averaging = ((1...context).reduce(0) { $0 + 1 / Double($1) } / Double(context)).squareRoot()
  }

  func size(of inputs: [Double], _ step: SignalStep) -> Double { averaging * inputs[2] }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    let (query, key, value) = (step.inputs[0], step.inputs[1], step.inputs[2])
    let averaged = averaging * delta
    let logits = logit * value * averaged
    return SignalPullback(inputs: [logits * key, logits * query, averaged])
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double {
    let (query, key, value) = (step.inputs[0], step.inputs[1], step.inputs[2])
    let logits = logit * hypot(inputs[0] * key, query * inputs[1])
    return hypot(inputs[2], logits * value * averaging)
  }

  /// Of the logits.
  func observed(changes: [Double], _ step: SignalStep) -> (size: Double, change: Double)? {
    let (query, key) = (step.inputs[0], step.inputs[1])
    return (
      logit * query * key, logit * alignment * (changes[0] * key + query * changes[1])
    )
  }
}
