import OpenCL

/// How the columns and rows of queries, keys and values are shared out.
///
/// For example, of 4 heads of 16 columns, for sequences of 64 tokens:
///
///     let shape = AttentionShape(heads: 4, headSize: 16, context: 64)
///     let (output, logSums) = try compute.attention(
///       query: q, key: k, value: v, shape: shape, scale: 1 / 4)
public struct AttentionShape: Hashable, Sendable {
  /// The most columns of a head.
  public static let largestHead = 512

  /// Heads, which attend each by itself.
  public var heads: Int
  /// Columns of a head, 1 to `largestHead`. Kernels are compiled for it.
  public var headSize: Int
  /// Tokens of a sequence, which lie together.
  public var context: Int

  /// `heads` of `headSize` columns each, for sequences of `context` tokens.
  public init(heads: Int, headSize: Int, context: Int) {
    precondition(
      heads > 0 && (1...Self.largestHead).contains(headSize) && context > 0,
      "attention of \(heads) heads of size \(headSize) for \(context) tokens")
    (self.heads, self.headSize, self.context) = (heads, headSize, context)
  }

  /// Columns of all heads.
  public var columns: Int { heads * headSize }
}

/// Causal attention by several heads and its gradients.
///
/// No matrix of all pairs of tokens is made: memory is that of the operands and results. A token's
/// numbers depend on those before it alone, to the bit, and NaN goes the same way. Sums are in an order
/// that depends on the shape and the device's kernels alone, so a replica's numbers are the same, bit
/// for bit, whatever replicas are with it.
extension Compute {
  /// Means of the values of the tokens so far, weighted by how their keys suit the query.
  ///
  ///     output[t] = Σ_{u ≤ t} p[t, u]·value[u]
  ///     p[t, u] = exp(scale·query[t]·key[u]) / Σ_{w ≤ t} exp(scale·query[t]·key[w])
  ///
  /// for each sequence and head by itself. Exponentials are of differences to the greatest so far, so
  /// that none overflows. For example, with standard attention's scale:
  ///
  ///     let shape = AttentionShape(heads: 4, headSize: 16, context: 64)
  ///     let (output, logSums) = try compute.attention(
  ///       query: q, key: k, value: v, shape: shape, scale: 1 / 4)
  ///
  /// - query, key, value: [replica, sequences·context, heads·headSize]. Row s·context + t is token t of
  ///   sequence s; columns h·headSize ..< (h + 1)·headSize are head h's.
  /// - scale: standard attention has 1/√headSize, μP 1/headSize.
  /// - Returns: output, as `query`; logSums: log Σ_{u ≤ t} exp(scale·query[t]·key[u]), [replica,
  ///   sequences·context, heads].
  /// - Throws: `OpenCLError`.
  ///
  /// Source: Vaswani et al., arXiv:1706.03762, equation 1; by blocks as Dao et al., arXiv:2205.14135,
  /// with the running maximum of Milakov and Gimelshein, arXiv:1805.02867.
  public func attention(
    query: Tensor, key: Tensor, value: Tensor, shape: AttentionShape, scale: Float
  ) throws -> (output: Tensor, logSums: Tensor) {
    checkAttention("attention", query, like: [key, value], shape: shape)
    let output = try tensor(replicas: query.replicas, rows: query.rows, columns: query.columns)
    let logSums = try tensor(replicas: query.replicas, rows: query.rows, columns: shape.heads)
    try attention(
      query: query, key: key, value: value, shape: shape, scale: scale, output: output,
      logSums: logSums)
    return (output, logSums)
  }

  func attention(
    query: Tensor, key: Tensor, value: Tensor, shape: AttentionShape, scale: Float, output: Tensor,
    logSums: Tensor
  ) throws {
    let kernel = try kernel(
      .attention, kernelVariant.name(of: "attention"), definitions: shape.definitions,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Float.self, UInt32.self, UInt32.self)
    let plan = AttentionPlan(query, shape: shape, compute: self)
    try kernel(
      queue, global: plan.global, local: plan.local, query.buffer, key.buffer, value.buffer,
      output.buffer, logSums.buffer, scale, UInt32(shape.context), UInt32(shape.heads))
  }

  /// Gradients of `attention`.
  ///
  ///     ∂value[u] = Σ_{t ≥ u} p[t, u]·δ[t]
  ///     ∂s[t, u] = p[t, u]·(δ[t]·value[u] − δ[t]·output[t])
  ///     ∂query[t] = scale·Σ_{u ≤ t} ∂s[t, u]·key[u],  ∂key[u] = scale·Σ_{t ≥ u} ∂s[t, u]·query[t]
  ///
  /// p is made again of query, key and logSums. For example, with what `attention` was given and gave:
  ///
  ///     let slopes = try compute.attentionBackward(
  ///       delta, query: q, key: k, value: v, output: output, logSums: logSums, shape: shape,
  ///       scale: 1 / 4)
  ///
  /// - gradient: δ, with respect to the output, [replica, sequences·context, heads·headSize]; stays as
  ///   it is.
  /// - query, key, value, output: as `gradient`. logSums: [replica, sequences·context, heads].
  /// - Returns: query, key, value: their gradients, as `gradient`, summed in a fixed order.
  /// - Throws: `OpenCLError`.
  ///
  /// Source: Dao, arXiv:2307.08691, algorithm 2.
  public func attentionBackward(
    _ gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, output: Tensor, logSums: Tensor,
    shape: AttentionShape, scale: Float
  ) throws -> (query: Tensor, key: Tensor, value: Tensor) {
    checkAttention(
      "attentionBackward", gradient, like: [query, key, value, output], logSums: logSums,
      shape: shape)
    func result() throws -> Tensor {
      try tensor(replicas: gradient.replicas, rows: gradient.rows, columns: gradient.columns)
    }
    let slopes = (query: try result(), key: try result(), value: try result())
    try attentionBackward(
      gradient, query: query, key: key, value: value, output: output, logSums: logSums,
      shape: shape, scale: scale, into: slopes)
    return slopes
  }

  func attentionBackward(
    _ gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, output: Tensor, logSums: Tensor,
    shape: AttentionShape, scale: Float, into slopes: (query: Tensor, key: Tensor, value: Tensor)
  ) throws {
    let dots = try tensor(replicas: logSums.replicas, rows: logSums.rows, columns: shape.heads)
    let (context, heads) = (UInt32(shape.context), UInt32(shape.heads))
    let plan = AttentionPlan(gradient, shape: shape, compute: self)
    guard kernelVariant == .group else {
      let kernel = try kernel(
        .attention, "attention_backward", definitions: shape.definitions, Buffer<Float>.self,
        Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
        Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
        Buffer<Float>.self, Float.self, UInt32.self, UInt32.self)
      try kernel(
        queue, global: [plan.global[1], plan.global[2]], local: [1, 1], gradient.buffer,
        query.buffer, key.buffer, value.buffer, output.buffer, logSums.buffer, dots.buffer,
        slopes.query.buffer, slopes.key.buffer, slopes.value.buffer, scale, context, heads)
      return
    }
    let queries = try kernel(
      .attention, "attention_backward_queries", definitions: shape.definitions,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Float.self,
      UInt32.self, UInt32.self)
    try queries(
      queue, global: plan.global, local: plan.local, gradient.buffer, query.buffer, key.buffer,
      value.buffer, output.buffer, logSums.buffer, dots.buffer, slopes.query.buffer, scale,
      context, heads)
    let keys = try kernel(
      .attention, "attention_backward_keys", definitions: shape.definitions,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Float.self,
      UInt32.self, UInt32.self)
    try keys(
      queue, global: plan.global, local: plan.local, gradient.buffer, query.buffer, key.buffer,
      value.buffer, logSums.buffer, dots.buffer, slopes.key.buffer, slopes.value.buffer, scale,
      context, heads)
  }

  /// What shows whether attention is about to saturate: its greatest logit, and how far it is spread.
  ///
  ///     largestLogit = max over tokens t, u ≤ t of |s[t, u]|,  s[t, u] = scale·query[t]·key[u]
  ///     entropy = mean over tokens t of −Σ_{u ≤ t} p[t, u]·log p[t, u]
  ///
  /// For example, with what `attention` was given:
  ///
  ///     let statistics = try compute.attentionStatistics(
  ///       query: q, key: k, shape: shape, scale: 1 / 4)
  ///
  /// - query, key: [replica, sequences·context, heads·headSize], as for `attention`.
  /// - Returns: for each replica and head, [replica, 1, heads]: largestLogit; entropy in nats, between 0
  ///   and the mean of log t over t = 1 … context. Both are NaN where a logit is.
  /// - Throws: `OpenCLError`.
  ///
  /// Source: Zhai et al., arXiv:2303.06296 (entropy); Wortsman et al., arXiv:2309.14322 (logits).
  public func attentionStatistics(
    query: Tensor, key: Tensor, shape: AttentionShape, scale: Float
  ) throws -> (largestLogit: Tensor, entropy: Tensor) {
    checkAttention("attentionStatistics", query, like: [key], shape: shape)
    let largest = try tensor(replicas: query.replicas, rows: query.rows, columns: shape.heads)
    let entropies = try tensor(replicas: query.replicas, rows: query.rows, columns: shape.heads)
    let most = try tensor(replicas: query.replicas, rows: 1, columns: shape.heads)
    let mean = try tensor(replicas: query.replicas, rows: 1, columns: shape.heads)
    let (rows, context, heads) = (
      UInt32(query.rows), UInt32(shape.context), UInt32(shape.heads)
    )
    let items = kernelVariant.groupItems
    let tokens = try kernel(
      .attention, "attention_entropies", definitions: shape.definitions, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Float.self, UInt32.self,
      UInt32.self, UInt32.self)
    try tokens(
      queue, global: [roundUp(query.rows * shape.heads, items), query.replicas],
      local: [items, 1], query.buffer, key.buffer, largest.buffer, entropies.buffer, scale, rows,
      context, heads)
    let totals = try kernel(
      .attention, "attention_totals", definitions: shape.definitions, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self,
      UInt32.self)
    try totals(
      queue, global: [roundUp(shape.heads, items), query.replicas], local: [items, 1],
      largest.buffer, entropies.buffer, most.buffer, mean.buffer, rows, context, heads)
    return (most, mean)
  }

  private func checkAttention(
    _ name: String, _ first: Tensor, like others: [Tensor], logSums: Tensor? = nil,
    shape: AttentionShape
  ) {
    precondition(
      first.columns == shape.columns && first.rows.isMultiple(of: shape.context),
      "\(name) of \(first.shape) by \(shape.heads) heads of size \(shape.headSize) for "
        + "\(shape.context) tokens")
    for other in others {
      precondition(
        other.shape == first.shape, "\(name) of \(first.shape): got \(other.shape) with it")
    }
    if let logSums {
      let expected = [first.replicas, first.rows, shape.heads]
      precondition(
        logSums.shape == expected,
        "\(name) of \(first.shape): expected logSums \(expected), got \(logSums.shape)")
    }
  }
}

extension AttentionShape {
  /// What programs are compiled for.
  fileprivate var definitions: [String: String] { ["HEAD": "\(headSize)"] }
}

/// How Kernels/attention.cl shares out tokens; which of them a work-item takes changes no number.
private struct AttentionPlan {
  let global: [Int]
  let local: [Int]

  init(_ x: Tensor, shape: AttentionShape, compute: Compute) {
    let heads = x.rows / shape.context * shape.heads
    let items = compute.kernelVariant.groupItems
    local = [items, 1, 1]
    guard compute.kernelVariant == .group else {
      // Heads are work enough where each core has several; else their blocks are shared out too.
      let blocks = (shape.context + compute.vectorWidth - 1) / compute.vectorWidth
      let wanted = 8 * compute.queue.device.computeUnits
      let share = (wanted + heads * x.replicas - 1) / (heads * x.replicas)
      global = [min(blocks, share), heads, x.replicas]
      return
    }
    // The kernels' PARTS, which share a token, each at most 32 columns.
    var parts = 1
    while parts < 16 && 32 * parts < shape.headSize { parts *= 2 }
    let tokens = items / parts
    global = [(shape.context + tokens - 1) / tokens * items, heads, x.replicas]
  }
}
