import Foundation
import Training

/// What the numbers of a setting may be.
public struct SettingBounds<Value>: Sendable {
  /// In words that follow the kind of value: `from 1 to 8`.
  public let text: String
  /// Whether a number lies within.
  public let contains: @Sendable (Value) -> Bool
  /// What speaks against numbers that all lie within, in words: that they hardly mean what they say.
  public let doubt: @Sendable ([Value]) -> String?

  /// Bounds; without a doubt by default.
  init(
    text: String, doubt: @escaping @Sendable ([Value]) -> String? = { _ in nil },
    contains: @escaping @Sendable (Value) -> Bool
  ) {
    (self.text, self.contains, self.doubt) = (text, contains, doubt)
  }
}

extension SettingBounds where Value: Comparable & SettingValue {
  /// Both ends included.
  public static func range(_ range: ClosedRange<Value>) -> Self {
    Self(text: "from \(text(range.lowerBound)) to \(text(range.upperBound))") {
      range.contains($0)
    }
  }

  /// The upper end left out.
  public static func range(_ range: Range<Value>) -> Self {
    Self(text: "from \(text(range.lowerBound)) to below \(text(range.upperBound))") {
      range.contains($0)
    }
  }

  private static func text(_ value: Value) -> String { value.setting.optionText }
}

extension SettingBounds where Value == Double {
  /// Numbers > 0.
  public static var positive: Self { Self(text: "above 0") { $0 > 0 } }
  /// Multiples of √(out/in) that a spectral norm can be held at.
  static var spectralMultiple: Self {
    Self(text: "above 0, from 1e-6 to 1e6") { SpectralConstraint.range.contains($0) }
  }

  /// log2 of the greatest rate: far above any that trains.
  static var log2RateLimit: Double { 16 }

  /// log2 of rates that are ordinary numbers in the device's arithmetic, and not beyond all that trains.
  /// Between 0 and 1 are rates from 1 to 2: where all are there, rates themselves were meant.
  public static var log2Rate: Self {
    let range = -126...log2RateLimit
    return Self(
      text: Self.range(range).text,
      doubt: { values in
        guard !values.isEmpty, values.allSatisfy({ $0 > 0 && $0 < 1 }) else { return nil }
        let given = JSONValue.array(values.map(JSONValue.number)).optionText
        let rates = values.map { String(format: "%.4g", exp2($0)) }.joined(separator: ",")
        return "expected log2 of rates, got \(given), which are the rates \(rates); "
          + "for plain rates give lr \(given)"
      }, contains: { range.contains($0) })
  }
}

/// Bounds that several settings share.
package enum Limits {
  /// Sizes up to this give products that a Double counts exactly enough.
  package static let size = 1 << 24
  /// Layers, and small factors.
  package static let depth = 4096
}
