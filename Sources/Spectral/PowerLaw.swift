import Foundation

/// A value that scales with a tensor's shape.
///
///     m · fanIn^a · fanOut^b
public struct PowerLaw: Codable, Hashable, Sendable {
  /// m.
  public var multiplier: Double
  /// a.
  public var fanIn: Double
  /// b.
  public var fanOut: Double

  /// The law of these numbers; without any, 1.
  public init(multiplier: Double = 1, fanIn: Double = 0, fanOut: Double = 0) {
    (self.multiplier, self.fanIn, self.fanOut) = (multiplier, fanIn, fanOut)
  }

  /// The value for a tensor of `shape`.
  public func value(for shape: ParameterShape) -> Double {
    multiplier * Self.power(Double(shape.fanIn), fanIn) * Self.power(Double(shape.fanOut), fanOut)
  }

  /// The law with multiplier 1.
  var unit: PowerLaw { PowerLaw(fanIn: fanIn, fanOut: fanOut) }

  /// xᵉ for x ≥ 1; with e a multiple of ½ by products and one root, whose last bits are those of the
  /// rules as they are written: 1/√x, x·x.
  static func power(_ x: Double, _ exponent: Double) -> Double {
    if exponent < 0 { return 1 / power(x, -exponent) }
    let halves = exponent * 2
    guard halves == halves.rounded(), halves <= 16 else { return pow(x, exponent) }
    var result = 1.0
    for _ in 0..<Int(halves) / 2 { result *= x }
    return Int(halves) % 2 == 1 ? result * x.squareRoot() : result
  }
}
