/// A parameter as the width-scaling rules see it: what it is, where it sits, how large it is.
///
/// A bias of a layer with fan-out n is the matrix n×1 with constant input 1: `fanIn` is 1. So is
/// an embedding's fan-in, because its one-hot input has norm 1 and not √fanIn.
/// Source: arXiv:2310.17813, whose condition is stated for matrices.
public struct ParameterShape: Codable, Hashable, Sendable {
  /// Whether the parameter multiplies its input or is added.
  public enum Kind: String, Codable, Hashable, Sendable {
    /// Multiplies its input; stored [fanOut, fanIn].
    case weight
    /// Added to the product; stored [fanOut].
    case bias
    /// Multiplies a normalised value entry by entry; stored [fanOut]. Starts at 1.
    case gain
    /// A table whose rows are picked by number, as if a one-hot input were multiplied; stored
    /// [rows, fanOut].
    case embedding
  }

  /// What a product with the parameter is for, where width-scaling rules multiply it apart from the
  /// parameter's own size.
  public enum Use: Codable, Hashable, Sendable {
    /// Products as of any other weight: the multiplier is 1 in effective form.
    case plain
    /// An embedding whose transpose also gives the logits: its entries stay as an embedding's, so the
    /// readout's share of the rule is a multiplier.
    case tiedReadout
    /// The queries of attention with heads of so many columns: queries and keys align while training, so
    /// that logits by 1/√headSize grow as √headSize does.
    case queries(headSize: Int)
  }

  /// Whether the parameter multiplies its input or is added.
  public let kind: Kind
  /// Whether it is a vector, the matrix fanOut×1.
  public var isVector: Bool { kind == .bias || kind == .gain }
  /// Which dimensions of its layer grow with width.
  public let role: LayerRole
  /// Number of inputs, ≥ 1; 1 for a bias and an embedding.
  public let fanIn: Int
  /// Number of outputs, ≥ 1.
  public let fanOut: Int
  /// Rows of the stored matrix, ≥ 1: fanOut of a weight, the numbers that an embedding has rows for, 1 of a
  /// vector.
  public let rows: Int
  /// What a product with it is for.
  public let use: Use

  private init(
    kind: Kind, role: LayerRole, fanIn: Int, fanOut: Int, rows: Int, use: Use = .plain
  ) {
    precondition(
      fanIn >= 1 && fanOut >= 1 && rows >= 1,
      "shape must be ≥ 1×1, got \(fanOut)×\(fanIn), \(rows) rows")
    (self.kind, self.role, self.use) = (kind, role, use)
    (self.fanIn, self.fanOut, self.rows) = (fanIn, fanOut, rows)
  }

  /// The weight [fanOut, fanIn] of a layer. Traps unless both are ≥ 1.
  ///
  /// - headSize: of attention's queries: columns of a head.
  public static func weight(
    role: LayerRole, fanIn: Int, fanOut: Int, headSize: Int? = nil
  ) -> Self {
    Self(
      kind: .weight, role: role, fanIn: fanIn, fanOut: fanOut, rows: fanOut,
      use: headSize.map { .queries(headSize: $0) } ?? .plain)
  }

  /// An embedding [count, fanOut]. Traps unless both are ≥ 1.
  ///
  /// - isTied: whether its transpose gives the logits.
  public static func embedding(
    role: LayerRole, count: Int, fanOut: Int, isTied: Bool = false
  ) -> Self {
    Self(
      kind: .embedding, role: role, fanIn: 1, fanOut: fanOut, rows: count,
      use: isTied ? .tiedReadout : .plain)
  }

  /// ‖W‖_*/σ of a Gaussian matrix of this shape and entries of deviation σ.
  ///
  ///     √fanOut + √fanIn;  of an embedding, whose input is one-hot, a row's norm √fanOut
  ///
  /// On square layers this is 2√fanIn; of an input layer with σ = 1/√n_0 it makes 1 + √(n/n_0), the
  /// norm that keeps features Θ(1) though inputs do not align with random weights.
  /// Source: Vershynin, arXiv:1011.3027, theorem 5.32: the expectation is below, and at large sizes
  /// equal.
  public var normRatio: Double {
    Double(fanOut).squareRoot() + (kind == .embedding ? 0 : Double(fanIn).squareRoot())
  }

  /// The factor on products with the parameter by which features are learned at every width, apart from the
  /// parameter's own entries.
  ///
  ///     tied readout 1/fanOut;  queries 1/√headSize, beside attention's own 1/√headSize;  else 1
  ///
  /// Source: Tensor Programs V (arXiv:2203.03466), section 2 for attention; `MuSharedReadout` of the mup
  /// package.
  var featureLearningMultiplier: Double {
    switch use {
    case .plain: 1
    case .tiedReadout: 1 / Double(fanOut)
    case .queries(let headSize): 1 / Double(headSize).squareRoot()
    }
  }

  /// The bias [fanOut] of a layer, as the matrix fanOut×1. Traps unless fanOut is ≥ 1.
  ///
  /// - headSize: of attention's queries: columns of a head.
  public static func bias(role: LayerRole, fanOut: Int, headSize: Int? = nil) -> Self {
    Self(
      kind: .bias, role: role, fanIn: 1, fanOut: fanOut, rows: 1,
      use: headSize.map { .queries(headSize: $0) } ?? .plain)
  }

  /// The gain [fanOut] of a normalisation, as the matrix fanOut×1. Traps unless fanOut is ≥ 1.
  ///
  /// - headSize: of attention's normalised queries: columns of a head.
  public static func gain(role: LayerRole, fanOut: Int, headSize: Int? = nil) -> Self {
    Self(
      kind: .gain, role: role, fanIn: 1, fanOut: fanOut, rows: 1,
      use: headSize.map { .queries(headSize: $0) } ?? .plain)
  }

  /// Columns of the stored matrix: fanIn of a weight, else fanOut.
  public var columns: Int { kind == .weight ? fanIn : fanOut }

  /// Sizes as PyTorch stores the parameter: [fanOut, fanIn], of an embedding [rows, fanOut], of a vector
  /// [fanOut].
  public var stored: [Int] { isVector ? [fanOut] : [rows, columns] }
}

/// Which dimensions of a layer grow with the network's width.
///
/// A dimension that stays fixed enters a width-scaling rule by its limit of growing width, so a
/// rule has to know it: at 3072 inputs most widths in use are below the input size, where
/// min{1, √(fanOut/fanIn)} would still grow. Source: arXiv:2310.17813, whose Θ speaks of this limit.
public enum LayerRole: String, Codable, Hashable, Sendable, CaseIterable {
  /// Fan-in is the number of inputs and stays fixed; fan-out grows.
  case input
  /// Both fan-in and fan-out grow.
  case hidden
  /// Fan-in grows; fan-out is the number of outputs and stays fixed.
  case readout
}

/// One dimension of a tensor: its size, and whether it grows with the network's width.
public struct Extent: Codable, Hashable, Sendable {
  /// Number of elements, ≥ 1.
  public let size: Int
  /// Whether a network that is wider has a larger one.
  public let grows: Bool

  private init(size: Int, grows: Bool) {
    precondition(size >= 1, "an extent of \(size)")
    (self.size, self.grows) = (size, grows)
  }

  /// The same at every width: inputs, classes, a vocabulary. Traps unless `size` is ≥ 1.
  public static func fixed(_ size: Int) -> Extent { Extent(size: size, grows: false) }

  /// In proportion to the width. Traps unless `size` is ≥ 1.
  public static func growing(_ size: Int) -> Extent { Extent(size: size, grows: true) }

  /// The extent in a network `factor` times as wide.
  public func widened(by factor: Int) -> Extent {
    grows ? Extent(size: size * factor, grows: true) : self
  }
}

extension LayerRole {
  /// The role of a matrix by its extents. One whose extents are both fixed is `hidden`: no rule relative
  /// to a base then changes anything.
  public init(fanIn: Extent, fanOut: Extent) {
    self =
      switch (fanIn.grows, fanOut.grows) {
      case (false, true): .input
      case (true, false): .readout
      case (true, true), (false, false): .hidden
      }
  }
}
