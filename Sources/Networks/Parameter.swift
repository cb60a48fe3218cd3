import Spectral
import Tensors

/// A tensor that training changes, in every replica.
public final class Parameter {
  /// Its path in the network, `layers.0.weight`, as PyTorch names it.
  public let name: String
  /// Shape and place in the network, which its width scaling depends on.
  public let shape: ParameterShape
  /// [replica, fanOut, fanIn]; of a vector [replica, 1, fanOut].
  public let value: Tensor
  /// Factor on a weight's product, the same for every replica; 1 for a vector.
  public let multiplier: Float

  /// A parameter that holds `value`.
  public init(name: String, shape: ParameterShape, value: Tensor, multiplier: Float = 1) {
    let (rows, columns) = shape.tensorSize
    precondition(
      value.rows == rows && value.columns == columns,
      "\(name): value \(value.shape) for rows \(rows), columns \(columns)")
    (self.name, self.shape, self.value, self.multiplier) = (name, shape, value, multiplier)
  }
}

extension ParameterShape {
  /// Rows and columns of a replica's tensor: fanOut×fanIn, of a vector 1×fanOut.
  var tensorSize: (rows: Int, columns: Int) { isVector ? (1, fanOut) : (fanOut, fanIn) }
}
