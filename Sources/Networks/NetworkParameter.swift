import Spectral

/// A parameter of a graph: its path, its extents, and where it starts.
public struct NetworkParameter: Hashable, Sendable {
  /// Where a parameter starts.
  public enum Start: Hashable, Sendable {
    /// Drawn, `factor` times as large as the parametrization has it; 0 starts it at zero.
    case drawn(factor: Double)
    /// Every entry is this.
    case constant(Float)
  }

  /// Names of the modules that it is in and its own, with dots between: `blocks.3.up.weight`.
  public private(set) var path: String
  /// Whether it multiplies its input, is added, or is a normalisation's gain.
  public let kind: ParameterShape.Kind
  /// What it takes in; of an embedding the numbers that it has rows for; of a vector, what the layer that
  /// it belongs to takes in, which decides its role.
  public private(set) var fanIn: Extent
  /// What it gives out.
  public private(set) var fanOut: Extent
  /// Where it starts.
  public let start: Start
  /// Factor on a weight's product, beside the parametrization's own.
  public let multiplier: Double
  /// Of what makes attention's queries, keys or values: columns of a head, which are as many rows of a matrix.
  public private(set) var headSize: Extent?
  /// Whether it makes queries whose size a width-scaling rule may set.
  public let isQuery: Bool
  /// Of an embedding: whether its transpose gives the logits.
  public let isTied: Bool
  /// How the residual branch scales that it is in; nil outside of branches.
  public private(set) var depthScaling: DepthScaling?

  /// A matrix [fanOut, fanIn].
  ///
  /// - headSize: of attention's queries, keys and values: columns of a head.
  /// - isQuery: whether it makes queries whose size a width-scaling rule may set.
  public static func weight(
    _ path: String, fanIn: Extent, fanOut: Extent, multiplier: Double = 1,
    initialFactor: Double = 1, headSize: Extent? = nil, isQuery: Bool = false
  ) -> Self {
    Self(
      path: path, kind: .weight, fanIn: fanIn, fanOut: fanOut,
      start: .drawn(factor: initialFactor), multiplier: multiplier, headSize: headSize,
      isQuery: isQuery, isTied: false)
  }

  /// A table [count, columns] whose rows are picked by number.
  ///
  /// - isTied: whether its transpose gives the logits; `multiplier` is then theirs.
  public static func embedding(
    _ path: String, count: Int, columns: Extent, multiplier: Double = 1,
    initialFactor: Double = 1, isTied: Bool = false
  ) -> Self {
    Self(
      path: path, kind: .embedding, fanIn: .fixed(count), fanOut: columns,
      start: .drawn(factor: initialFactor), multiplier: multiplier, headSize: nil,
      isQuery: false, isTied: isTied)
  }

  /// A vector [fanOut] that is added to what a layer of `fanIn` gives.
  ///
  /// - headSize: of attention's queries: columns of a head.
  public static func bias(
    _ path: String, fanIn: Extent, fanOut: Extent, headSize: Extent? = nil
  ) -> Self {
    Self(
      path: path, kind: .bias, fanIn: fanIn, fanOut: fanOut, start: .drawn(factor: 1),
      multiplier: 1, headSize: headSize, isQuery: headSize != nil, isTied: false)
  }

  /// A vector [extent] that values are multiplied by, entry by entry.
  ///
  /// - headSize: of attention's normalised queries: columns of a head.
  public static func gain(
    _ path: String, _ extent: Extent, start: Float = 1, headSize: Extent? = nil
  ) -> Self {
    Self(
      path: path, kind: .gain, fanIn: extent, fanOut: extent, start: .constant(start),
      multiplier: 1, headSize: headSize, isQuery: headSize != nil, isTied: false)
  }

  /// Heads whose rows a matrix has one after the other; 1 of one that is not attention's.
  public var heads: Int {
    guard kind == .weight, let headSize else { return 1 }
    return fanOut.size / headSize.size
  }

  /// The parameter as width-scaling rules see it.
  public var shape: ParameterShape {
    let role = LayerRole(fanIn: fanIn, fanOut: fanOut)
    let headSize = isQuery ? headSize?.size : nil
    return switch kind {
    case .weight:
      .weight(role: role, fanIn: fanIn.size, fanOut: fanOut.size, headSize: headSize)
    case .embedding:
      .embedding(role: role, count: fanIn.size, fanOut: fanOut.size, isTied: isTied)
    case .bias: .bias(role: role, fanOut: fanOut.size, headSize: headSize)
    case .gain: .gain(role: role, fanOut: fanOut.size, headSize: headSize)
    }
  }

  /// Whether settings for `selector` are for it: `all`, a role, or a name as of `RateRule`.
  package func isSelected(by selector: String) -> Bool {
    ParameterSelector.selects(selector, path, role: shape.role)
  }

  /// The factor of the initial standard deviation, beside the parametrization's; 0 of one that starts
  /// at a constant.
  public var initialFactor: Double {
    if case .drawn(let factor) = start { factor } else { 0 }
  }

  /// What all entries start at; nil of one that is drawn.
  public var initialValue: Float? {
    if case .constant(let value) = start { value } else { nil }
  }

  /// The same parameter in a network `factor` times as wide.
  func widened(by factor: Int) -> Self {
    var wider = self
    (wider.fanIn, wider.fanOut) = (fanIn.widened(by: factor), fanOut.widened(by: factor))
    wider.headSize = headSize?.widened(by: factor)
    return wider
  }

  /// The parameter in the module called `module`, in a residual branch of this scaling.
  func inside(_ module: String, _ depthScaling: DepthScaling?) -> Self {
    var placed = self
    (placed.path, placed.depthScaling) = ("\(module).\(path)", depthScaling)
    return placed
  }
}
