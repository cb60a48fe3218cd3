import Spectral
import Tensors

/// A tensor that training changes, in every replica.
public final class Parameter {
  /// `layers.0.weight`, as PyTorch names it.
  public let name: String
  /// Shape and place in the network, which its width scaling depends on.
  public let shape: ParameterShape
  /// [replica, fanOut, fanIn]; a bias is [replica, 1, fanOut].
  public let value: Tensor

  /// A parameter that holds `value`.
  public init(name: String, shape: ParameterShape, value: Tensor) {
    let bias = shape.kind == .bias
    let (rows, columns) = (bias ? 1 : shape.fanOut, bias ? shape.fanOut : shape.fanIn)
    precondition(
      value.rows == rows && value.columns == columns,
      "\(name): value \(value.shape) for rows \(rows), columns \(columns)")
    (self.name, self.shape, self.value) = (name, shape, value)
  }
}

/// A parameter's gradient as the pullback hands it over.
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
}
