/// A tensor's values on the host, to be written to a file or read from one.
public struct NamedValues: Hashable, Sendable {
  /// The tensor's name, `layers.0.weight`.
  public let name: String
  /// Sizes, the slowest first.
  public let shape: [Int]
  /// Values in row-major order.
  public let values: [Float]

  /// A tensor of `shape`, whose sizes multiply to the number of values.
  public init(name: String, shape: [Int], values: [Float]) {
    precondition(
      shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == values.count,
      "\(values.count) values for \(name) of shape \(shape)")
    self.name = name
    self.shape = shape
    self.values = values
  }
}
