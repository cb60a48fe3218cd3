import Spectral
import Tensors

/// A tensor that training changes, in every replica.
public final class Parameter {
  /// Its path in the network, `layers.0.weight`, as PyTorch names it.
  public let name: String
  /// Shape and place in the network, which its width scaling depends on.
  public let shape: ParameterShape
  /// [replica, fanOut, fanIn]; of an embedding [replica, count, fanOut], of a vector [replica, 1, fanOut].
  public let value: Tensor
  /// Factor on products with it, the same for every replica.
  public let multiplier: Float

  /// A parameter that holds `value`.
  public init(name: String, shape: ParameterShape, value: Tensor, multiplier: Float = 1) {
    precondition(
      value.rows == shape.rows && value.columns == shape.columns,
      "\(name): value \(value.shape) for rows \(shape.rows), columns \(shape.columns)")
    (self.name, self.shape, self.value, self.multiplier) = (name, shape, value, multiplier)
  }
}

/// A parameter's gradient as the way back hands it over.
public enum ParameterGradient {
  /// A weight's gradient by its factors, ∇W = scale·Δᵀ H: Δ [replica, batch, fanOut],
  /// H [replica, batch, fanIn]. Of rank at most the batch size; not yet a matrix.
  case factors(delta: Tensor, input: Tensor, scale: Float)
  /// The gradient itself.
  case whole(Tensor)

  /// The gradient as a tensor of the parameter's shape.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func materialized(_ compute: Compute) throws -> Tensor {
    switch self {
    case .factors(let delta, let input, let scale):
      try compute.product(.tn, delta, input, alpha: scale)
    case .whole(let tensor): tensor
    }
  }

  /// The spectral and the Frobenius norm of each replica's gradient, each [replica, 1, 1].
  ///
  /// From the factors' B×B Gram matrices where the batch is small, which is exact and reads no
  /// matrix; else by power iteration on the matrix.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func norms(_ compute: Compute) throws -> (spectral: Tensor, frobenius: Tensor) {
    switch self {
    case .factors(let delta, let input, let scale) where delta.rows <= Self.largestGram:
      return try gradientNorms(delta: delta, input: input, scale: scale, compute: compute)
    case .factors, .whole:
      let gradient = try materialized(compute)
      let shape = (gradient.replicas, gradient.rows, gradient.columns)
      let norms = try PowerIteration(shapes: [shape], seed: 0, compute: compute)
        .enqueue([gradient], iterations: Self.coldIterations)
      return (norms.spectral[0], norms.frobenius[0])
    }
  }

  /// Rows of a batch up to which its Gram matrices are worth their eigenvalue.
  private static let largestGram = 512
  /// Gradients are of low stable rank, so their largest singular value stands apart.
  private static let coldIterations = 16
}
