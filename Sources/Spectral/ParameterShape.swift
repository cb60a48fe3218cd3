/// Where a parameter sits in a network, which decides what of its shape grows with width.
public enum LayerRole: String, Codable, Hashable, Sendable, CaseIterable {
  /// Fan-in is the number of inputs and stays fixed; fan-out grows.
  case input
  /// Both fan-in and fan-out grow.
  case hidden
  /// Fan-in grows; fan-out is the number of outputs and stays fixed.
  case readout
}

/// A parameter as the width-scaling rules see it.
///
/// A bias of a layer with fan-out n is the matrix n×1 with constant input 1: `fanIn` is 1.
public struct ParameterShape: Codable, Hashable, Sendable {
  /// Whether the parameter multiplies its input or is added.
  public enum Kind: String, Codable, Hashable, Sendable {
    case weight, bias
  }

  public let kind: Kind
  public let role: LayerRole
  /// Number of inputs (≥ 1); 1 for a bias.
  public let fanIn: Int
  /// Number of outputs (≥ 1).
  public let fanOut: Int

  private init(kind: Kind, role: LayerRole, fanIn: Int, fanOut: Int) {
    precondition(fanIn >= 1 && fanOut >= 1, "shape must be ≥ 1×1, got \(fanOut)×\(fanIn)")
    self.kind = kind
    self.role = role
    self.fanIn = fanIn
    self.fanOut = fanOut
  }

  /// The weight [fanOut, fanIn] of a layer.
  public static func weight(role: LayerRole, fanIn: Int, fanOut: Int) -> Self {
    Self(kind: .weight, role: role, fanIn: fanIn, fanOut: fanOut)
  }

  /// The bias [fanOut] of a layer.
  public static func bias(role: LayerRole, fanOut: Int) -> Self {
    Self(kind: .bias, role: role, fanIn: 1, fanOut: fanOut)
  }
}
