public struct AttentionShape: Hashable, Sendable {
  public let heads, headSize, context: Int
  public init(heads: Int, headSize: Int, context: Int) {
    (self.heads, self.headSize, self.context) = (heads, headSize, context)
  }
}
extension Compute {
  public func attention(
    query: Tensor, key: Tensor, value: Tensor, shape: AttentionShape, scale: Float
  ) throws -> (output: Tensor, logSums: Tensor) { fatalError() }
  public func attentionBackward(
    _ gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, output: Tensor,
    logSums: Tensor, shape: AttentionShape, scale: Float
  ) throws -> (query: Tensor, key: Tensor, value: Tensor) { fatalError() }
}
