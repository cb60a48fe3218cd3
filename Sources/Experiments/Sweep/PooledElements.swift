import Networks
import Training

/// The memory of a pool that keeps buffers by size: for each size, as many as were ever in use at
/// once. Counted in elements.
struct PooledElements {
  private var inUse: [Double: Int] = [:]
  private var held: [Double: Int] = [:]

  /// Elements of all buffers.
  var total: Double { held.reduce(0) { $0 + $1.key * Double($1.value) } }
  /// Elements of the largest buffer.
  var largest: Double { held.keys.max() ?? 0 }

  mutating func take(_ count: Double) {
    inUse[count, default: 0] += 1
    held[count] = max(held[count, default: 0], inUse[count]!)
  }

  mutating func give(_ count: Double) {
    inUse[count]! -= 1
  }

  /// One training step: what the trainer's forward pass and pullbacks take and give back.
  ///
  /// - normsOfGradients: whether norms are taken by the batch's two Gram matrices.
  /// - gradients: whether a weight's gradient becomes a matrix.
  mutating func walkStep(
    _ shape: MLP, rows: Double, normsOfGradients: Bool, gradients: Bool
  ) {
    let sizes = ([shape.inputs] + shape.hidden + [shape.outputs]).map(Double.init)
    let kept = walkForward(shape, rows: rows)
    for layer in (0...shape.hidden.count).reversed() {
      if layer > 0 { take(rows * sizes[layer]) }
      if shape.bias {
        take(sizes[layer + 1])
        give(sizes[layer + 1])
      }
      let gram = normsOfGradients ? [rows * rows, rows * rows] : []
      for count in gram { take(count) }
      release(gram)
      if gradients {
        take(sizes[layer] * sizes[layer + 1])
        give(sizes[layer] * sizes[layer + 1])
      }
      // The output's gradient; that of the logits belongs to the loss.
      if layer < shape.hidden.count { give(rows * sizes[layer + 1]) }
    }
    release(kept)
  }

  /// A forward pass with the loss; returns what its pullbacks keep, still in use.
  mutating func walkForward(_ shape: MLP, rows: Double) -> [Double] {
    var kept = [rows * Double(shape.inputs)]
    for width in shape.hidden.map(Double.init) {
      kept += [Double](repeating: rows * width, count: shape.activation != .identity ? 2 : 1)
    }
    // Logits, their gradient, each row's loss and whether it is right.
    kept += [rows * Double(shape.outputs), rows * Double(shape.outputs), rows, rows]
    for count in kept { take(count) }
    return kept
  }

  /// Gives back what a pass kept.
  mutating func release(_ counts: [Double]) {
    for count in counts { give(count) }
  }
}
