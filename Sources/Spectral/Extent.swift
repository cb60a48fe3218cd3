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
