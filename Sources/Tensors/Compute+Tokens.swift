import Foundation
import OpenCL

/// What networks of tokens compute beside products: embeddings and rotary positions.
extension Compute {
  /// Rows of a table by number.
  ///
  ///     y[row] = scale·table[ids[row]]
  ///
  /// - ids: whole numbers below the table's rows, [replica, rows, 1], or of one replica for all. table: [replica, count, columns].
  /// - Returns: [replica, rows, columns].
  /// - Throws: `OpenCLError`.
  public func embed(_ ids: Tensor, table: Tensor, scale: Float = 1) throws -> Tensor {
    precondition(
      ids.columns == 1, "\(ids.shape) of table \(table.shape)")
    let result = try tensor(replicas: table.replicas, rows: ids.rows, columns: table.columns)
    let vectors = (table.columns + vectorWidth - 1) / vectorWidth
    let kernel = try kernel(
      .embedding, "embed", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Float.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: [roundUp(ids.rows * vectors, 64), table.replicas], local: [64, 1], ids.buffer,
      table.buffer, result.buffer, scale, UInt32(ids.replicaStride(in: table.replicas)),
      UInt32(ids.rows), UInt32(table.rows),
      UInt32(table.columns), UInt32(vectors))
    return result
  }

  /// The table's gradient in `embed`.
  ///
  ///     ∂table[id] = scale·Σ over rows of that id of δ[row]
  ///
  /// Rows are added in their order, so that a replica's gradient is the same, bit for bit, whatever replicas
  /// are with it.
  /// - gradient: δ, [replica, rows, columns]. ids: [replica, rows, 1]. count: rows of the table.
  /// - Returns: [replica, count, columns].
  /// - Throws: `OpenCLError`.
  public func embedBackward(
    _ gradient: Tensor, ids: Tensor, count: Int, scale: Float = 1
  ) throws -> Tensor {
    precondition(
      ids.shape == [gradient.replicas, gradient.rows, 1],
      "\(ids.shape) of gradient \(gradient.shape)")
    let result = try tensor(replicas: ids.replicas, rows: count, columns: gradient.columns)
    let vectors = (gradient.columns + vectorWidth - 1) / vectorWidth
    let kernel = try kernel(
      .embedding, "embed_backward", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Float.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self)
    // The kernel's STRIP on CPUs.
    let (items, group) =
      kernelVariant == .group
      ? (roundUp(count * vectors, 64), 64) : ((gradient.columns + 63) / 64, 1)
    try kernel(
      queue, global: [items, ids.replicas], local: [group, 1], ids.buffer, gradient.buffer,
      result.buffer, scale, UInt32(ids.rows), UInt32(count), UInt32(gradient.columns),
      UInt32(vectors))
    return result
  }

  /// The norm of the largest row: a table's norm as a matrix, whose inputs are one-hot.
  ///
  ///     max over rows of √Σ x[row]²
  ///
  /// - x: [replica, rows, columns].
  /// - Returns: [replica, 1, 1]; NaN where an element is.
  /// - Throws: `OpenCLError`.
  public func largestRow(_ x: Tensor) throws -> Tensor {
    let result = try tensor(replicas: x.replicas, rows: 1, columns: 1)
    let kernel = try kernel(
      .embedding, "largest_row", Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self)
    let items = kernelVariant.groupItems
    try kernel(
      queue, global: [items, x.replicas], local: [items, 1], x.buffer, result.buffer,
      UInt32(x.rows), UInt32(x.columns))
    return result
  }

  /// Turns the columns of every head by the position of its row.
  ///
  ///     y[c] = x[c]·cos a − x[c + d/2]·sin a,  y[c + d/2] = x[c]·sin a + x[c + d/2]·cos a
  ///     a = t·base^(−2c/d),  c < d/2
  ///
  /// - x: [replica, sequences·context, heads·d]; row s·context + t is at position t.
  /// - headSize: d, even. base: of the angles, 10000 as a rule.
  /// - backward: turns back, as gradients are.
  /// - Throws: `OpenCLError`.
  ///
  /// Source: Su et al., arXiv:2104.09864; pairs are a head's halves, as in GPT-NeoX and Llama.
  public func rotated(
    _ x: Tensor, headSize: Int, context: Int, base: Double = 10_000, backward: Bool = false
  ) throws -> Tensor {
    precondition(
      headSize % 2 == 0 && x.columns % headSize == 0 && x.rows % context == 0,
      "rotation of \(x.shape) by heads of \(headSize), context \(context)")
    let key = RotationTable.Key(headSize: headSize, context: context, base: base)
    let table = try rotations[key] ?? RotationTable(key, compute: self)
    rotations[key] = table
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let kernel = try kernel(
      .rotation, "rotate_heads", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Float.self, UInt32.self, UInt32.self, UInt32.self, UInt64.self)
    let pairs = x.count / 2
    try kernel(
      queue, global: [roundUp(pairs, 64)], local: [64], x.buffer, table.cosines, table.sines,
      result.buffer, backward ? -1 : 1, UInt32(context), UInt32(x.columns), UInt32(headSize / 2),
      UInt64(pairs))
    return result
  }
}

/// Cosines and sines of rotary positions, [context, headSize/2], by Double.
struct RotationTable {
  struct Key: Hashable {
    let headSize, context: Int
    let base: Double
  }

  let cosines, sines: Buffer<Float>

  init(_ key: Key, compute: Compute) throws {
    let middle = key.headSize / 2
    let angles = (0..<key.context * middle).map { index in
      Double(index / middle) * pow(key.base, -Double(index % middle) / Double(middle))
    }
    cosines = try Buffer(queue: compute.queue, angles.map { Float(cos($0)) })
    sines = try Buffer(queue: compute.queue, angles.map { Float(sin($0)) })
  }
}
